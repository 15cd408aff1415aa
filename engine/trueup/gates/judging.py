"""Judging a candidate by its gates: rows are read, versions predict, and every check gets its evidence. Called by `trueup.gates.main`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueup.gates import slices, statistics, verdicts
from trueup.gates.checks import INCONCLUSIVE, PASS, Check, Finding, Gate
from trueup.gates.models import Loaded
from trueup.gates.statistics import Estimate, Predictions, Problem
from trueup_specs.core.expressions import ExpressionError
from trueup_specs.core.steps import CLASSIFICATION_METRICS, REGRESSION_METRICS

if TYPE_CHECKING:
    import pandas as pd

COMPUTED = frozenset({*CLASSIFICATION_METRICS, *REGRESSION_METRICS})


@dataclass
class Judge:
    """What judging needs: who is judged, and how rows and versions are had (each is had once)."""

    model: str
    version: int
    label: str
    metrics: Mapping[str, float]
    positive: Any
    read: Callable[[Mapping[str, Any] | None], pd.DataFrame | None]
    """The rows of a table, or with None those that the run held out; None where there are none."""
    load: Callable[[str, int], Loaded]
    _rows: dict[str, Any] = field(default_factory=dict)
    _models: dict[tuple[str, int], Loaded] = field(default_factory=dict)
    _predictions: dict[tuple[str, int, str], Predictions] = field(default_factory=dict)

    def evidence(self, gate: Gate) -> Iterator[dict[str, Any]]:
        """One result for each threshold and each effect of the gate's checks."""
        for check in gate.checks:
            if check.threshold is not None:
                yield self._guarded(check, lambda c: self._threshold(gate, c)).evidence(gate.name, check, "threshold")
            if check.min_effect is not None:
                found = self._guarded(check, lambda c: self._effect(gate, c)).evidence(gate.name, check, "effect")
                yield found | ({"championVersion": gate.opponent.version} if gate.opponent else {})

    def _guarded(self, check: Check, judge: Callable[[Check], Finding]) -> Finding:
        try:
            return judge(check)
        except (ExpressionError, LookupError) as error:
            return Finding(INCONCLUSIVE, f"{check.metric} cannot be judged: {error}")

    def _threshold(self, gate: Gate, check: Check) -> Finding:
        if check.metric not in COMPUTED:
            return self._reported(check)
        frame = self._frame(gate)
        if frame is None:
            return self._reported(check)
        problem, rows = self._problem(frame, check)
        if len(rows) < check.min_samples:
            return verdicts.too_few(check, len(rows))
        ours = _at(self._predicted(self.model, self.version, gate, frame), rows)
        if check.bootstrap:
            found = statistics.metric_bounds(problem, check.metric, ours, check.confidence, gate.resamples)
        else:
            found = _plain(problem.scored(check.metric, ours), len(rows))
        return verdicts.undefined(check, len(rows)) if found is None else verdicts.threshold(check, found)

    def _effect(self, gate: Gate, check: Check) -> Finding:
        if gate.opponent is None:
            return _unopposed(gate, check)
        frame = self._frame(gate)
        if frame is None:
            return Finding(
                INCONCLUSIVE,
                f"{check.metric} cannot be compared: the run held no rows out. Add the step `split`, or set `dataset`.",
            )
        problem, rows = self._problem(frame, check)
        if len(rows) < check.min_samples:
            return verdicts.too_few(check, len(rows))
        ours = _at(self._predicted(self.model, self.version, gate, frame), rows)
        theirs = _at(self._predicted(gate.opponent.model, gate.opponent.version, gate, frame), rows)
        mine, other = problem.scored(check.metric, ours), problem.scored(check.metric, theirs)
        if mine is None or other is None:
            return verdicts.undefined(check, len(rows))
        if check.bootstrap:
            found = statistics.effect_bounds(
                problem, check.metric, ours, theirs, check.minimize, check.confidence, gate.resamples
            )
        else:
            found = _plain((other - mine) if check.minimize else (mine - other), len(rows))
        if found is None:
            return verdicts.undefined(check, len(rows))
        against = f"version {gate.opponent.version}" + (
            "" if gate.opponent.model == self.model else f" of {gate.opponent.model}"
        )
        return verdicts.effect(check, found, mine, other, against)

    def _reported(self, check: Check) -> Finding:
        """A metric of the pipeline, as `step.metric` or by its last part where only one step reports it."""
        names = [n for n in self.metrics if n == check.metric or n.rpartition(".")[2] == check.metric]
        if check.metric in self.metrics:
            names = [check.metric]
        if len(names) != 1:
            known = ", ".join(sorted(self.metrics)) or "nothing"
            why = f"{' and '.join(names)} are all of that name" if names else f"the run reported {known}"
            return Finding(INCONCLUSIVE, f"{check.metric} is not known: {why}. Name it as `step.metric`.")
        return verdicts.reported(check, names[0], float(self.metrics[names[0]]))

    def _frame(self, gate: Gate) -> Any:
        key = _key(gate)
        if key not in self._rows:
            frame = self.read(gate.rows)
            if frame is not None:
                if self.label not in frame.columns:
                    raise LookupError(f"The rows have no column {self.label}, which is the label.")
                frame = frame[frame[self.label].notna()].reset_index(drop=True)
            self._rows[key] = frame
        return self._rows[key]

    def _problem(self, frame: Any, check: Check) -> tuple[Problem, Any]:
        import numpy as np

        rows = np.flatnonzero(slices.chosen(frame, check.slice)) if check.slice else np.arange(len(frame))
        actual = frame[self.label].to_numpy()[rows]
        return Problem(actual, self._classes(), self._positive()), rows

    def _classes(self) -> tuple[Any, ...]:
        return self._loaded(self.model, self.version).classes

    def _positive(self) -> Any:
        classes = self._classes()
        if self.positive is not None:
            # A label of whole numbers comes as text from specs that quote it.
            return next((c for c in classes if c == self.positive or str(c) == str(self.positive)), self.positive)
        return classes[-1] if len(classes) == 2 else None

    def _loaded(self, name: str, version: int) -> Loaded:
        if (name, version) not in self._models:
            self._models[name, version] = self.load(name, version)
        return self._models[name, version]

    def _predicted(self, name: str, version: int, gate: Gate, frame: Any) -> Predictions:
        key = (name, version, _key(gate))
        if key not in self._predictions:
            self._predictions[key] = self._loaded(name, version).predict(frame, self.label, self._classes())
        return self._predictions[key]


def _unopposed(gate: Gate, check: Check) -> Finding:
    """An effect where there is nobody to compare with: the first version of all passes, anything else is not known."""
    if gate.compare_to == "champion":
        return Finding(PASS, f"{check.metric} has no champion to be compared with: this is the first version.")
    return Finding(
        INCONCLUSIVE, f"{check.metric} cannot be compared: {gate.compare_to} has no version in the registry."
    )


def _at(given: Predictions, rows: Any) -> Predictions:
    return Predictions(given.predicted[rows], None if given.probabilities is None else given.probabilities[rows])


def _plain(value: float | None, samples: int) -> Estimate | None:
    return None if value is None else Estimate(value, value, value, samples)


def _key(gate: Gate) -> str:
    return "" if gate.rows is None else f"{gate.rows['uri']}@{gate.rows['version']}"
