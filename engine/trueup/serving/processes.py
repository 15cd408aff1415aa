"""Which process is whose: by id *and* start time, never by name. Called by supervision and the services; it keeps the records in `run/`.

A process id alone may belong to a stranger after a crash or a reboot, so nothing is signalled unless both agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from trueup.kernel import started_at


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its id and its start time in the kernel's units."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The identity of a living process, or None."""
        started = started_at(pid)
        return None if started is None else cls(pid, started)

    def alive(self) -> bool:
        """Whether that very process still runs (a zombie does not)."""
        return started_at(self.pid) == self.started

    def parent(self) -> int | None:
        """The id of its parent, or None when it is gone."""
        try:
            return int(psutil.Process(self.pid).ppid())
        except psutil.Error:
            return None


@dataclass(frozen=True, slots=True)
class Record:
    """What a server process says of itself in `run/`: who it is, what it serves, and as which process of which replica.

    `since` is when it said so, in Unix seconds.
    """

    pid: int
    started: str
    since: float
    group: str
    version: str
    replica: int = 0
    worker: int = 0

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)


def write_private(path: Path, value: Any) -> None:
    """Writes JSON that only the user may read, by an atomic rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True)
    temporary.replace(path)


def read(path: Path) -> dict[str, Any]:
    """A JSON object that `write_private` wrote; empty where there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def record(folder: Path, group: str, version: str, replica: int = 0, worker: int = 0) -> None:
    """Called by a server process as the first thing it does."""
    identity = Identity.of(os.getpid())
    assert identity is not None
    entry = Record(identity.pid, identity.started, time.time(), group, version, replica, worker)
    write_private(folder / "run" / f"server-{identity.pid}.json", asdict(entry))


def living(folder: Path) -> list[Record]:
    """The recorded server processes that still run; records of others are removed."""
    found = []
    for path in sorted((folder / "run").glob("server-*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            entry = Record(**json.loads(path.read_text(encoding="utf-8")))
            if entry.identity.alive():
                found.append(entry)
                continue
        path.unlink(missing_ok=True)
    return found


def orphans(folder: Path, supervisor: Identity | None) -> list[Record]:
    """Server processes that no living supervisor of the folder keeps: they answer, but nobody would restart them."""
    keeper = supervisor.pid if supervisor is not None and supervisor.alive() else None
    return [entry for entry in living(folder) if entry.identity.parent() != keeper]


def end(identities: Iterable[Identity], grace: float) -> None:
    """Asks the processes to end, waits at most `grace` seconds for all of them, then kills what is left."""
    waiting = [identity for identity in identities if identity.alive()]
    for identity in waiting:
        _signal(identity, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (waiting := [i for i in waiting if i.alive()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for identity in waiting:
        _signal(identity, signal.SIGKILL)
    while any(i.alive() for i in waiting):
        time.sleep(0.02)


def _signal(identity: Identity, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if identity.alive():
            os.kill(identity.pid, number)
