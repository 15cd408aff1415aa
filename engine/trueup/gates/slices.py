"""The rows that a check is about: those for which its CEL condition holds. Called by `judging`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueup_specs.core import expressions
from trueup_specs.core.expressions import ExpressionError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def chosen(frame: pd.DataFrame, condition: str) -> np.ndarray[Any, Any]:
    """A mask of shape (rows,): where the condition holds. A row that has no value for a column it reads, and so has no answer, is out.

    Raises ExpressionError for a column that is not there, or a condition that has no answer for a row with all its values.
    """
    import numpy as np

    expression = expressions.compile(condition, [str(c) for c in frame.columns])
    columns = sorted(expression.variables)
    mask = np.zeros(len(frame), dtype=bool)
    answers: dict[tuple[Any, ...], bool] = {}
    values = [frame[c].astype(object).where(frame[c].notna(), None).tolist() for c in columns]
    for position, row in enumerate(zip(*values, strict=True) if columns else ()):
        if row not in answers:
            answers[row] = _holds(expression, dict(zip(columns, row, strict=True)))
        mask[position] = answers[row]
    if not columns:
        mask[:] = expression.holds({})
    return mask


def _holds(expression: expressions.Expression, row: dict[str, Any]) -> bool:
    try:
        return expression.holds(row)
    except ExpressionError:
        if None in row.values():
            return False
        raise
