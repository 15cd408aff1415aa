"""A revision brought into service: its processes start beside the old ones, become ready, take the ports over, and the old ones end.

Called by `provider/service.py` and `control`. The old revision goes on answering until every process of the new one is ready, so one that
does not load changes nothing. Level-triggered: whatever an interrupted deployment left is the start of the next.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.serving import processes, server, settings, supervision, unix_http
from trueup.serving.settings import Revision
from trueup.serving.supervision import BROKEN, Process, Program, SupervisionError, Supervisor

LOADING_SECONDS = 180.0
MOST_STARTS = 4
WATCH = "watch"


class DeploymentError(Exception):
    """The revision is not in service. A full sentence with the reason; what was in service before still is."""


def quiet(_line: str) -> None:
    """Says nothing."""


def deploy(
    folder: Path, revision: Revision, log: Callable[[str], None] = quiet, cancelled: Callable[[], bool] = lambda: False
) -> None:
    """Brings a revision into service and waits until it is. Does nothing where it is in service already."""
    with locked(folder):
        settings.save(folder, revision)
        before = settings.active(folder)
        try:
            _move(folder, revision, before, log, cancelled)
        except (DeploymentError, SupervisionError, xmlrpc.client.Fault) as error:
            _back(folder, revision, before)
            raise DeploymentError(str(error)) from error
        settings.forget_others(folder, {revision.group})


def _move(
    folder: Path, revision: Revision, before: str | None, log: Callable[[str], None], cancelled: Callable[[], bool]
) -> None:
    supervisor, group = Supervisor(folder), revision.group
    if revision.strategy == "recreate" and before not in (None, group):
        log(f"stopping {before}")
        _end_others(supervisor, keep=set(), grace=revision.grace)
    supervisor.write(_programs(folder, revision))
    if supervisor.answers():
        for program in _programs(folder, revision):
            supervisor.add(program.name)
    else:
        supervisor.start()
    log(f"starting {revision.replicas} × {revision.model_name} version {revision.model_version}")
    _wait(folder, revision, "/v2/health/ready", cancelled)
    settings.activate(folder, group)
    _wait(folder, revision, "/trueup/serving", cancelled)
    _end_others(supervisor, keep={group, WATCH}, grace=revision.grace)
    log(f"serving version {revision.model_version}")


def _back(folder: Path, revision: Revision, before: str | None) -> None:
    """After a failure: the revision that was in service, and only it; nothing where there was none."""
    supervisor = Supervisor(folder)
    if before == revision.group:
        return
    with contextlib.suppress(SupervisionError, xmlrpc.client.Fault):
        supervisor.remove(revision.group, timeout=revision.grace + 20)
    if before is None:
        stop(folder)
        (folder / "run" / "active.json").unlink(missing_ok=True)
        return
    with contextlib.suppress(DeploymentError, SupervisionError, xmlrpc.client.Fault, OSError, ValueError):
        settings.activate(folder, before)
        _move(folder, settings.load(folder, before), before, quiet, lambda: False)


def _end_others(supervisor: Supervisor, keep: set[str], grace: float) -> None:
    """Ends all groups but `keep`, and the processes that a dead supervisor left."""
    if supervisor.answers():
        for group in sorted({p.group for p in supervisor.processes()} - keep - {WATCH}):
            supervisor.remove(group, timeout=grace + 20)
    left = list(processes.orphans(supervisor.folder, supervisor.identity()))
    processes.end([r.identity for r in left], grace + settings.DRAIN_SECONDS)


def _programs(folder: Path, revision: Revision) -> list[Program]:
    python = (sys.executable, "-P", "-m")
    serve = (*python, "trueup.serving.server", str(folder), revision.group, "{process}")
    watch = Program(WATCH, (*python, "trueup.serving.watch", str(folder)), stop_seconds=5, log_bytes=1_000_000)
    count = revision.replicas * revision.workers
    stop_seconds = int(revision.grace + settings.DRAIN_SECONDS) + 2
    return [*([Program(revision.group, serve, count, stop_seconds)] if count else []), watch]


def _wait(folder: Path, revision: Revision, url: str, cancelled: Callable[[], bool]) -> None:
    """Until every process answers at `url` that it is ready (and listens); raises with the last words of one that cannot."""
    supervisor, seen = Supervisor(folder), dict[str, set[int]]()
    probe = revision.readiness
    deadline = time.monotonic() + LOADING_SECONDS + probe.initial_delay + probe.period * probe.failure_threshold
    wanted = revision.replicas * revision.workers
    while True:
        found = [p for p in supervisor.processes() if p.group == revision.group]
        for process in found:
            starts = seen.setdefault(process.name, set())
            starts.add(process.pid)
            if _hopeless(process) or len(starts - {0}) >= MOST_STARTS:
                raise DeploymentError(_reason(revision, process))
        waiting = [p for p in found if not _answers(folder, p, revision, url)]
        if len(found) == wanted and not waiting:
            return
        if cancelled():
            raise DeploymentError(f"Waiting for {revision.name} was cancelled; apply again.")
        if time.monotonic() > deadline:
            names = ", ".join(p.name for p in waiting) or "its processes"
            raise DeploymentError(f"{names} of {revision.name} did not become ready in time; see {folder / 'logs'}.")
        time.sleep(0.1)


def _hopeless(process: Process) -> bool:
    return process.state == "FATAL" or (process.state == "EXITED" and process.exit == BROKEN)


def _reason(revision: Revision, process: Process) -> str:
    said = supervision.last_lines(Path(process.log), 1) or "It said nothing."
    return f"Version {revision.model_version} of {revision.model_name} does not start: {said} (log: {process.log})"


def _answers(folder: Path, process: Process, revision: Revision, url: str) -> bool:
    if process.state != "RUNNING" or time.time() - process.since < revision.readiness.initial_delay:
        return False
    try:
        status, body = unix_http.get(server.health(folder, process.pid), url, revision.readiness.timeout)
    except OSError:
        return False
    return status == 200 and (not isinstance(body, dict) or body.get("listening") is not False)


@dataclass(frozen=True, slots=True)
class Status:
    """A service as it is: the revision in service (None when nothing is), the versions that its processes serve, and what is wrong."""

    revision: Revision | None
    versions: tuple[int, ...]
    wrong: str | None


def status(folder: Path) -> Status:
    """Looks at the processes, and changes nothing."""
    group = settings.active(folder)
    try:
        revision = settings.load(folder, group) if group else None
    except (OSError, ValueError):
        revision = None
    versions = tuple(sorted({int(r.version) for r in processes.living(folder)}))
    if revision is None:
        return Status(None, versions, f"Nothing is in service in {folder}.")
    return Status(revision, versions, _wrong(folder, revision, versions))


def _wrong(folder: Path, revision: Revision, versions: tuple[int, ...]) -> str | None:
    supervisor, name = Supervisor(folder), revision.name
    if supervisor.identity() is None:
        rest = "its servers still answer, but nothing would restart them" if versions else "no server answers"
        return f"The supervisor of {name} is not running: {rest}. `trueup apply` or `trueup up` starts it."
    try:
        found = supervisor.processes()
    except SupervisionError as error:
        return str(error)
    group = [p for p in found if p.group == revision.group]
    wanted = revision.replicas * revision.workers
    if len(group) != wanted:
        return f"The supervisor of {name} keeps {len(group)} processes of {revision.group}; there should be {wanted}."
    if bad := [p for p in group if not _answers(folder, p, revision, "/trueup/serving")]:
        return f"{len(bad)} of {wanted} servers of {name} are not ready ({bad[0].name} is {bad[0].state}; log: {bad[0].log})."
    if not any(p.group == WATCH and p.state in ("RUNNING", "STARTING") for p in found):
        return f"The liveness probe of {name} is not running."
    return None


def stop(folder: Path) -> None:
    """Ends all processes of the service; its files stay."""
    supervisor, grace = Supervisor(folder), 30.0
    with contextlib.suppress(OSError, ValueError):
        grace = settings.load(folder, settings.active(folder) or "").grace
    supervisor.stop(grace + settings.DRAIN_SECONDS)
    processes.end([r.identity for r in processes.living(folder)], grace)


def remove(folder: Path) -> None:
    """Ends all processes and removes the folder."""
    if not folder.exists():
        return
    with locked(folder):
        stop(folder)
        shutil.rmtree(unix_http.sockets(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One deployment at a time in a folder."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock: Any = FileLock(folder / "deploy.lock", timeout=LOADING_SECONDS * 2)
    try:
        with lock:
            yield
    except Timeout:
        raise DeploymentError(
            f"Another process deploys in {folder}; wait for it, or end it, and apply again."
        ) from None
