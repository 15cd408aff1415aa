"""What is asked of the requests that a version has answered (`promotion.live`): the numbers, and which checks they meet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from trueup_specs.kinds.model.spec import LiveCheck
from trueup_specs.kinds.monitor.metrics import FAILED

K = TypeVar("K")
LATENCY = {"latencyP50": 0.5, "latencyP95": 0.95, "latencyP99": 0.99}


@dataclass(frozen=True)
class Answered:
    """The requests of one version: how many ended how, and how long the model took."""

    outcomes: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[float, float] = field(default_factory=dict)
    """How many took at most so many seconds, by the bounds of the histogram; that of infinity is all."""

    def __add__(self, other: Answered) -> Answered:
        return Answered(_sum(self.outcomes, other.outcomes), _sum(self.buckets, other.buckets))

    def number(self, metric: str) -> float | None:
        """A metric of the spec; None where no request says anything of it."""
        total = sum(self.outcomes.values())
        if metric == "requests":
            return total
        if metric == "errorRatio":
            return sum(n for o, n in self.outcomes.items() if o in FAILED) / total if total else None
        return quantile(self.buckets, LATENCY[metric])


@dataclass(frozen=True, slots=True)
class Judged:
    """One check with its number."""

    holds: bool
    text: str
    """A sentence."""


def judged(checks: Iterable[LiveCheck], answered: Answered) -> tuple[Judged, ...]:
    """Every check, in its order. One without a number does not hold."""
    return tuple(_judged(check, answered.number(check.metric)) for check in checks)


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The seconds within which a share of the requests was done; None where there was no request.

    An estimate, as Prometheus's `histogram_quantile` makes it: a straight line within a bucket, and the last bound for what lies above.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if not total:
        return None
    rank, below, start = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return start
            return start + (bound - start) * (rank - below) / (buckets[bound] - below)
        below, start = buckets[bound], bound
    return start


def _judged(check: LiveCheck, number: float | None) -> Judged:
    asked = " and ".join(_bounds(check))
    if number is None:
        return Judged(False, f"{check.metric} is not known, since no request has been answered; it must be {asked}.")
    holds = (check.min is None or number >= check.min) and (check.max is None or number <= check.max)
    unit = " s" if check.metric in LATENCY else ""
    return Judged(holds, f"{check.metric} is {number:.4g}{unit}; it must be {asked}{unit}.")


def _bounds(check: LiveCheck) -> Iterator[str]:
    if check.min is not None:
        yield f"at least {check.min:g}"
    if check.max is not None:
        yield f"at most {check.max:g}"


def _sum(one: Mapping[K, float], other: Mapping[K, float]) -> dict[K, float]:
    return {k: one.get(k, 0.0) + other.get(k, 0.0) for k in {**one, **other}}
