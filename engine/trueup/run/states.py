"""What a run has come to, as values and as the file `state.json`. Written by the runner only, read by everyone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

Phase = Literal["pending", "running", "succeeded", "failed", "skipped", "cached"]
Outcome = Literal["pending", "running", "succeeded", "failed", "cancelled", "interrupted"]
FINISHED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
DONE: frozenset[str] = frozenset({"succeeded", "cached", "skipped"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, beyond doubt: a process id is used again, a start time on the same boot is not."""

    pid: int
    started: str
    boot: str


@dataclass(frozen=True, slots=True)
class StepStatus:
    """A step as it stands. Times are Unix seconds."""

    name: str
    phase: Phase = "pending"
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each output."""
    reason: str = ""
    """Why it failed, was skipped or waits for another try."""
    progress: str = ""
    """What a running step says of itself."""
    process: Identity | None = None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run as it stands. `interrupted` is a run whose runner died; the next submit goes on with it."""

    fingerprint: str
    pipeline: str
    outcome: Outcome = "pending"
    steps: tuple[StepStatus, ...] = ()
    started: float | None = None
    ended: float | None = None
    reason: str = ""
    runner: Identity | None = None
    tracking_run: str = ""
    """The MLflow run's id."""
    logged: bool = False
    """Whether MLflow has the end of the run."""
    model_version: int | None = None
    model_uri: str = ""

    def step(self, name: str) -> StepStatus:
        """The status of a step; KeyError where there is none."""
        for status in self.steps:
            if status.name == name:
                return status
        raise KeyError(name)

    @property
    def finished(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.outcome in FINISHED

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics, as `step.metric`."""
        return {f"{s.name}.{m}": v for s in self.steps for m, v in s.metrics.items()}


def write(folder: Path, status: RunStatus) -> None:
    """Replaces `state.json` at once, so that a reader never sees a half."""
    temporary = folder / "state.json.tmp"
    temporary.write_bytes(msgspec.json.encode(status))
    temporary.replace(folder / "state.json")


def read(folder: Path) -> RunStatus | None:
    """The recorded state, or None where there is none that can be read (a power cut may leave an empty file)."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=RunStatus)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
