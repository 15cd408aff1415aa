"""Rows of a data source as a pandas frame: files through fsspec, queries through SQLAlchemy. Used by `table` alone.

Values of text formats stay text: the dataset's contract says what they are, not a guess of the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup import places
from trueup.provider.component import ComponentError
from trueup.provider.inputs import unsecret

if TYPE_CHECKING:
    import pandas as pd

NULLS = ["", "NA"]
"""What CSV files hold where there is no value; `options.nullValue` adds one."""


def rows(source: Mapping[str, Any], home: Path) -> pd.DataFrame:
    """All rows of a source. Raises ComponentError where it cannot be read; the text holds no password."""
    return _query(source) if source.get("kind") == "sql" else _files(source, home)


def _files(source: Mapping[str, Any], home: Path) -> pd.DataFrame:
    import pandas as pd

    url = str(source["url"])
    path = places.resolve(home, url)
    options = dict(source.get("options") or {})
    storage = dict(source.get("storageOptions") or {}) or None
    shown = unsecret(url)
    try:
        match source.get("format"):
            case "csv":
                return _csv(path, options, storage)
            case "jsonl":
                return pd.read_json(path, lines=True, dtype=False, convert_dates=False, storage_options=storage)
            case "parquet":
                return pd.read_parquet(path, storage_options=storage)
    except FileNotFoundError:
        raise ComponentError(f"The data file {shown} is not there. Check `file.url` of the DataSource.") from None
    except (OSError, PermissionError) as error:
        raise ComponentError(f"The data file {shown} cannot be read: {error}. Check its place and `storageOptions`.") from error
    except (ValueError, UnicodeDecodeError, ImportError, LookupError) as error:
        raise ComponentError(f"The data file {shown} is not {source.get('format')} as its options say: {error}") from error
    except Exception as error:  # noqa: BLE001 — remote filesystems raise errors of their own libraries
        raise ComponentError(f"The data file {shown} cannot be read ({type(error).__name__}): {error}") from error
    raise ComponentError(f"The format {source.get('format')!r} is none of csv, jsonl and parquet.")


def _csv(path: str, options: Mapping[str, Any], storage: dict[str, Any] | None) -> pd.DataFrame:
    import pandas as pd

    nulls = [*NULLS, str(options["nullValue"])] if options.get("nullValue") is not None else NULLS
    header: int | None = None if options.get("header") is False else 0
    frame = pd.read_csv(
        path,
        dtype=str,
        keep_default_na=False,
        na_values=nulls,
        sep=str(options.get("delimiter") or ","),
        header=header,
        encoding=str(options.get("encoding") or "utf-8"),
        storage_options=storage,
    )
    if options.get("decimal") not in (None, "."):
        frame = frame.apply(lambda column: column.str.replace(str(options["decimal"]), ".", regex=False))
    frame.columns = [str(name) for name in frame.columns]
    return frame


def _query(source: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd
    import sqlalchemy

    connection = str(source["connection"])
    try:
        engine = sqlalchemy.create_engine(connection)
        with engine.connect() as opened:
            return pd.read_sql_query(sqlalchemy.text(str(source["query"])), opened)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        text = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ComponentError(f"The query of {unsecret(connection)} failed: {text}") from error
