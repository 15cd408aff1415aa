"""Tables between steps: Parquet files as pandas frames with one meaning of "no value". Used by the built-in steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.gates.rows import plain
from trueup.steps.context import StepContext, StepError

if TYPE_CHECKING:
    import pandas as pd


def read(path: Path) -> pd.DataFrame:
    """A table that an upstream step wrote."""
    import pandas as pd

    return plain(pd.read_parquet(path))


def write(frame: pd.DataFrame, path: Path) -> None:
    """Writes a table for downstream steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)


def write_json(value: Any, path: Path) -> None:
    """Writes a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")


def dataset(context: StepContext) -> tuple[str, dict[str, Any]]:
    """The dataset that the step's parameters name, or the only one."""
    name = context.parameters.get("dataset")
    if name is None and len(context.datasets) == 1:
        name = next(iter(context.datasets))
    if name not in context.datasets:
        known = ", ".join(context.datasets) or "none"
        raise StepError(f"The step {context.name!r} reads the dataset {name!r}, but the run has {known}.", final=True)
    return str(name), dict(context.datasets[str(name)])


def require(frame: pd.DataFrame, column: str, step: str) -> None:
    """Raises StepError where a column is not there."""
    if column not in frame.columns:
        raise StepError(
            f"The step {step!r} needs the column {column!r}, but the rows have {', '.join(map(str, frame.columns))}.",
            final=True,
        )
