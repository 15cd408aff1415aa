"""The runner's process: `python -m trueup.run.runner FOLDER`, started by `local.submit` in a session of its own, so that it outlives
the apply. It alone writes the run's state. A second one for the same run finds the lock taken and ends.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from trueup import places
from trueup.run import environments, execution, folders, processes, requests, states
from trueup.run.executor import Executor
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus, StepStatus

OUTCOMES = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
STOPPED: list[int] = []


def main() -> int:
    """Runs the run in the folder that the first argument names; the values of `env` come on standard input."""
    run = Path(sys.argv[1])
    secrets = json.loads(sys.stdin.read() or "{}")
    with (run / folders.LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        signal.signal(signal.SIGTERM, lambda number, _frame: STOPPED.append(number))
        processes.end_leftovers(run)
        request = requests.read(run / folders.REQUEST).with_environments(secrets)
        _go(request, run)
    return 0


def _go(request: RunRequest, run: Path) -> None:
    status = states.read(run)
    if status is None or status.outcome != "succeeded":
        status = _begun(request, status)
        states.write(run, status)
        try:
            python = environments.python(_lock(request, run), request.lock.digest if request.lock else "")
        except environments.LockedEnvironmentError as error:
            states.write(run, dataclasses.replace(status, outcome="failed", reason=str(error), ended=time.time()))
            return
        status = Executor(request, run, python, status, lambda: bool(STOPPED)).execute()
    if request.tracking_uri and not status.logged:
        states.write(run, _logged(request, run, status))


def _begun(request: RunRequest, before: RunStatus | None) -> RunStatus:
    """The state at the start: what an earlier runner finished stays."""
    kept = {s.name: s for s in before.steps if s.phase in states.DONE} if before else {}
    steps = tuple(kept.get(s.name, StepStatus(s.name)) for s in request.steps)
    return RunStatus(
        request.fingerprint,
        request.pipeline,
        "running",
        steps,
        started=before.started if before and kept else time.time(),
        runner=processes.identity(os.getpid()),
    )


def _lock(request: RunRequest, run: Path) -> Path | None:
    return Path(places.resolve(folders.home_of(run), request.lock.uri)) if request.lock else None


def _logged(request: RunRequest, run: Path, status: RunStatus) -> RunStatus:
    """Writes parameters, metrics and the end to MLflow; a registry that is down is said in the log, and tried again on the next apply."""
    step = request.steps[-1]
    described = {
        "context": execution.context(request, step, run, folders.home_of(run), {}),
        "params": {**request.params, **{f"{s.name}.{k}": v for s in request.steps for k, v in s.parameters.items()}},
        "metrics": {f"{s.name}.{m}": v for s in status.steps for m, v in s.metrics.items()},
        "outcome": OUTCOMES[status.outcome],
    }
    done = subprocess.run(
        [sys.executable, "-m", "trueup.steps.finish"],
        input=json.dumps(described),
        capture_output=True,
        text=True,
        cwd=run,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(f"MLflow does not have the end of this run: {done.stderr[-2000:]}\n")
        return status
    return dataclasses.replace(status, logged=True, tracking_run=done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
