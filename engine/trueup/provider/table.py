"""`trueup:data:Table`: a Delta Lake table, loaded from a source, with a contract. Called by `server` and `observe`.

Each load is one Delta version whose commit says whose it is, what was loaded and a digest of it: so the same content makes no new
version, an interrupted load is found again, and a commit by anybody else is drift.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trueup import places
from trueup.provider import contracts, sources
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

URN, SOURCE, DIGEST, ROWS = "trueup.urn", "trueup.source", "trueup.digest", "trueup.rows"
MOST_SHOWN = 20
_LOADED = ("source", "sourceFingerprint", "properties", "strict", "quality", "uri")


class Table:
    """A versioned table. Its id is its place."""

    token: ClassVar[str] = "trueup:data:Table"
    replace_on: ClassVar[frozenset[str]] = frozenset({"uri"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found = [*fields.place(inputs, "uri"), *fields.whole(inputs, "pinnedVersion", 0)]
        kind = fields.at(inputs, "source.kind")
        if kind == "file":
            found += fields.text(inputs, "source.url", "the place of the data")
            if fields.at(inputs, "source.format") not in ("csv", "jsonl", "parquet", UNKNOWN):
                found.append(Failure("source.format", "`source.format` must be csv, jsonl or parquet."))
        elif kind == "sql":
            found += [*fields.text(inputs, "source.connection", "a SQLAlchemy URL"), *fields.text(inputs, "source.query", "a query")]
        elif kind != UNKNOWN:
            found.append(Failure("source.kind", f"`source.kind` must be file or sql; it is {fields.shown(kind)}."))
        if not inputs.get("properties"):
            found.append(Failure("properties", "`properties` must list at least one column."))
        return found

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """Everything, where nothing is to be loaded; else the place alone."""
        known = {"uri": inputs["uri"]} if inputs.get("uri") != UNKNOWN else {}
        if inputs.get("pinnedVersion") not in (None, UNKNOWN):
            known["version"] = inputs["pinnedVersion"]
        return known

    def create(self, context: Context, inputs: Properties) -> State:
        """Loads the table, or adopts what an interrupted load of ours left. Refuses a table that is another's."""
        table = opened(self._path(context, inputs))
        if table is not None:
            owner = next((c[URN] for c in commits(table) if c.get(URN)), None)
            if owner != context.urn and owner is not None and not _moved(owner, context.urn):
                raise ComponentError(f"The table {inputs['uri']} is that of {owner}; give this one another place.")
            if owner is None:
                raise ComponentError(f"The table {inputs['uri']} exists and is not ours; import it, or move it away.")
        return self._load(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The table as it is; a commit by another writer shows as another source."""
        place = inputs.get("uri") or id
        table = opened(self._path(context, {"uri": place}))
        if table is None:
            return None
        newest = commits(table)[0]
        live = {**inputs, "uri": place}
        if newest.get(URN) is None and inputs:
            live["sourceFingerprint"] = f"edited: version {newest['version']} was not written by Trueup"
        return Live(live, self._outputs(live, table))

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Loads again where source or contract changed, or where the table was edited; keeps the version where nothing did."""
        return self._load(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Removes the table with all its versions."""
        shutil.rmtree(self._path(context, {"uri": inputs.get("uri") or id}), ignore_errors=True)

    def _path(self, context: Context, inputs: Mapping[str, Any]) -> str:
        try:
            return places.resolve(context.home, str(inputs["uri"]))
        except ValueError as error:
            raise ComponentError(f"The table's place is refused: {error}.") from error

    def _load(self, context: Context, inputs: Properties) -> State:
        context.log("reading the source")
        frame = sources.rows(inputs["source"], context.home)
        context.log(f"checking {len(frame)} rows")
        done = contracts.conform(frame, inputs["properties"], bool(inputs.get("strict")), inputs.get("quality") or ())
        if done.errors:
            raise ComponentError(_refused(inputs, done))
        for violation in done.violations:
            context.log(f"warning: {violation.text}")
        path, mark = self._path(context, inputs), digest(done.table)
        table = opened(path)
        if table is None or commits(table)[0].get(DIGEST) != mark:
            table = self._write(context, path, done.table, inputs, mark)
        return State(str(inputs["uri"]), self._outputs(inputs, table))

    def _write(self, context: Context, path: str, rows: pa.Table, inputs: Properties, mark: str) -> DeltaTable:
        from deltalake import CommitProperties, DeltaTable, write_deltalake
        from deltalake.exceptions import DeltaError

        stamp = {URN: context.urn, SOURCE: str(inputs.get("sourceFingerprint")), DIGEST: mark, ROWS: str(rows.num_rows)}
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_deltalake(
                path, rows, mode="overwrite", schema_mode="overwrite", commit_properties=CommitProperties(custom_metadata=stamp)
            )
        except (DeltaError, OSError) as error:
            raise ComponentError(f"The table {inputs['uri']} cannot be written: {error}") from error
        context.log(f"wrote {rows.num_rows} rows")
        return DeltaTable(path)

    def _outputs(self, inputs: Mapping[str, Any], table: DeltaTable) -> Properties:
        newest = next((c for c in commits(table) if c.get(URN)), commits(table)[0])
        pinned = inputs.get("pinnedVersion")
        if pinned is not None and pinned > table.version():
            raise ComponentError(
                f"The table {inputs['uri']} is pinned at version {pinned}, but its newest is {table.version()}. Pin one that exists."
            )
        return {
            "uri": inputs["uri"],
            "version": int(pinned if pinned is not None else newest["version"]),
            "rows": int(newest.get(ROWS) or 0),
            "columns": [f.name for f in table.schema().fields],
            "contentDigest": str(newest.get(DIGEST) or ""),
        }


def opened(path: str) -> DeltaTable | None:
    """The table at a path; None where there is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    if "://" not in path and not (Path(path) / "_delta_log").is_dir():
        return None
    try:
        return DeltaTable(path)
    except TableNotFoundError:
        return None


def commits(table: DeltaTable) -> list[dict[str, Any]]:
    """The commits of a table, newest first, with what we wrote into them."""
    return list(table.history())


def digest(rows: pa.Table) -> str:
    """A digest of content and schema: what is the same gives the same, wherever it was read."""
    import pyarrow as pa

    found = hashlib.sha256(rows.schema.to_string().encode())
    sink = _Digest(found)
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), rows.schema) as writer:
        writer.write_table(rows.combine_chunks(), max_chunksize=1 << 16)
    return found.hexdigest()


class _Digest:
    """A file that is only hashed."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.closed = False

    def write(self, data: Any) -> int:
        self._found.update(data)
        return len(data)

    def flush(self) -> None:
        return

    def close(self) -> None:
        self.closed = True


def _moved(owner: str, urn: str) -> bool:
    """Whether two URNs are of the same type and project: a renamed dataset keeps its table."""
    return owner.split("::")[1:3] == urn.split("::")[1:3]


def _refused(inputs: Properties, done: contracts.Conformed) -> str:
    listed = [v.text for v in done.errors]
    more = [f"and {len(listed) - MOST_SHOWN} more"] if len(listed) > MOST_SHOWN else []
    lines = "\n".join(f"  - {text}" for text in [*listed[:MOST_SHOWN], *more])
    return f"The data does not keep the contract of {inputs['uri']}, so nothing was loaded:\n{lines}\nCorrect the source, or change the Dataset."
