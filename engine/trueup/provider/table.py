"""`trueup:data:Table`: a Delta Lake table, loaded from a source, with a contract. Called by `server` and `observe`.

A source with a cursor is asked for it first, and is read only where the loaded version has another value of it.
Each load is one Delta version whose commit says whose it is, what was asked for, and a digest of the rows: so the same content makes no
new version, an interrupted load is found again, and a commit by anybody else is drift. An edited table is healed from the last version
that we wrote, so that the source need not be there; the edit stays in the history.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trueup import places
from trueup.provider import columns, contracts, sources
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State
from trueup.provider.delta import commits, digest, opened
from trueup.provider.inputs import unsecret

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

URN, SOURCE, REQUEST, DIGEST, ROWS = "trueup.urn", "trueup.source", "trueup.request", "trueup.digest", "trueup.rows"
CURSOR, MEANING = "trueup.cursor", "trueup.meaning"
"""The cursor's value before a load, and a digest of all else that was asked for."""
MOST_SHOWN = 20
UNREAD = "unknown"
"""The fingerprint of a source that does not say whether it changed: it is read whenever the resource is updated."""
_CREDENTIALS = ("storageOptions", "connection")


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
            found += [
                *fields.text(inputs, "source.connection", "a SQLAlchemy URL"),
                *fields.text(inputs, "source.query", "a query"),
            ]
            if fields.at(inputs, "source.cursor") is not None:
                found += fields.text(inputs, "source.cursor", "a query that gives one value")
        elif kind != UNKNOWN:
            found.append(Failure("source.kind", f"`source.kind` must be file or sql; it is {fields.shown(kind)}."))
        if not inputs.get("properties"):
            found.append(Failure("properties", "`properties` must list at least one column."))
        elif inputs["properties"] != UNKNOWN:
            found += [Failure(path, reason) for path, reason in contracts.faults(inputs["properties"])]
        uri = inputs.get("uri")
        if isinstance(uri, str) and "://" in uri and not uri.startswith("file://"):
            found.append(Failure("uri", f"A table of the local target is a folder; `uri` is {unsecret(uri)!r}."))
        return found

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """Everything, where nothing is to be loaded; else the place alone, and the version where it is pinned."""
        pinned = inputs.get("pinnedVersion")
        if old and pinned in (None, old.outputs.get("version")) and old.outputs.get("request") == request(inputs):
            return dict(old.outputs)
        known = {"uri": inputs["uri"]} if inputs.get("uri") != UNKNOWN else {}
        return known if pinned in (None, UNKNOWN) else {**known, "version": pinned}

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
        """The table as it is; a commit by another writer shows as another source. An import gets the columns that are there."""
        place = inputs.get("uri") or id
        table = opened(self._path(context, {"uri": place}))
        if table is None:
            return None
        newest, live = commits(table)[0], {**inputs, "uri": place}
        if not inputs:
            live |= _imported(table, newest)
        elif newest.get(URN) is None:
            live["sourceFingerprint"] = f"edited: version {newest['version']} was not written by Trueup"
        return Live(live, _outputs(live, table, str(outputs.get("request") or "")))

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Loads again where source or contract changed; heals a table that was edited; keeps the version where nothing did."""
        table = opened(self._path(context, inputs))
        ours = next((c for c in commits(table) if c.get(URN)), None) if table else None
        if table is None or ours is None or not _loaded(ours, old_outputs, inputs):
            return self._load(context, inputs)
        if ours["version"] != table.version():
            return self._restore(context, inputs, ours)
        if inputs.get("sourceFingerprint") in (None, UNREAD):
            return self._load(context, inputs)
        return State(id, _outputs(inputs, table))

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Removes the table with all its versions."""
        path = Path(self._path(context, {"uri": inputs.get("uri") or id}))
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ComponentError(
                f"The table {path} cannot be removed: {error.strerror}. Remove what holds it, and apply again."
            ) from error

    def _path(self, context: Context, inputs: Mapping[str, Any]) -> str:
        uri = str(inputs["uri"])
        try:
            return places.resolve(context.home, uri).removeprefix("file://")
        except ValueError as error:
            raise ComponentError(f"The table's place is refused: {error}.") from error

    def _load(self, context: Context, inputs: Properties) -> State:
        table, cursor = opened(self._path(context, inputs)), None
        if fields.at(inputs, "source.cursor"):
            cursor = sources.cursor(inputs["source"])
            if table is not None and _holds(commits(table)[0], cursor, inputs):
                context.log(f"the source's cursor is {cursor} as before, so it is not read again")
                return State(str(inputs["uri"]), _outputs(inputs, table))
        context.log("reading the source")
        frame = sources.rows(inputs["source"], context.home, inputs["properties"])
        context.log(f"checking {len(frame)} rows")
        done = contracts.conform(frame, inputs["properties"], bool(inputs.get("strict")), inputs.get("quality") or ())
        if done.errors:
            raise ComponentError(_refused(inputs, done))
        for violation in done.violations:
            context.log(f"warning: {violation.text}")
        path, mark = self._path(context, inputs), digest(done.table)
        if table is None or commits(table)[0].get(DIGEST) != mark:
            table = self._write(context, path, done.table, inputs, mark, cursor)
        return State(str(inputs["uri"]), _outputs(inputs, table))

    def _restore(self, context: Context, inputs: Properties, ours: Mapping[str, Any]) -> State:
        path = self._path(context, inputs)
        table = opened(path, int(ours["version"]))
        if table is None:
            return self._load(context, inputs)
        context.log(f"restoring version {ours['version']}")
        rows, cursor = table.to_pyarrow_table(), ours.get(CURSOR)
        written = self._write(context, path, rows, inputs, str(ours[DIGEST]), cursor)
        return State(str(inputs["uri"]), _outputs(inputs, written))

    def _write(
        self, context: Context, path: str, rows: pa.Table, inputs: Properties, mark: str, cursor: str | None
    ) -> DeltaTable:
        from deltalake import CommitProperties, DeltaTable, write_deltalake
        from deltalake.exceptions import DeltaError

        stamp = {
            URN: context.urn,
            SOURCE: str(inputs.get("sourceFingerprint")),
            REQUEST: request(inputs),
            DIGEST: mark,
            ROWS: str(rows.num_rows),
            MEANING: meaning(inputs),
        } | ({CURSOR: cursor} if cursor is not None else {})
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_deltalake(
                path,
                rows,
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=CommitProperties(custom_metadata=stamp),
            )
        except (DeltaError, OSError) as error:
            raise ComponentError(f"The table {inputs['uri']} cannot be written: {error}") from error
        context.log(f"wrote {rows.num_rows} rows")
        return DeltaTable(path)


def request(inputs: Mapping[str, Any]) -> str:
    """A digest of what a load depends on, without credentials: their rotation loads nothing."""
    source = {k: v for k, v in (inputs.get("source") or {}).items() if k not in _CREDENTIALS and v}
    if connection := (inputs.get("source") or {}).get("connection"):
        source["database"] = unsecret(str(connection)).split("?")[0]
    if url := source.get("url"):
        source["url"] = unsecret(str(url)).split("?")[0] if "://" in str(url) else url
    asked = {
        "source": source,
        "sourceFingerprint": inputs.get("sourceFingerprint"),
        "properties": inputs.get("properties"),
        "strict": bool(inputs.get("strict")),
        "quality": inputs.get("quality") or [],
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def meaning(inputs: Mapping[str, Any]) -> str:
    """A digest of what a load depends on beside the content of its source."""
    return request({**inputs, "sourceFingerprint": None})


def _holds(newest: Mapping[str, Any], cursor: str, inputs: Mapping[str, Any]) -> bool:
    """Whether the newest version is ours, was made at this value of the cursor, and for what is asked now."""
    return bool(newest.get(URN)) and newest.get(CURSOR) == cursor and newest.get(MEANING) == meaning(inputs)


def _loaded(ours: Mapping[str, Any], outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
    """Whether our last version is what the inputs ask for: it was written for them, or it was found to be the same for them."""
    asked = request(inputs)
    return ours.get(REQUEST) == asked or (
        outputs.get("request") == asked and outputs.get("contentDigest") == ours.get(DIGEST)
    )


def _outputs(inputs: Mapping[str, Any], table: DeltaTable, asked: str | None = None) -> Properties:
    """The version that readers get, pinned or the last that we wrote, and what it holds."""
    history, pinned = commits(table), inputs.get("pinnedVersion")
    if pinned is not None and pinned > table.version():
        raise ComponentError(
            f"The table {inputs['uri']} is pinned at version {pinned}, but its newest is {table.version()}. Pin one that exists."
        )
    ours = next((c for c in history if c.get(URN)), history[0])
    served = ours if pinned is None else next((c for c in history if c["version"] == pinned), None)
    there = (
        opened(table.table_uri, pinned)
        if served is None
        else table
        if served is history[0]
        else opened(table.table_uri, int(served["version"]))
    )
    if served is None or there is None:
        raise ComponentError(
            f"The table {inputs['uri']} is pinned at version {pinned}, which is kept no longer. Pin one that exists."
        )
    rows = served.get(ROWS)
    return {
        "uri": inputs["uri"],
        "version": int(served["version"]),
        "rows": int(rows) if rows is not None else int(there.count()),
        "columns": [f.name for f in there.schema().fields],
        "contentDigest": str(served.get(DIGEST) or ""),
        "request": request(inputs) if asked is None else asked,
    }


def _imported(table: DeltaTable, newest: Mapping[str, Any]) -> Properties:
    """What the table itself says of its inputs."""
    import pyarrow as pa

    schema = pa.schema(table.schema())
    return {
        "sourceFingerprint": str(newest.get(SOURCE) or UNREAD),
        "properties": [{"name": f.name, "logicalType": columns.logical_type(f.type)} for f in schema],
    }


def _moved(owner: str, urn: str) -> bool:
    """Whether two URNs are of the same type and project: a renamed dataset keeps its table."""
    return owner.split("::")[1:3] == urn.split("::")[1:3]


def _refused(inputs: Properties, done: contracts.Conformed) -> str:
    listed = [v.text for v in done.errors]
    more = [f"and {len(listed) - MOST_SHOWN} more"] if len(listed) > MOST_SHOWN else []
    lines = "\n".join(f"  - {text}" for text in [*listed[:MOST_SHOWN], *more])
    first = f"The data does not keep the contract of {inputs['uri']}, so nothing was loaded:"
    return f"{first}\n{lines}\nCorrect the source, or change the Dataset."
