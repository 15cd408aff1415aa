"""Processes by identity: who is alive, and ending a step with all that it started. Called by `local` and the executor."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from trueup.kernel import boot_id, started_at
from trueup.run.states import Identity

MARK = "TRUEUP_RUN"
"""The variable by which a step's processes are known: it holds the folder of the run."""


def identity(pid: int) -> Identity | None:
    """Who has this process id now; None for nobody, or for one that has ended and was not waited for."""
    started = started_at(pid)
    return None if started is None else Identity(pid, started, boot_id())


def alive(recorded: Identity | None) -> bool:
    """Whether the recorded process still is."""
    return recorded is not None and identity(recorded.pid) == recorded


def of_run(folder: Path) -> Iterator[int]:
    """The ids of all processes that steps of the run in `folder` left, wherever they moved to."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(folder):
                yield process.pid


def end_leftovers(folder: Path) -> None:
    """Kills what a dead runner left running, so that a step is never run twice at once. Waits until they are gone."""
    deadline = time.monotonic() + 10
    while (left := list(of_run(folder))) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def signal_group(group: int, number: int) -> None:
    """Sends a signal to a process group; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def resident(group: int) -> int:
    """Bytes of resident memory of a process group together."""
    import psutil

    total = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group:
                total += process.memory_info().rss
    return total
