"""One evaluation of a candidate: its fingerprint, its process, and its evidence, which is kept in the workspace's home.

Called by `provider.gate`. The same candidate, champion, gates and data are never judged twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.1
TAIL = 5


class EvaluationError(Exception):
    """The candidate cannot be judged; the text says why, in a full sentence."""


def kept(home: Path, fingerprint: str) -> list[dict[str, Any]] | None:
    """The evidence of an evaluation that was made before."""
    try:
        found = json.loads(_path(home, fingerprint).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) else None


def keep(home: Path, fingerprint: str, evidence: list[dict[str, Any]]) -> None:
    """Keeps the evidence of an evaluation; nobody ever sees half of it."""
    path = _path(home, fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(evidence, file)
    Path(file.name).replace(path)


def _path(home: Path, fingerprint: str) -> Path:
    return home / "evaluations" / f"{fingerprint}.json"


def judge(
    python: Path,
    environment: Mapping[str, str],
    asked: Mapping[str, Any],
    seconds: float,
    cancelled: Callable[[], bool],
) -> list[dict[str, Any]]:
    """The evidence, from a process with a home of its own. Raises EvaluationError where there is none after `seconds`."""
    with tempfile.TemporaryDirectory(prefix="trueup-gate-") as folder:
        result, said = Path(folder, "result.json"), Path(folder, "said")
        with said.open("wb") as log:
            process = subprocess.Popen(
                [str(python), "-m", "trueup.gates.main", str(result)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**environment, "HOME": folder},
                start_new_session=True,
            )
        try:
            _give(process, json.dumps(asked).encode())
            _wait(process, seconds, cancelled)
        finally:
            _end(process)
        return _answer(result, said)


def _give(process: subprocess.Popen[bytes], asked: bytes) -> None:
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pipe.write(asked)
    except BrokenPipeError:
        return  # it has ended, and what it said tells why


def _wait(process: subprocess.Popen[bytes], seconds: float, cancelled: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None:
        if cancelled():
            raise EvaluationError("The evaluation was cancelled; apply again to judge the candidate.")
        if time.monotonic() >= end:
            raise EvaluationError(
                f"The evaluation took longer than {seconds:g} s. Give it more time with `runner.applyWait` of the Environment."
            )
        time.sleep(LOOK_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answer(result: Path, said: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-TAIL:]
        raise EvaluationError(
            "The process that judges ended without an answer. It said last: " + (" ".join(lines) or "nothing.")
        ) from None
    if error := found.get("error"):
        raise EvaluationError(f"The candidate cannot be judged. {error}")
    evidence: list[dict[str, Any]] = found["evidence"]
    return evidence
