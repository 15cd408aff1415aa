"""The history of one document, from the ledger. Called by `trueup audit blame`; reads only.

An apply writes an entry for each stack and one that closes it; what belongs to one apply is told as one change. What was true then is
read from the ledger's tree at that entry: the data that the run read, its metrics, what its gates said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trueup.plan.recorded import RecordedResource, RecordedStack
from trueup.record import states, updates
from trueup.record.events import Entry, EventKind, Subject
from trueup.record.findings import Approver, Change, Data
from trueup.record.ledger import Ledger, Tree
from trueup.record.objects import Reader
from trueup_stacks.core.resources import Address, Output, StackId, decode, outputs_of

RUN, GATE, ALIAS = "trueup:run:Run", "trueup:run:Gate", "trueup:registry:Alias"
_STACKS = (EventKind.STEP, EventKind.HELD, EventKind.WAITING, EventKind.FAILED)


def blame(ledger: Ledger, document: str, environment: str) -> Iterator[Change]:
    """Every change of a document (`str(Key)`) in an environment, newest first."""
    entries = [e for e in ledger.entries(newest_first=False) if e.event.environment == environment]
    given = {i: e for e in entries if e.event.kind is EventKind.APPROVED for i in e.event.approvals}
    with Reader(ledger.git) as reader:
        found = [
            _change(ledger, reader, document, closing, steps, given)
            for closing, steps in _applies(reader, entries, document)
        ]
    yield from reversed(found)


def _applies(reader: Reader, entries: Iterable[Entry], document: str) -> Iterator[tuple[Entry, list[Entry]]]:
    """The applies that touched the document: the closing entry, and those of its stacks. An interrupted one closes with its last."""
    open_: list[Entry] = []
    for entry in entries:
        event = entry.event
        if event.kind in _STACKS:
            if document in (event.details.get("documents") or ()):
                open_.append(entry)
        elif event.kind is EventKind.APPLIED:
            if open_ or document in (event.details.get("documents") or ()):
                yield entry, open_
            open_ = []
        elif event.kind is EventKind.DESTROYED and event.stack and _held(reader, entry, document):
            yield entry, []
    if open_:
        yield open_[-1], open_


def _held(reader: Reader, entry: Entry, document: str) -> bool:
    """Whether the stack of an entry held something of the document before it."""
    stack = _stack(Tree(reader, entry.previous, entry.workspace), StackId.parse(entry.event.stack))
    return any(r.origin == document for r in stack.resources.values())


def _change(
    ledger: Ledger, reader: Reader, document: str, entry: Entry, steps: list[Entry], given: Mapping[str, Entry]
) -> Change:
    tree = Tree(reader, entry.id, ledger.workspace)
    own = [r for s in _stacks(tree, entry.event.environment) for r in s.resources.values() if r.origin == document]
    run = next((r for r in own if r.address.type == RUN), None)
    author, subject = _written(ledger, entry.event.commit)
    mine = {str(r.address) for r in own}
    done = [s for e in steps for s in e.event.details.get("steps") or () if isinstance(s, Mapping)]
    return Change(
        entry=entry,
        author=author,
        subject=subject,
        why=str(entry.event.details.get("why") or ""),
        approvers=tuple(_approver(i, given.get(i)) for i in entry.event.approvals),
        steps=tuple(s for s in done if s.get("resource") in mine or s.get("action") == "delete"),
        data=tuple(_data(tree, run)) if run else (),
        code=str((run.properties.get("code") or {}).get("tree") or "") if run else "",
        version=_version(own, steps, document),
        metrics=dict(run.outputs.get("metrics") or {}) if run else {},
        evidence=tuple(c for r in own if r.address.type == GATE for c in r.outputs.get("evidence") or ()),
    )


def _approver(id: str, entry: Entry | None) -> Approver:
    """Who approved: the member whose key signed, as it was verified then; who ran the command is only Git's word."""
    if entry is None:
        return Approver("", None, id)
    return Approver(str(entry.event.details.get("by") or entry.event.actor), entry.event.time, id)


def _written(ledger: Ledger, commit: str) -> tuple[str, str]:
    """Who wrote a commit of the specs, and its message's first line; empty where the clone does not have it."""
    if not commit:
        return "", ""
    done = ledger.git.run("log", "-1", "--format=%an <%ae>%n%s", commit, "--")
    lines = done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []
    return (lines[0], lines[1] if len(lines) > 1 else "") if lines else ("", "")


def _stacks(tree: Tree, environment: str) -> Iterator[RecordedStack]:
    for name in tree.names("stacks"):
        id = StackId.parse(name.removesuffix(".json"))
        if id.environment == environment:
            yield _stack(tree, id)


def _stack(tree: Tree, id: StackId) -> RecordedStack:
    data = tree.read(updates.stack_path(id))
    return states.stack_of(states.load(data)) if data else RecordedStack(id)


def _data(tree: Tree, run: RecordedResource) -> Iterator[Data]:
    """The datasets that a run read, at the versions that its tables had then."""
    for reference, dataset in sorted((run.properties.get("datasets") or {}).items()):
        version = decode(dataset.get("version"))
        read = next(iter(outputs_of(version)), None)
        table = _resource(tree, read.address) if isinstance(read, Output) else None
        if table is None:
            yield Data(reference, version if not isinstance(version, Output) else None)
        else:
            yield Data(table.origin, table.outputs.get("version"), str(table.outputs.get("contentDigest") or ""))


def _resource(tree: Tree, address: Address) -> RecordedResource | None:
    return _stack(tree, address.stack).resources.get(address)


def _version(own: Iterable[RecordedResource], steps: Iterable[Entry], document: str) -> int | None:
    """The version in use after the change: the gate's, the alias's, else what the run registered."""
    by_type = {r.address.type: r for r in own}
    accepted = by_type[GATE].outputs.get("acceptedVersion") if GATE in by_type else None
    if accepted is None and ALIAS in by_type:
        accepted = by_type[ALIAS].properties.get("version")
    if isinstance(accepted, int):
        return accepted
    subjects: list[Subject] = [s for e in steps for s in e.event.subjects]
    made = [s.name.rpartition("@")[2] for s in subjects if s.name.startswith(f"model:{document}@")]
    return int(made[-1]) if made and made[-1].isdigit() else None
