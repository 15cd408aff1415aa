"""The identity of processes, so that what is killed is what was recorded, on this machine and since this boot.

Called by `locks.py` (is the owner alive?), `command.py` (who is the CLI?) and `recovery.py` (end what an interrupted apply left).
A process id alone is never trusted: ids are used again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from trueup.kernel import boot_id, started_at

MARK = "TRUEUP_OPERATION"
"""The variable that holds an operation's token in the environment of the CLI and of what it starts."""
NAMES = ("pulumi", "setpriv")
"""How the CLI and its plugins are named, and what becomes the CLI (`command.py`)."""
END_SECONDS = 5.0
"""How long killed processes are waited for."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, unmistakably: host, boot, id and when it started."""

    host: str
    boot: str
    pid: int
    started: str

    @property
    def local(self) -> bool:
        """Whether it is of this host and of its current boot."""
        return self.host == host() and self.boot == boot_id()

    @property
    def alive(self) -> bool:
        """Whether it still runs. Only meaningful for a process of this host; after a reboot it is not."""
        return self.local and started_at(self.pid) == self.started


def identify(pid: int | None = None) -> Identity:
    """The identity of a running process, by default this one. Raises ProcessLookupError for one that is gone."""
    pid = os.getpid() if pid is None else pid
    started = started_at(pid)
    if started is None:
        raise ProcessLookupError(f"There is no process {pid}.")
    return Identity(host(), boot_id(), pid, started)


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def end_operation(token: str, cli: Identity | None) -> tuple[int, ...]:
    """Kills what is left of an operation: the members of its CLI's session that carry its token. Gives their ids.

    The CLI runs in a session of its own, which its plugins share. What an apply starts to outlive it (runs, servers) has other
    sessions and is never touched. Without a recorded CLI only processes named as it is count. Waits until all have ended, also a
    CLI that something else has just killed: what it wrote last is there then.
    """
    found = list(_members(token, cli.pid if cli is not None and cli.local else None))
    ended = [cli] if cli is not None else []
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            ended.append(identify(process.pid))
            process.send_signal(signal.SIGKILL)
    await_end(ended)
    return tuple(p.pid for p in found)


def await_end(ended: Sequence[Identity]) -> None:
    """Waits until processes that were killed have ended, for some seconds at most."""
    deadline = time.monotonic() + END_SECONDS
    while any(p.alive for p in ended) and time.monotonic() < deadline:
        time.sleep(0.01)


def _members(token: str, session: int | None) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["pid"]):
        try:
            if process.pid == os.getpid() or process.environ().get(MARK) != token:
                continue
            if os.getsid(process.pid) == session or process.name().startswith(NAMES):
                yield process
        except (psutil.Error, OSError):
            continue


def interrupt(pid: int) -> None:
    """Asks a CLI to stop: the first time it lets running operations end."""
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return


def end_group(pid: int, grace: float = 0.0) -> None:
    """Kills the process group that `pid` leads, after `grace` seconds."""
    if grace:
        time.sleep(grace)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
