"""Where a run keeps what: one folder for each fingerprint in the workspace's home. Pure."""

from __future__ import annotations

from pathlib import Path

REQUEST, LOG, LOCK, CANCEL, HOLDOUT = "request.json", "runner.log", "runner.lock", "cancel", "holdout.parquet"


def run_folder(home: Path, fingerprint: str) -> Path:
    """The folder of a run."""
    return home / "runs" / fingerprint


def holdout_uri(fingerprint: str) -> str:
    """The `home:` place of the held-out rows."""
    return f"home:runs/{fingerprint}/{HOLDOUT}"


def step_folder(run: Path, step: str) -> Path:
    """The working folder of a step."""
    return run / "steps" / step


def step_log(run: Path, step: str) -> Path:
    """What a step printed."""
    return run / "logs" / f"{step}.log"


def cache_folder(home: Path, key: str) -> Path:
    """Where a step's outputs are kept for other runs."""
    return home / "step-cache" / key[:2] / key


def home_of(run: Path) -> Path:
    """The workspace's home of a run's folder."""
    return run.parent.parent
