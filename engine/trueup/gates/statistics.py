"""The paired bootstrap: how sure one can be that a metric, or a difference of metrics on the same rows, is what it seems. Pure.

Percentile intervals after Efron and Tibshirani (1993), one-sided at the confidence asked for. Rows are drawn together for both models,
so that what makes a row hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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


def metric_bounds(
    problem: Problem, metric: str, given: Predictions, confidence: float, resamples: int, seed: int = 0
) -> Estimate | None:
    """A metric with its bounds; None where it is not defined."""
    return _bounds(problem, lambda rows: problem.scored(metric, given, rows), confidence, resamples, seed)


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

    def effect(rows: Any) -> float | None:
        ours, theirs = problem.scored(metric, candidate, rows), problem.scored(metric, champion, rows)
        return None if ours is None or theirs is None else sign * (ours - theirs)

    return _bounds(problem, effect, confidence, resamples, seed)


def _bounds(
    problem: Problem, measured: Callable[[Any], float | None], confidence: float, resamples: int, seed: int
) -> Estimate | None:
    import numpy as np

    value = measured(None)
    if value is None:
        return None
    size = len(problem.actual)
    generator = np.random.default_rng(seed)
    found = [measured(generator.integers(0, size, size)) for _ in range(resamples)]
    known = np.array([v for v in found if v is not None])
    if len(known) < resamples / 2:
        return None
    lower, upper = np.quantile(known, [1 - confidence, confidence])
    return Estimate(float(value), float(lower), float(upper), size)
