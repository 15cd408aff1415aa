"""What a step sees: its folder, inputs, outputs and the run around it. Given to built-in steps and to users' functions.

Made by `trueup.steps.main`, which the runner starts once for each step in the pipeline's locked environment; the runner and the
step share the file `.trueup/step.json` in the step's folder and `.trueup/result.json`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class StepError(Exception):
    """The step cannot do its work; the text is what a user reads: a full sentence with what to do. Never retried if `final`."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


@dataclass(slots=True)
class StepContext:
    """One step of a run. All paths are absolute; `home:` URIs are resolved."""

    name: str
    folder: Path
    """The step's working folder, which is also the current directory."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """`with`, with expressions filled in."""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Input name → the file or folder that an upstream step wrote."""
    outputs: Mapping[str, Path] = field(default_factory=dict)
    """Output name → where this step writes it."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The pipeline's parameters."""
    seed: int = 0
    fingerprint: str = ""
    pipeline: str = ""
    project: str = ""
    environment: str = ""
    commit: str = ""
    code_tree: str = ""
    lock_digest: str = ""
    lock_file: Path | None = None
    """The lock file, so that `register` can keep it with the model."""
    datasets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """As in `trueup:run:Run`, `uri` resolved, by the reference as written."""
    features: Mapping[str, Any] | None = None
    """As in `trueup:run:Run`, `repo` resolved."""
    model: Mapping[str, Any] | None = None
    """`name`, `task`, `label`, `positiveClass`, `flavor`, `signature`, `tags`."""
    tracking_uri: str = ""
    """An MLflow tracking URI, resolved (`sqlite:///…` for `home:` ones); empty for none."""
    artifact_root: str = ""
    """Where a new experiment of a local registry keeps artifacts; empty for a server, which knows itself."""
    allowed_estimators: tuple[str, ...] = ()
    holdout: Path | None = None
    """Where `split` also keeps the held-out rows (Parquet): the run's `holdout` output."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What the step reports; read back by the runner from `result.json`."""

    def log_metric(self, name: str, value: float) -> None:
        """Reports a number, which becomes `step.name` in the run's metrics."""
        self.metrics[name] = float(value)
