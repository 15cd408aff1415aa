"""What an entry changed, as a change of another tree. Pure but for what it is given to read; called by `exchange`.

The entry's own files are not copied over: what it changed in them is, resource by resource, so that nothing that others recorded is lost.
"""

from __future__ import annotations

from trueup.plan.recorded import RecordedStack
from trueup.record import states, updates
from trueup.record.events import Entry
from trueup.record.ledger import Tree
from trueup.record.updates import DurationUpdate, StackUpdate
from trueup_stacks.core.resources import StackId


def files(entry: Entry, before: Tree, after: Tree, now: Tree) -> updates.Files:
    """The files that the entry writes on top of `now`, given the trees before and after it when it was first written."""
    start = f"{entry.workspace}/"
    paths = sorted(p.removeprefix(start) for p in (*entry.changed, *entry.removed) if p.startswith(start))
    found: updates.Files = {}
    for path in paths:
        found |= _file(path, before.read(path), after.read(path), now)
    return found


def _file(path: str, old: bytes | None, new: bytes | None, now: Tree) -> updates.Files:
    if path.startswith("stacks/"):
        stack = StackId.parse(path.removeprefix("stacks/").removesuffix(".json"))
        return updates.files_after([_stack(stack, old, new)], now.read)
    if path == updates.DURATIONS and new is not None:
        known, found = (states.load(data) if data else {} for data in (old, new))
        changed = {k: v for k, v in found.items() if known.get(k) != v}
        return updates.files_after([DurationUpdate(changed)], now.read)
    return {path: new} if new is not None or now.read(path) is not None else {}


def _stack(id: StackId, old: bytes | None, new: bytes | None) -> StackUpdate:
    if new is None:
        return StackUpdate(id, destroyed=True)
    before = states.stack_of(states.load(old)) if old else RecordedStack(id)
    after = states.stack_of(states.load(new))
    return StackUpdate(
        id,
        resources=tuple(r for a, r in after.resources.items() if before.resources.get(a) != r),
        removed=tuple(a for a in before.resources if a not in after.resources),
        commit=after.commit if after.commit != before.commit else None,
        digest=after.digest if after.digest != before.digest else None,
        compiler=after.compiler if after.compiler != before.compiler else None,
    )
