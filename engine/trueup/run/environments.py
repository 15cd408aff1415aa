"""The locked environment of a pipeline: built once by uv for each lock file, in the user's cache. Called by the runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from trueup import places


class LockedEnvironmentError(Exception):
    """The environment cannot be built; the text has uv's reason."""


def python(lock: Path | None, digest: str) -> Path:
    """The interpreter that steps run with: of the locked environment, else the one that Trueup runs in."""
    if lock is None:
        return Path(sys.executable)
    from filelock import FileLock

    target = places.cache() / "environments" / digest
    found = target / "bin" / "python"
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if (target / "ready").exists():
            return found
        shutil.rmtree(target, ignore_errors=True)
        uv = _uv()
        _run([uv, "venv", "--quiet", "--python", f"{sys.version_info.major}.{sys.version_info.minor}", str(target)])
        _run([uv, "pip", "sync", "--quiet", "--python", str(found), str(lock)])
        (target / "ready").touch()
    return found


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise LockedEnvironmentError(
            "Locked environments are built by uv, which is not installed: `pip install 'trueup[local]'`."
        )
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LockedEnvironmentError(
            f"The pipeline's environment cannot be built ({' '.join(command[1:3])}): {done.stderr.strip()}"
        )


def search_path() -> str:
    """Where a locked environment finds this Trueup's steps while it runs from a checkout; empty where it is installed."""
    import trueup
    import trueup_specs

    roots = {str(Path(next(iter(m.__path__))).parent) for m in (trueup, trueup_specs)}
    return os.pathsep.join(sorted(r for r in roots if "site-packages" not in r))
