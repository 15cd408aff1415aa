"""What an event changes in the ledger's tree, as values, and what the files are after it. Pure.

An update is partial: it is applied to the newest state of its file, so that writers who touch different resources of one
stack lose nothing when one of them has to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trueup.plan.recorded import RecordedResource, RecordedStack
from trueup.record import states
from trueup_stacks.core.resources import Address, StackId

Files = dict[str, bytes | None]
"""Content by path within the workspace's part of the tree; None for a file that goes."""
Read = Callable[[str], bytes | None]
"""The content of a path in the newest tree, or None."""


@dataclass(frozen=True, slots=True)
class StackUpdate:
    """Resources of one stack that finished, and what holds for the stack from now on (None: as it was)."""

    stack: StackId
    resources: tuple[RecordedResource, ...] = ()
    """Created or updated."""
    removed: tuple[Address, ...] = ()
    commit: str | None = None
    digest: str | None = None
    compiler: str | None = None
    destroyed: bool = False
    """The stack is gone altogether."""

    @classmethod
    def whole(cls, stack: RecordedStack) -> StackUpdate:
        """All of a stack, as an update on top of nothing."""
        return cls(stack.id, tuple(stack.resources.values()), (), stack.commit, stack.digest, stack.compiler)


@dataclass(frozen=True, slots=True)
class PinUpdate:
    """A direct rollback pins an environment at a commit; None lifts the pin."""

    environment: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class DurationUpdate:
    """Seconds that the last run of each document took, by `str(Key)`."""

    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InventoryUpdate:
    """What a cluster of an environment was seen to have, as JSON; `cluster` is its name where there are several."""

    environment: str
    cluster: str
    form: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApprovalUpdate:
    """An approval that was given; `id` is its own (letters, digits and `-`), `form` its JSON."""

    environment: str
    id: str
    form: Mapping[str, Any]


Update = StackUpdate | PinUpdate | DurationUpdate | InventoryUpdate | ApprovalUpdate

DURATIONS, INVENTORIES = "durations.json", "clusters"


def stack_path(stack: StackId) -> str:
    """Where a stack is kept."""
    return f"stacks/{stack}.json"


def inventory_path(environment: str, cluster: str) -> str:
    """Where it is kept what a cluster was seen to have."""
    return f"{INVENTORIES}/{environment}{'.' if cluster else ''}{cluster}.json"


def approvals_folder(environment: str) -> str:
    """Where the open approvals of an environment are kept."""
    return f"approvals/{environment}/"


def files_after(updates: Iterable[Update], read: Read) -> Files:
    """The files that the updates write, in order, on top of what `read` gives."""
    files: Files = {}

    def current(path: str) -> bytes | None:
        return files[path] if path in files else read(path)

    for update in updates:
        files.update(_files(update, current))
    return files


def _files(update: Update, read: Read) -> Files:
    match update:
        case StackUpdate():
            return _stack(update, read)
        case PinUpdate(environment, commit):
            path = f"pins/{environment}.json"
            if commit is None:
                return {path: None} if read(path) is not None else {}
            return {path: states.dump({"commit": commit})}
        case DurationUpdate(seconds):
            known = read(DURATIONS)
            return {DURATIONS: states.dump({**(states.load(known) if known else {}), **seconds})}
        case InventoryUpdate(environment, cluster, form):
            return {inventory_path(environment, cluster): states.dump(form)}
        case ApprovalUpdate(environment, name, form):
            return {f"{approvals_folder(environment)}{name}.json": states.dump(form)}


def _stack(update: StackUpdate, read: Read) -> Files:
    path = stack_path(update.stack)
    data = read(path)
    if update.destroyed:
        return {path: None} if data is not None else {}
    before = states.stack_of(states.load(data)) if data else RecordedStack(update.stack)
    resources = {a: r for a, r in before.resources.items() if a not in set(update.removed)}
    resources |= {r.address: r for r in update.resources}
    after = replace(
        before,
        commit=before.commit if update.commit is None else update.commit,
        digest=before.digest if update.digest is None else update.digest,
        compiler=before.compiler if update.compiler is None else update.compiler,
        resources=resources,
    )
    return {path: states.dump(states.stack_json(after))}
