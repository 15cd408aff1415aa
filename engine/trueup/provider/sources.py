"""Rows of a data source as a pandas frame: files through fsspec, queries through SQLAlchemy. Used by `table` alone.

Values of text formats stay text: the dataset's contract says what they are, not a guess of the reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from trueup import places
from trueup.provider.component import ComponentError
from trueup.provider.inputs import unsecret

if TYPE_CHECKING:
    import pandas as pd

NULLS = ["", "NA"]
"""What CSV files hold where there is no value; `options.nullValue` adds one."""
NUMBERS = ("integer", "number")


def rows(source: Mapping[str, Any], home: Path, columns: Sequence[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """All rows of a source; `columns` are the contract's. Raises ComponentError where it cannot be read; the text holds no password."""
    frame = _query(source) if source.get("kind") == "sql" else _files(source, home, columns)
    names = [str(n) for n in frame.columns]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ComponentError(f"The source has several columns named {', '.join(twice)}; give each a name of its own.")
    return frame.set_axis(names, axis=1)


def _files(source: Mapping[str, Any], home: Path, columns: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    url, kind = str(source["url"]), str(source.get("format"))
    options, storage = dict(source.get("options") or {}), dict(source.get("storageOptions") or {})
    shown = unsecret(url).split("?")[0]
    try:
        path = places.resolve(home, url)
        match kind:
            case "csv":
                return _csv(path, options, storage or None, columns)
            case "jsonl":
                return _json_lines(path, options, storage)
            case "parquet":
                return _parquet(path, storage or None)
    except FileNotFoundError:
        raise ComponentError(f"The data file {shown} is not there. Check `file.url` of the DataSource.") from None
    except OSError as error:
        text = masked(error, url, storage)
        raise ComponentError(
            f"The data file {shown} cannot be read: {text}. Check its place and `storageOptions`, and apply again."
        ) from None
    except (ValueError, ImportError, LookupError) as error:
        raise ComponentError(
            f"The data file {shown} is not {kind} as its options say: {masked(error, url, storage)}."
        ) from None
    except Exception as error:  # noqa: BLE001 — remote filesystems raise errors of their own libraries
        text = masked(error, url, storage)
        raise ComponentError(f"The data file {shown} cannot be read ({type(error).__name__}): {text}") from None
    raise ComponentError(f"The format {kind!r} is none of csv, jsonl and parquet.")


def masked(error: Exception, url: str, storage: Mapping[str, Any]) -> str:
    """What an error says, without the credentials of a URL or of options."""
    text = (str(error) or type(error).__name__).strip().rstrip(".")
    hidden = [str(v) for v in storage.values() if len(str(v)) >= 4]
    parts = urlsplit(url)
    hidden += [v for v in (parts.password, parts.query) if v]
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, "***").replace(quote(value, safe=""), "***").replace(unquote(value), "***")
    return text.replace(url, unsecret(url).split("?")[0])


def _csv(
    path: str, options: Mapping[str, Any], storage: dict[str, Any] | None, columns: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    import pandas as pd

    nulls = [*NULLS, str(options["nullValue"])] if options.get("nullValue") is not None else NULLS
    bare = options.get("header") is False
    frame = pd.read_csv(
        path,
        dtype=str,
        keep_default_na=False,
        na_values=nulls,
        sep=str(options.get("delimiter") or ","),
        header=None if bare else 0,
        encoding=str(options.get("encoding") or "utf-8-sig"),
        storage_options=storage,
    )
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(f"its rows have more fields than the {len(frame.columns)} columns of its header")
    if bare and columns:
        if len(frame.columns) != len(columns):
            raise ValueError(
                f"without a header each row must have the {len(columns)} columns of the schema, and has {len(frame.columns)}"
            )
        frame.columns = pd.Index([str(c["name"]) for c in columns])
    mark = str(options.get("decimal") or ".")
    for column in columns:
        if mark != "." and column.get("logicalType") in NUMBERS and column["name"] in frame.columns:
            frame[column["name"]] = frame[column["name"]].str.replace(mark, ".", regex=False)
    return frame


def _json_lines(path: str, options: Mapping[str, Any], storage: dict[str, Any]) -> pd.DataFrame:
    """One JSON object a line, read by the standard library: readers of whole frames turn large integers into floats."""
    import fsspec
    import pandas as pd

    found: list[dict[str, Any]] = []
    with fsspec.open(
        path, "rt", encoding=str(options.get("encoding") or "utf-8-sig"), compression="infer", **storage
    ) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON ({error})") from None
            if not isinstance(value, dict):
                raise ValueError(f"line {number} is no JSON object")
            found.append(value)
    names = list(dict.fromkeys(name for value in found for name in value))
    return pd.DataFrame(
        {name: pd.Series([value.get(name) for value in found], dtype=object) for name in names}, index=range(len(found))
    )


def _parquet(path: str, storage: dict[str, Any] | None) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path, storage_options=storage, dtype_backend="pyarrow")


def cursor(source: Mapping[str, Any]) -> str:
    """The single value of a source's cursor query, as text. Raises ComponentError where it gives another number of values."""
    found, _ = _asked(source, "cursor")
    if len(found) != 1 or len(found[0]) != 1:
        shape = f"{len(found)} rows" if len(found) != 1 else f"{len(found[0])} columns"
        raise ComponentError(
            f"`sql.cursor` must give one value and gives {shape}. Write a query such as `select max(updated_at) from orders`."
        )
    return str(found[0][0])


def _query(source: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    found, names = _asked(source, "query")
    return pd.DataFrame([list(row) for row in found], columns=pd.Index(names), dtype=object)


def _asked(source: Mapping[str, Any], which: str) -> tuple[Sequence[Any], list[str]]:
    """The rows and column names that the `query` or `cursor` of a source gives."""
    import sqlalchemy

    connection = str(source["connection"])
    shown = "the database"
    try:
        url = sqlalchemy.make_url(connection)
        shown = url.set(username=None, password=None, query={}).render_as_string()
        if (
            url.get_backend_name() == "sqlite"
            and url.database not in (None, "", ":memory:")
            and not Path(str(url.database)).exists()
        ):
            raise ComponentError(f"The database {shown} is not there. Check `sql.connection` of the DataSource.")
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as opened:
                result = opened.execute(sqlalchemy.text(str(source[which])))
                found, names = result.fetchall(), list(result.keys())
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        text = masked(Exception(str(getattr(error, "orig", None) or error).splitlines()[0]), connection, {})
        raise ComponentError(
            f"The {which} of {shown} failed: {text}. Check the database and `sql` of the DataSource, and apply again."
        ) from None
    return found, names
