"""Runs on this machine: submit or attach, look, wait, cancel. Called by `provider.run` and the CLI; the runner does the work.

A run is named by its fingerprint: whoever submits it while it goes on, or after it is done, gets that one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trueup.run import execution, folders, processes, requests, states, turns
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus

LOOK_SECONDS = 0.1
TURN_SECONDS = 0.5
END_SECONDS = 60.0
"""How long a run that is replaced may take to end: its steps get a grace period to stop by themselves."""
START_SECONDS = 30.0


def submit(home: Path, request: RunRequest) -> RunStatus:
    """Starts the run, goes on with an interrupted or failed one, or attaches to one that goes on; a finished one is left as it is.

    While another run of the same pipeline and model goes on, the run is `pending` (`Forbid`), takes its place (`Replace`) or
    runs beside it (`Allow`). A pending run starts when it is submitted again and its turn has come.
    """
    run = folders.run_folder(home, request.fingerprint)
    if (found := _there(home, request)) is not None:
        return found
    with turns.taken(home, request):
        if (found := _there(home, request)) is not None:
            return found
        others = _in_the_way(home, request)
        run.mkdir(parents=True, exist_ok=True)
        requests.write(request, run / folders.REQUEST)
        if others and request.concurrency_policy == "Forbid":
            return _pending(run, request, others[0])
        for other in others:
            _replaced(home, other)
        return _begun(home, request.fingerprint, _start(run, request))


def started(
    home: Path,
    request: RunRequest,
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
    said: Callable[[str], None] = lambda _line: None,
) -> RunStatus:
    """Submits the run and waits for its turn, for `seconds` at most; `pending` where it did not come."""
    end, last = time.monotonic() + seconds, ""
    while True:
        found = submit(home, request)
        if found.outcome != "pending" or time.monotonic() >= end or cancelled():
            return found
        if found.reason != last:
            said(found.reason)
            last = found.reason
        time.sleep(TURN_SECONDS)


def beside(home: Path, fingerprint: str, job: str | None = None, pending: bool = False) -> list[RunStatus]:
    """The other runs of the same pipeline and model that go on, with `pending` also those that wait for their turn."""
    wanted = job or turns.job_of(home, fingerprint)
    phases = ("running", "pending") if pending else ("running",)
    going = [s for s in runs(home) if s.outcome in phases and s.fingerprint != fingerprint]
    return [s for s in going if wanted is not None and turns.job_of(home, s.fingerprint) == wanted]


def _there(home: Path, request: RunRequest) -> RunStatus | None:
    """The run where nothing is to be started: it goes on, or it is done and the registry has its end."""
    found = status(home, request.fingerprint)
    if found is None or found.outcome not in ("running", "succeeded"):
        return None
    return found if found.outcome == "running" or found.logged or not request.tracking_uri else None


def _in_the_way(home: Path, request: RunRequest) -> list[RunStatus]:
    """The runs that the policy is about; none where this one is done and only its end is to be written to the registry."""
    found = status(home, request.fingerprint)
    if request.concurrency_policy == "Allow" or (found is not None and found.outcome == "succeeded"):
        return []
    return beside(home, request.fingerprint, turns.job(request))


def _pending(run: Path, request: RunRequest, other: RunStatus) -> RunStatus:
    reason = f"waits for the run {other.fingerprint[:12]} of the same model, which goes on (concurrencyPolicy: Forbid)"
    before = states.read(run) or RunStatus(request.fingerprint, request.pipeline)
    found = dataclasses.replace(before, outcome="pending", reason=reason, ended=None)
    states.write(run, found)
    return found


def _replaced(home: Path, other: RunStatus) -> None:
    """Ends a run that another takes the place of. Raises RuntimeError where it does not end."""
    cancel(home, other.fingerprint)
    ended = wait(home, other.fingerprint, END_SECONDS)
    if ended is not None and ended.outcome == "running":
        mark = other.fingerprint[:12]
        raise RuntimeError(
            f"The run {mark} was asked to end (concurrencyPolicy: Replace) and goes on after {END_SECONDS:g} s."
        )


def _start(run: Path, request: RunRequest) -> subprocess.Popen[bytes]:
    with (run / folders.LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "trueup.run.runner", str(run)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=run,
            env={k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")},
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request.environments()).encode())
    process.stdin.close()
    return process


def _begun(home: Path, fingerprint: str, process: subprocess.Popen[bytes]) -> RunStatus:
    """The state once a runner has the run: this one, or one that another submitter started at the same time.

    What a runner before left behind (a failure, a cancellation) is not the state of this one.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        ended = process.poll() is not None
        found = status(home, fingerprint)
        ours = found is not None and found.runner is not None and found.runner.pid == process.pid
        if found is not None and (ours or found.outcome in ("running", "succeeded") or (ended and found.finished)):
            return found
        if ended and found is None and process.returncode != 0:
            break
        time.sleep(0.02)
    log = folders.run_folder(home, fingerprint) / folders.LOG
    raise RuntimeError(
        f"The runner of {fingerprint[:12]} did not start within {START_SECONDS:g} s. {execution.tail(log)}"
    )


def status(home: Path, fingerprint: str) -> RunStatus | None:
    """How a run stands; None where there is none. One whose runner died is `interrupted`, one that waits for its turn `pending`."""
    found = states.read(folders.run_folder(home, fingerprint))
    if found is None or found.finished or found.outcome == "pending" or processes.alive(found.runner):
        return found
    return dataclasses.replace(found, outcome="interrupted")


def wait(
    home: Path,
    fingerprint: str,
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
    said: Callable[[str], None] = lambda _line: None,
) -> RunStatus | None:
    """The state once the run ended, or after `seconds`, or once `cancelled` says so: the run itself goes on."""
    end, last = time.monotonic() + seconds, ""
    while True:
        found = status(home, fingerprint)
        if found is None or found.outcome != "running" or time.monotonic() >= end or cancelled():
            return found
        line = ", ".join(s.name for s in found.steps if s.phase == "running")
        if line and line != last:
            said(f"running {line}")
            last = line
        time.sleep(LOOK_SECONDS)


def cancel(home: Path, fingerprint: str) -> bool:
    """Asks a run to end; whether there was one that goes on, or waited for its turn."""
    found = status(home, fingerprint)
    if found is not None and found.outcome == "pending":
        ended = dataclasses.replace(
            found, outcome="cancelled", reason="it was cancelled before its turn came", ended=time.time()
        )
        states.write(folders.run_folder(home, fingerprint), ended)
        return True
    if found is None or found.runner is None or found.outcome != "running":
        return False
    os.kill(found.runner.pid, signal.SIGTERM)
    return True


def runs(home: Path) -> list[RunStatus]:
    """All runs of a workspace, newest first."""
    folder = home / "runs"
    names = [p.name for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    found = [s for n in names if (s := status(home, n)) is not None]
    return sorted(found, key=lambda s: -(s.started or 0))


def logs(home: Path, fingerprint: str) -> Iterator[str]:
    """The lines that the steps printed, step by step."""
    run = folders.run_folder(home, fingerprint)
    found = states.read(run)
    for step in found.steps if found else ():
        path = folders.step_log(run, step.name)
        yield f"== {step.name}: {step.phase}" + (f" ({step.reason.splitlines()[0]})" if step.reason else "")
        if path.exists():
            yield from path.read_text(encoding="utf-8", errors="replace").splitlines()
