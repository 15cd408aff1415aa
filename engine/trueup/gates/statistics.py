"""The paired bootstrap: how sure one can be that a metric, or a difference of metrics on the same rows, is what it seems. Pure.

Percentile intervals after Efron and Tibshirani (1993), one-sided at the confidence asked for. Rows are drawn together for both models,
so that what makes a row hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.gates import resampling
from trueup.gates.metrics import score


@dataclass(frozen=True)
class Predictions:
    """What a model says of n rows: `predicted` of length n, `probabilities` of shape (n, classes) or None."""

    predicted: Any
    probabilities: Any = None


@dataclass(frozen=True)
class Estimate:
    """A value with one-sided bounds: it is above `lower`, and below `upper`, each with the confidence asked for."""

    value: float
    lower: float
    upper: float
    samples: int


@dataclass(frozen=True)
class Problem:
    """What both models are judged on."""

    actual: Any
    classes: Sequence[Any] = ()
    positive: Any = None

    def scored(self, metric: str, given: Predictions, rows: Any = None) -> float | None:
        """A metric on some rows, or on all."""
        chosen = slice(None) if rows is None else rows
        chances = None if given.probabilities is None else given.probabilities[chosen]
        return score(metric, self.actual[chosen], given.predicted[chosen], chances, self.classes, self.positive)


BATCH = 1 << 22
"""How many counts are held at once (32 MiB)."""
Sampled = Callable[[Any], Any]


def metric_bounds(
    problem: Problem, metric: str, given: Predictions, confidence: float, resamples: int, seed: int = 0
) -> Estimate | None:
    """A metric with its bounds; None where it is not defined."""
    return _bounds(
        problem, problem.scored(metric, given), _sampled(problem, metric, given), confidence, resamples, seed
    )


def effect_bounds(
    problem: Problem,
    metric: str,
    candidate: Predictions,
    champion: Predictions,
    minimize: bool,
    confidence: float,
    resamples: int,
    seed: int = 0,
) -> Estimate | None:
    """How much better the candidate is than the champion on the same rows (positive is better), with its bounds."""
    sign = -1.0 if minimize else 1.0
    ours, theirs = problem.scored(metric, candidate), problem.scored(metric, champion)
    ours_sampled, theirs_sampled = _sampled(problem, metric, candidate), _sampled(problem, metric, champion)

    def effects(counts: Any) -> Any:
        return sign * (ours_sampled(counts) - theirs_sampled(counts))

    value = None if ours is None or theirs is None else sign * (ours - theirs)
    return _bounds(problem, value, effects, confidence, resamples, seed)


def _sampled(problem: Problem, metric: str, given: Predictions) -> Sampled:
    """The metric of each sample, at once where `resampling` can."""
    import numpy as np

    found = resampling.many(
        metric, problem.actual, given.predicted, given.probabilities, problem.classes, problem.positive
    )
    if found is not None:
        return found

    def one_by_one(counts: Any) -> Any:
        rows = np.arange(counts.shape[1])
        scores = [problem.scored(metric, given, np.repeat(rows, c.astype(int))) for c in counts]
        return np.array([np.nan if s is None else s for s in scores])

    return one_by_one


def _bounds(
    problem: Problem, value: float | None, measured: Sampled, confidence: float, resamples: int, seed: int
) -> Estimate | None:
    import numpy as np

    size = len(problem.actual)
    if value is None or size == 0:
        return None
    generator = np.random.default_rng(seed)
    batch = max(1, min(resamples, BATCH // size))
    found = []
    for start in range(0, resamples, batch):
        drawn = generator.integers(0, size, (min(batch, resamples - start), size))
        found.append(measured(np.stack([np.bincount(d, minlength=size) for d in drawn]).astype(float)))
    known = np.concatenate(found)
    known = known[~np.isnan(known)]
    if len(known) < resamples / 2:
        return None
    lower, upper = np.quantile(known, [1 - confidence, confidence])
    return Estimate(float(value), float(lower), float(upper), size)
