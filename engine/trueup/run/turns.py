"""Whose turn it is among the runs of one pipeline and model: what `concurrencyPolicy` is about. Called by `local` alone.

Runs of one pipeline for different models, or in different environments, are not in each other's way.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trueup.run import folders, requests
from trueup.run.requests import RunRequest


def job(request: RunRequest) -> str:
    """What runs have in common that are not to go on beside each other."""
    model = str((request.model or {}).get("name") or "")
    return "|".join((request.project, request.environment, request.pipeline, model))


def job_of(home: Path, fingerprint: str) -> str | None:
    """The job of a run that was submitted; None where its request is gone."""
    try:
        return job(requests.read(folders.run_folder(home, fingerprint) / folders.REQUEST))
    except (OSError, ValueError):
        return None


@contextmanager
def taken(home: Path, request: RunRequest) -> Iterator[None]:
    """Holds the decision about a job: two submitters never both find that nothing goes on."""
    folder = home / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(job(request).encode()).hexdigest()[:16]
    with (folder / f".{name}.turn").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
