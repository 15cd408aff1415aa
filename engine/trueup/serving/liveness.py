"""Which server processes are stuck: asked by the probe's process (`serving/watch.py`).

Each server process answers on a unix socket of its own; one that does not answer as often as its probe allows is killed, and the supervisor
starts it again. So is one above its memory limit. A process that still loads has no socket yet and is given `LOADING_SECONDS`.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from trueup.serving import processes, server, settings, unix_http
from trueup.serving.processes import Record
from trueup.serving.settings import Revision

LOADING_SECONDS = 300.0


class Watch:
    """Remembers how often each process failed in a row, and when it is to be asked again."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder, self.clock = folder, clock
        self._failures: dict[int, int] = {}
        self._due: dict[int, float] = {}

    def look(self) -> list[Record]:
        """Asks every process that is due; returns those that were killed."""
        killed = []
        for entry in processes.living(self.folder):
            try:
                revision = settings.load(self.folder, entry.group)
            except (OSError, ValueError):
                continue
            if self.clock() < self._due.get(entry.pid, entry.since + revision.liveness.initial_delay):
                continue
            self._due[entry.pid] = self.clock() + revision.liveness.period
            if reason := self._stuck(entry, revision):
                logging.warning("process %s of %s is killed: %s", entry.pid, entry.group, reason)
                if entry.identity.alive():
                    os.kill(entry.pid, signal.SIGKILL)
                    killed.append(entry)
                self._failures.pop(entry.pid, None)
        return killed

    def _stuck(self, entry: Record, revision: Revision) -> str | None:
        if revision.memory_limit and (used := _memory(entry.pid)) > revision.memory_limit:
            return f"it uses {used / 2**20:.0f} MiB, above its memory limit of {revision.memory_limit / 2**20:.0f} MiB"
        socket = server.health(self.folder, entry.pid)
        if not socket.exists():
            loading = self.clock() - entry.since
            return f"it loads for {loading:.0f} s" if loading > LOADING_SECONDS else None
        try:
            status, _ = unix_http.get(socket, "/v2/health/live", revision.liveness.timeout)
        except OSError:
            status = 0
        self._failures[entry.pid] = 0 if status == 200 else self._failures.get(entry.pid, 0) + 1
        failures = self._failures[entry.pid]
        return (
            f"it failed its liveness probe {failures} times in a row"
            if failures >= revision.liveness.failure_threshold
            else None
        )


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
