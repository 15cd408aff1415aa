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

from trueup.run import execution, folders, processes, requests, states
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus

LOOK_SECONDS = 0.1
START_SECONDS = 30.0


def submit(home: Path, request: RunRequest) -> RunStatus:
    """Starts the run, goes on with an interrupted or failed one, or attaches to one that goes on; a finished one is left as it is."""
    run = folders.run_folder(home, request.fingerprint)
    found = status(home, request.fingerprint)
    if found is not None and (
        found.outcome == "running" or (found.outcome == "succeeded" and (found.logged or not request.tracking_uri))
    ):
        return found
    run.mkdir(parents=True, exist_ok=True)
    requests.write(request, run / folders.REQUEST)
    return _begun(home, request.fingerprint, _start(run, request))


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
    """How a run stands; None where there is none. One whose runner died is `interrupted`."""
    found = states.read(folders.run_folder(home, fingerprint))
    if found is None or found.finished or processes.alive(found.runner):
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
    """Asks a run to end; whether there was one that goes on."""
    found = status(home, fingerprint)
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
