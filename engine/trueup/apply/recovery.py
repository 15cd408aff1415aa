"""What an interrupted operation left, put right before the next one. Called by `apply/pulumi.py` with the stack's lock held.

The order matters: whoever takes the lock has ended the processes of its former owner (`locks.py`); then the files of the state are made
readable, Pulumi's own lock is cleared where its owner is known to be gone, and operations that were begun and never recorded as
ended are settled. The operation that follows compares the state with reality (`Recovered.refresh`), so that nothing is lost or doubled.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psutil

from trueup.apply import checkpoints, processes
from trueup.apply.locks import LockedError, Record
from trueup.kernel import started_at
from trueup.provider import journal
from trueup.provider.catalogue import PACKAGE
from trueup.provider.component import MASK, ComponentError
from trueup.provider.journal import Creation
from trueup_stacks.core.resources import Address, StackId

LOCKED = re.compile(r"created by (?P<user>.*)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
BUSY = ("the stack is currently locked by", "Another update is currently in progress")
PROVIDER = f"pulumi:providers:{PACKAGE}"
OLD_SECONDS = 600.0
"""A scratch file of Pulumi's this old belongs to no write that goes on."""

Json = dict[str, Any]
Adopt = Callable[[str, Mapping[str, Any]], str]
"""(URN, inputs) → the id of the native resource, which is made or found. Raises an Exception where neither works."""
Desired = Mapping[Address, Mapping[str, Any]]
"""The properties of what a stack is to hold, with outputs and secrets as they are declared."""
Identity = Callable[[str], frozenset[str] | None]
"""The type of a resource → the inputs that make it another thing when they change; None where it is no native one."""


class RecoveryError(Exception):
    """The state cannot be put right without a person. The text says what to do."""


class Exporter(Protocol):
    """Pulumi's export and import of a stack's state."""

    def export(self, stack: StackId, secrets: bool = False) -> Json | None: ...

    def load(self, stack: StackId, exported: Json) -> None: ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was put right, in sentences, and whether the state must be compared with reality."""

    notes: tuple[str, ...] = ()
    refresh: bool = False

    def __add__(self, other: Recovered) -> Recovered:
        return Recovered(self.notes + other.notes, self.refresh or other.refresh)


@dataclass(frozen=True, slots=True)
class Held:
    """A lock of Pulumi's own: it has an owner and no lease."""

    user: str
    host: str
    pid: int
    since: datetime

    def stale(self, left: Record | None) -> bool:
        """Whether its owner is known to be gone: it is the CLI that we have just ended, or a process of this machine that is no more."""
        if left is not None and left.cli is not None and (left.cli.host, left.cli.pid) == (self.host, self.pid):
            return True
        if self.host != processes.host():
            return False
        if started_at(self.pid) is None:
            return True
        try:
            return psutil.Process(self.pid).create_time() > self.since.timestamp() + 1
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}) since {self.since:%Y-%m-%d %H:%M:%S UTC}"


class LeftLockedError(LockedError):
    """A stack is locked in the backend by processes that are known to be gone: `held`."""

    def __init__(self, text: str, held: list[Held]) -> None:
        super().__init__(text)
        self.held = held


def inherited(left: Record | None) -> Recovered:
    """What the lock of an owner that went without releasing it means."""
    if left is None:
        return Recovered()
    since = datetime.fromtimestamp(left.since, UTC)
    note = (
        f"The operation that {left.user}@{left.owner.host} (process {left.owner.pid}) began at {since:%Y-%m-%d %H:%M:%S UTC} "
        "was interrupted; what was left of it has been ended, and the state is compared with reality."
    )
    return Recovered((note,), refresh=True)


def repair(folder: Path, project: str, stack: StackId) -> Recovered:
    """Makes the files of a file backend readable: a kill or a loss of power can leave halves of them.

    Raises RecoveryError where neither the state nor its backup can be read.
    """
    base = folder / ".pulumi" / "stacks" / project
    found = Recovered(tuple(_sweep(base, stack)))
    path = checkpoints.locate(folder, project, stack)
    if path is None or _readable(path):
        return found
    backup = path.with_name(path.name + ".bak")
    if not backup.exists() or not _readable(backup):
        raise RecoveryError(
            f"The state of stack {stack} in {path} cannot be read, and neither can its backup. Restore the file from a backup of the state."
        )
    broken = path.with_name(f"{path.name}.broken-{time.time_ns()}")
    path.rename(broken)
    scratch = path.with_name(f"{path.name}.restored")
    scratch.write_bytes(backup.read_bytes())
    scratch.replace(path)
    note = f"The state of stack {stack} could not be read and was restored from Pulumi's backup; what was there is in {broken.name}."
    return found + Recovered((note,), refresh=True)


def locks_in(folder: Path, project: str, stack: StackId) -> list[Held]:
    """Pulumi's own locks of a stack in a file backend."""
    found = []
    for path in sorted((folder / ".pulumi" / "locks" / "organization" / project / str(stack)).glob("*.json")):
        try:
            raw = json.loads(path.read_text())
            found.append(Held(raw["username"], raw["hostname"], int(raw["pid"]), _time(raw["timestamp"])))
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            # Half a lock is of a process that was killed while it wrote: no living one leaves it so for long.
            if time.time() - path.stat().st_mtime > 5:
                path.unlink(missing_ok=True)
    return found


def locks_named(message: str) -> list[Held]:
    """Pulumi's own locks that an error message names: how those of other backends are seen."""
    return [Held(m["user"], m["host"], int(m["pid"]), _time(m["since"].rstrip(","))) for m in LOCKED.finditer(message)]


def busy(message: str) -> bool:
    """Whether Pulumi refused an operation since the stack is locked in the backend."""
    return any(text in message for text in BUSY)


def require_stale(stack: StackId, held: Iterable[Held], left: Record | None) -> None:
    """Raises LockedError for a lock whose owner is not known to be gone."""
    alive = [h for h in held if not h.stale(left)]
    if alive:
        raise LockedError(
            f"Stack {stack} is locked in the state backend by {', '.join(map(str, alive))}. Wait until that has ended. Pulumi's own "
            f"locks have no lease: if that process is gone, run `pulumi cancel {stack}` in that backend, and then this again."
        )


def unrecorded(begun: Iterable[Creation], state: checkpoints.Checkpoint, identity: Identity) -> list[Creation]:
    """The creations that the provider began and a state does not have; the others are dropped from the provider's journal."""
    there: dict[str, list[Mapping[str, Any]]] = {}
    for resource in state.resources:
        there.setdefault(resource.urn, []).append(resource.inputs)
    lost = []
    for creation in begun:
        names = identity(checkpoints.address_of(creation.urn).type) or ()
        if any(not _other(inputs, creation.inputs, names) for inputs in there.get(creation.urn, ())):
            journal.drop(creation)
        else:
            lost.append(creation)
    return lost


def settle(
    stack: StackId,
    state: Exporter,
    desired: Desired | None,
    adopt: Adopt,
    identity: Identity,
    lost: Iterable[Creation] = (),
) -> Recovered:
    """Settles the pending operations in a stack's state, and the creations that it has `lost` (`unrecorded`).

    `desired` is what the next operation wants; None when it wants to change nothing.

    A pending creation of what is still wanted is dropped: the next creation adopts what it made. A native one of what is no longer
    wanted is finished instead, so that it is in the state and can be deleted; so is one that has another identity than what is wanted
    now (a third, or the one that it was to replace). Pending updates and deletions are dropped, since the refresh finds what they did.
    """
    exported = state.export(stack)
    deployment: Json = (exported or {}).get("deployment") or {}
    pending = deployment.get("pending_operations") or []
    noted = {c.urn: c for c in lost}
    begun = {urn: c for urn, c in noted.items() if urn not in {p["resource"]["urn"] for p in pending}}
    if exported is None or desired is None or not (pending or begun):
        return Recovered(refresh=bool(pending or begun))
    operations = [*pending, *(_operation(c, deployment) for c in begun.values())]
    plain = _plain_inputs(state, stack, pending, identity) | {urn: c.inputs for urn, c in begun.items()}
    present = {r["urn"] for r in deployment.get("resources") or ()}
    orphans, notes = [], []
    for operation in filter(_is_creation, operations):
        urn = operation["resource"]["urn"]
        inputs, names = plain.get(urn, {}), identity(_type(operation))
        wanted = desired.get(checkpoints.address_of(urn))
        if wanted is not None and not _other(wanted, inputs, names or ()):
            continue
        orphans.append(operation)
        if names is None:
            notes.append(_left_over(operation, "its provider cannot say"))
        else:
            notes.append(_adopt(operation, deployment, inputs, adopt, replacing=urn in present))
    notes += [
        f"{_name(p)}: what had begun ({p['type']}) was not recorded as ended and is compared with reality."
        for p in operations
        if p not in orphans
    ]
    deployment.pop("pending_operations", None)
    state.load(stack, exported)
    for urn in noted.keys() & {o["resource"]["urn"] for o in orphans}:
        journal.drop(noted[urn])
    return Recovered(tuple(notes), refresh=True)


def _operation(creation: Creation, deployment: Json) -> Json:
    """A lost creation as Pulumi writes one that is pending."""
    resources = deployment.get("resources") or []
    providers = [f"{r['urn']}::{r['id']}" for r in resources if r["type"] == PROVIDER and not r.get("delete")]
    stacks = [r["urn"] for r in resources if r["type"] == "pulumi:pulumi:Stack"]
    resource = {
        "urn": creation.urn,
        "custom": True,
        "type": checkpoints.address_of(creation.urn).type,
        "inputs": dict(creation.inputs),
        **({"parent": stacks[0]} if stacks else {}),
        "provider": providers[0] if providers else "",
    }
    return {"type": "creating", "resource": resource}


def _is_creation(operation: Json) -> bool:
    resource = operation["resource"]
    return (
        operation["type"] == "creating"
        and not checkpoints.is_internal(resource["urn"])
        and not resource.get("external")
    )


def _other(wanted: Mapping[str, Any], begun: Mapping[str, Any], identity: Iterable[str]) -> bool:
    """Whether what is wanted is surely another thing than the one begun: only plain values prove it, not what is known later."""
    known = {n: wanted.get(n) for n in identity if isinstance(wanted.get(n), str | int | float | None)}
    return any(value != begun.get(name) for name, value in known.items() if begun.get(name) != MASK)


def _adopt(operation: Json, deployment: Json, inputs: Mapping[str, Any], adopt: Adopt, replacing: bool) -> str:
    """Puts what an interrupted creation made, or would have made, into the state. What it gave is read by the refresh.

    Beside the one that it was `replacing` it is there as what Pulumi has still to delete.
    """
    resource = operation["resource"]
    if not resource.get("provider"):
        return _left_over(operation, "the state of its stack is gone")
    try:
        id = adopt(resource["urn"], inputs)
    except ComponentError as error:
        return _left_over(operation, str(error))
    except Exception as error:  # noqa: BLE001 — its text is of anyone, and may hold the inputs
        return _left_over(operation, type(error).__name__)
    made = {**resource, "id": id, "outputs": resource.get("inputs") or {}, **({"delete": True} if replacing else {})}
    deployment.setdefault("resources", []).append(made)
    return f"{_name(operation)}: its creation was interrupted and it is no longer wanted; it was taken into the state, to be deleted."


def _left_over(operation: Json, reason: str) -> str:
    return (
        f"{_name(operation)}: its creation was interrupted, it is no longer wanted, and whether it exists is not known ({reason}). "
        "Look for it, and delete it by hand."
    )


def _name(operation: Json) -> str:
    address = checkpoints.address_of(operation["resource"]["urn"])
    return f"{address.type} {address.name}"


def _type(operation: Json) -> str:
    return checkpoints.address_of(operation["resource"]["urn"]).type


def _plain_inputs(
    state: Exporter, stack: StackId, pending: Iterable[Json], identity: Identity
) -> dict[str, Mapping[str, Any]]:
    """The inputs of pending creations by URN, secrets in clear, where components need them; they go nowhere else."""
    if not any(identity(_type(p)) is not None for p in pending if _is_creation(p)):
        return {}
    exported = state.export(stack, secrets=True)
    operations = ((exported or {}).get("deployment") or {}).get("pending_operations") or ()
    return {p["resource"]["urn"]: _reveal(p["resource"].get("inputs") or {}) for p in operations}


def _reveal(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get(checkpoints.SIGNATURE) == checkpoints.SECRET:
            return json.loads(value["plaintext"])
        return {k: _reveal(v) for k, v in value.items()}
    return [_reveal(v) for v in value] if isinstance(value, list) else value


def _sweep(base: Path, stack: StackId) -> list[str]:
    """Removes halves of files that are no state: the sidecar that stops Pulumi when it is empty, and scratch files of writes."""
    notes = []
    for path in sorted(base.glob(f"{stack}.*attrs")):
        if path.stat().st_size == 0:
            path.unlink(missing_ok=True)
            notes.append(f"The empty file {path.name} beside the state was removed.")
    for path in base.glob("fileblob*"):
        if time.time() - path.stat().st_mtime > OLD_SECONDS:
            path.unlink(missing_ok=True)
    return notes


def _readable(path: Path) -> bool:
    try:
        checkpoints.read(path)
    except checkpoints.CompressedError:
        return True
    except (ValueError, KeyError, AttributeError, TypeError, EOFError, gzip.BadGzipFile):
        return False
    return True


def _time(text: str) -> datetime:
    """A time as Go writes it: up to nine digits of a second."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text))
