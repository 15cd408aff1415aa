"""A pipeline's steps, one after the other, on the head of a Ray cluster. The entrypoint of a RayJob that `ray` makes.

It is written into the head's pod as it stands here and runs in the image of the pipeline: it needs Python 3.9 and nothing else. What a
step did is said in a line that begins with `MARK`, between the lines that the step prints; `trueup.run.rayjobs` reads them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MARK = "trueup::"
FINAL = 3
"""The exit code after which no try follows."""
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a step that takes too long."""
POLL = 0.05


def main() -> int:
    """Runs every step; the exit code of the first that fails."""
    folder, secrets = Path(os.environ["TRUEUP_WORK"]), Path(os.environ["TRUEUP_SECRETS"])
    signal.signal(signal.SIGTERM, _ended)
    for step in json.loads(os.environ["TRUEUP_STEPS"]):
        code = run(step, folder, secrets)
        if code != 0:
            return code
    return 0


def run(step: dict[str, Any], folder: Path, secrets: Path) -> int:
    """Tries a step as often as it may be tried; its last exit code."""
    began, number, wait = time.time(), 1, float(step["backoff"])
    while True:
        say(step, phase="running", attempts=number, started=began)
        code, reason = attempt(step, folder, secrets)
        metrics = reported(folder / step["name"] / ".metrics.json") if code == 0 else {}
        missing = [name for name in step["metrics"] if name not in metrics] if code == 0 else []
        if missing:
            code, reason = 1, f"It did not report {', '.join(missing)}."
        if code in (0, FINAL) or number > step["limit"]:
            phase = "succeeded" if code == 0 else "failed"
            ended = {"started": began, "ended": time.time(), "code": code, "metrics": metrics, "reason": reason}
            say(step, phase=phase, attempts=number, **ended)
            return code
        time.sleep(min(wait, step["cap"]))
        number, wait = number + 1, wait * step["factor"]


def attempt(step: dict[str, Any], folder: Path, secrets: Path) -> tuple[int, str]:
    """Runs a step once; its exit code, and why it failed."""
    place = folder / step["name"]
    place.mkdir(parents=True, exist_ok=True)
    (place / ".metrics.json").unlink(missing_ok=True)
    own = ("TRUEUP_STEPS", "TRUEUP_PROGRAM", "TRUEUP_WORK", "TRUEUP_SECRETS")
    variables = {k: v for k, v in os.environ.items() if k not in own}
    variables.update(step["env"])
    variables.update({name: (secrets / key).read_text() for name, key in step["secrets"].items()})
    sys.stdout.flush()
    try:
        process = subprocess.Popen(step["command"], env=variables, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        return 127, f"It could not be started: {error}."
    try:
        code = process.wait(step["timeout"])
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGTERM)
        end = time.monotonic() + GRACE
        while process.poll() is None and time.monotonic() < end:
            time.sleep(POLL)
        return 124, f"It took longer than {step['timeout']:g} s."
    finally:
        _signal(process, signal.SIGKILL)  # and what it left behind
        process.wait()
    code = code if code >= 0 else 128 - code
    return code, "" if code == 0 else f"It ended with code {code}."


def reported(path: Path) -> dict[str, float]:
    """The metrics that a step wrote; none where it is something else."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(k): float(v) for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def say(step: dict[str, Any], **state: Any) -> None:
    """One line for the log."""
    sys.stdout.write(f"\n{MARK}{json.dumps({'step': step['name'], **state})}\n")
    sys.stdout.flush()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _ended(number: int, _frame: Any) -> None:
    """The run is stopped: `finally` ends the step that goes on."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
