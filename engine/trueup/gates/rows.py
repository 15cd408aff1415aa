"""Rows as scikit-learn takes them. Used by the steps and by the process that judges, so that both see the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


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
