"""Metrics of many bootstrap samples at once: a sample is how often each row is drawn, and a metric a sum weighted by that.

Used by `statistics`. Each gives what `metrics.score` gives on the drawn rows (a test compares them), some hundred times faster;
a metric that is not here is scored sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

TINY = 2.220446049250313e-16
"""Probabilities are kept this far from 0 and 1 in log loss, as scikit-learn does."""


def many(
    name: str, actual: Any, predicted: Any, chances: Any, classes: Sequence[Any], positive: Any
) -> Callable[[Any], Any] | None:
    """A function from counts of shape (samples, rows) to the metric of each sample (NaN: not defined); None for no such metric."""
    import numpy as np

    actual = np.asarray(actual)
    if name == "accuracy":
        return _mean((actual == predicted).astype(float))
    if name in ("precision", "recall", "f1") and positive is not None:
        return _ratio(name, actual == positive, np.asarray(predicted) == positive)
    if name in ("mae", "rmse"):
        gap = np.asarray(predicted, dtype=float) - actual.astype(float)
        return _mean(np.abs(gap)) if name == "mae" else _root(_mean(gap**2))
    if chances is None or positive is None or len(classes) != 2:
        return None
    chance, is_positive = chances[:, list(classes).index(positive)], actual == positive
    if name == "brier":
        return _mean((chance - is_positive) ** 2)
    if name == "log_loss":
        kept = np.clip(np.where(is_positive, chance, 1 - chance), TINY, 1 - TINY)
        return _mean(-np.log(kept))
    return _area(is_positive, chance) if name == "roc_auc" else None


def _mean(values: Any) -> Callable[[Any], Any]:
    return lambda counts: counts @ values / counts.sum(axis=1)


def _root(mean: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda counts: mean(counts) ** 0.5


def _ratio(name: str, actual: Any, predicted: Any) -> Callable[[Any], Any]:
    """Hits over what was predicted, over what is there, or over the mean of both; 0 where there is nothing to divide by."""
    import numpy as np

    def scored(counts: Any) -> Any:
        hits = counts @ (actual & predicted).astype(float)
        there, said = counts @ actual.astype(float), counts @ predicted.astype(float)
        below = {"precision": said, "recall": there, "f1": (said + there) / 2}[name]
        return np.divide(hits, below, out=np.zeros_like(hits), where=below > 0)

    return scored


def _area(is_positive: Any, chance: Any) -> Callable[[Any], Any]:
    """The area under the curve as the share of pairs in the right order; a pair of equal chances counts half (Mann and Whitney, 1947)."""
    import numpy as np

    _, group = np.unique(chance, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    mark = is_positive[order].astype(float)

    def scored(counts: Any) -> Any:
        ordered = counts[:, order]
        ups = np.add.reduceat(ordered * mark, starts, axis=1)
        downs = np.add.reduceat(ordered * (1 - mark), starts, axis=1)
        below = np.cumsum(downs, axis=1) - downs / 2
        pairs = ups.sum(axis=1) * downs.sum(axis=1)
        right = (ups * below).sum(axis=1)
        return np.divide(right, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)

    return scored
