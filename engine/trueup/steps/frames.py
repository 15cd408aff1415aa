"""Tables between steps: Parquet files as pandas frames with one meaning of "no value". Used by the built-in steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.steps.context import StepContext, StepError

if TYPE_CHECKING:
    import pandas as pd


def read(path: Path) -> pd.DataFrame:
    """A table that an upstream step wrote."""
    import pandas as pd

    return plain(pd.read_parquet(path))


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with missing values as NaN in every column, as scikit-learn's imputers take them."""
    import numpy as np
    import pandas as pd

    frame = frame.copy()
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            kinds = set(map(type, column.dropna()))
            values = column.astype(object).where(column.notna(), np.nan)
            frame[name] = values.astype("float64") if kinds == {bool} else values
    return frame


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
        raise StepError(f"The step {step!r} needs the column {column!r}, but the rows have {', '.join(map(str, frame.columns))}.", final=True)
