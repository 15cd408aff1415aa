"""Exports of table versions: the rows of one Delta version, in a view's types, as the Parquet file that Feast reads.

Used by `feast.registry`. An export is never changed: its name says which version of which table it holds, in which types.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueup.features.repository import DATA, FeatureError, Repository

if TYPE_CHECKING:
    import pyarrow as pa

KEEP = 3
"""So many exports of a view are kept, newest last: a run that reads the former one while the next comes is not cut off."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export: its path inside the repository, its rows and entities, and the newest time in it (ISO 8601)."""

    path: str
    rows: int
    entities: int
    until: str | None
    dropped: int = 0

    def described(self) -> dict[str, Any]:
        """As `feast.definitions.view` takes it."""
        return {"path": self.path, "rows": self.rows, "entities": self.entities, "until": self.until}


def export(repository: Repository, inputs: Mapping[str, Any], uri: str, keys: Mapping[str, str]) -> Export:
    """Writes the version of the table at `uri` that the view names, unless it is there. `keys` are join keys with their value types."""
    import pyarrow.parquet as pq

    table, identity = _version(uri, int(inputs["table"]["version"]), str(inputs["table"]["uri"]))
    stamp = hashlib.sha256(json.dumps([identity, _shape(inputs, keys)]).encode()).hexdigest()[:12]
    path = f"{DATA}/{inputs['name']}/{int(inputs['table']['version'])}-{stamp}.parquet"
    target = repository.folder / path
    rows = typed(table, inputs, keys)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        pq.write_table(rows, fresh)
        fresh.replace(target)
    return Export(
        path,
        rows.num_rows,
        _entities(rows, list(keys)),
        _until(rows, inputs["timestampField"]),
        table.num_rows - rows.num_rows,
    )


def prune(repository: Repository, view: str, used: str) -> None:
    """Removes a view's older exports, never the one in use."""
    folder = repository.folder / DATA / view
    old = sorted(
        (p for p in folder.glob("*.parquet") if p != repository.folder / used), key=lambda p: p.stat().st_mtime
    )
    for path in old[: -(KEEP - 1)]:
        path.unlink(missing_ok=True)


def typed(table: pa.Table, inputs: Mapping[str, Any], keys: Mapping[str, str]) -> pa.Table:
    """The view's columns in its types; rows without an entity or a time count for no join and are left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = _shape(inputs, keys)
    if absent := [name for name in wanted if name not in table.column_names]:
        raise FeatureError(
            f"The feature view {inputs['name']} reads {', '.join(absent)}, but version {inputs['table']['version']} of the table "
            f"{inputs['table']['uri']} has {', '.join(table.column_names)}. Correct the view, or add the column to the Dataset."
        )
    rows = pa.table({name: _cast(table.column(name), kind, name, inputs) for name, kind in wanted.items()})
    if created := inputs.get("createdTimestampColumn"):
        # Feast's online store takes no null here; a row of unknown creation loses every tie, which the oldest time does as well.
        oldest = pa.scalar(0, pa.timestamp("us", "UTC"))
        rows = rows.set_column(rows.column_names.index(created), created, pc.fill_null(rows.column(created), oldest))
    there = [pc.is_valid(rows.column(name)) for name in (*keys, inputs["timestampField"])]
    mask = there[0]
    for other in there[1:]:
        mask = pc.and_(mask, other)
    return rows.filter(mask)


def _shape(inputs: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    """Column → type: join keys, times and features, each once."""
    created = inputs.get("createdTimestampColumn")
    times = {inputs["timestampField"]: "timestamp", **({created: "timestamp"} if created else {})}
    return {**{f["name"]: f["type"] for f in inputs["features"]}, **times, **keys}


def _cast(column: Any, kind: str, name: str, inputs: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", "UTC"),
    }
    if pa.types.is_boolean(column.type) != (kind == "bool") and kind != "string":
        raise FeatureError(_mistyped(name, column.type, kind, inputs))
    try:
        if kind == "timestamp" and pa.types.is_timestamp(column.type) and column.type.tz is None:
            column = column.cast(pa.timestamp("us"))
        return column.cast(types[kind])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FeatureError(_mistyped(name, column.type, kind, inputs)) from error


def _mistyped(name: str, there: Any, kind: str, inputs: Mapping[str, Any]) -> str:
    return (
        f"The feature view {inputs['name']} says that {name} is {kind}, but version {inputs['table']['version']} of the table "
        f"{inputs['table']['uri']} holds {there}, of which not every value is {kind}. Correct the type in the view or in the Dataset."
    )


def _version(path: str, version: int, shown: str) -> tuple[pa.Table, str]:
    """The rows of a version, and what tells the table from another at the same place."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(path, version=version)
        return table.to_pyarrow_table(), str(table.metadata().id)
    except TableNotFoundError as error:
        raise FeatureError(f"The table {shown} is not there; apply its Dataset first.") from error
    except (DeltaError, OSError) as error:
        raise FeatureError(f"Version {version} of the table {shown} cannot be read: {error}") from error


def _entities(rows: pa.Table, keys: Sequence[str]) -> int:
    return int(rows.group_by(list(keys)).aggregate([]).num_rows)


def _until(rows: pa.Table, timestamp: str) -> str | None:
    import pyarrow.compute as pc

    newest = pc.max(rows.column(timestamp)).as_py()
    return newest.isoformat() if newest is not None else None


def remove(repository: Repository, view: str) -> None:
    """Removes all exports of a view."""
    shutil.rmtree(repository.folder / DATA / view, ignore_errors=True)
