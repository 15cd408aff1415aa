"""The paired bootstrap on real predictions and against scikit-learn, sample by sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.gates import metrics, resampling
from trueup.gates.statistics import Predictions, Problem, effect_bounds, metric_bounds

CREDIT = Path(__file__).parents[3] / "examples" / "quickstart" / "data" / "credit.csv"
CLASSES = ("bad", "good")


@given(
    st.integers(0, 10_000),
    st.integers(2, 40),
    st.sampled_from(["accuracy", "f1", "precision", "recall", "roc_auc", "log_loss", "brier"]),
)
@settings(max_examples=150, deadline=None)
def test_samples_at_once_score_as_the_rows_drawn_do(seed: int, size: int, metric: str) -> None:
    generator = np.random.default_rng(seed)
    actual = np.array(CLASSES, dtype=object)[generator.integers(0, 2, size)]
    chance = np.round(generator.random(size), 1)  # with ties, zeros and ones
    chances = np.column_stack([chance, 1 - chance])
    predicted = np.where(chance > 0.5, "bad", "good").astype(object)
    counts = generator.multinomial(size, np.full(size, 1 / size), 3).astype(float)
    scored = resampling.many(metric, actual, predicted, chances, CLASSES, "bad")
    assert scored is not None
    for one, count in zip(scored(counts), counts, strict=True):
        rows = np.repeat(np.arange(size), count.astype(int))
        expected = metrics.score(metric, actual[rows], predicted[rows], chances[rows], CLASSES, "bad")
        assert np.isnan(one) if expected is None else one == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_errors_of_quantities_too(metric: str) -> None:
    generator = np.random.default_rng(1)
    actual, predicted = generator.normal(size=30), generator.normal(size=30)
    counts = generator.multinomial(30, np.full(30, 1 / 30), 4).astype(float)
    scored = resampling.many(metric, actual, predicted, None, (), None)
    assert scored is not None
    rows = [np.repeat(np.arange(30), c.astype(int)) for c in counts]
    assert scored(counts) == pytest.approx(
        [metrics.score(metric, actual[r], predicted[r], None, (), None) for r in rows]
    )
    assert resampling.many("r2", actual, predicted, None, (), None) is None


@pytest.fixture(scope="module")
def credit() -> tuple[Problem, Predictions, Predictions]:
    """A problem of 1,200 real rows, and a good and a weak model's predictions."""
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_csv(CREDIT)[["status", "seniority", "time", "age", "expenses", "amount", "price"]].dropna()
    frame = frame.sample(frac=1, random_state=3)
    train, test = frame.iloc[:3000], frame.iloc[3000:4200]

    def predictions(columns: list[str]) -> Predictions:
        model = LogisticRegression(max_iter=2000).fit(train[columns], train["status"])
        return Predictions(model.predict(test[columns]), model.predict_proba(test[columns]))

    return (
        Problem(test["status"].to_numpy(), CLASSES, "bad"),
        predictions(list(frame.columns[1:])),
        predictions(["age"]),
    )


@pytest.mark.capability("model-management/statistical-analysis", by="trueup.gates.statistics:_bounds")
def test_bounds_hold_the_value_and_narrow_with_rows(credit: Any) -> None:
    problem, good, _ = credit
    whole = metric_bounds(problem, "roc_auc", good, 0.95, 500)
    assert whole is not None, "there is an estimate"
    assert whole.lower < whole.value < whole.upper and whole.samples == 1200
    part = Problem(problem.actual[:150], CLASSES, "bad")
    few = metric_bounds(part, "roc_auc", Predictions(good.predicted[:150], good.probabilities[:150]), 0.95, 500)
    assert few is not None and few.upper - few.lower > 2 * (whole.upper - whole.lower)
    surer = metric_bounds(problem, "roc_auc", good, 0.99, 500)
    assert surer is not None and surer.lower < whole.lower and surer.upper > whole.upper
    assert metric_bounds(problem, "roc_auc", good, 0.95, 500) == whole, "the same seed gives the same bounds"


def test_bounds_are_those_of_theory(credit: Any) -> None:
    """Of a share the bootstrap's bounds are the binomial's: value ± z · sqrt(p (1 - p) / n)."""
    problem, good, _ = credit
    found = metric_bounds(problem, "accuracy", good, 0.95, 4000)
    assert found is not None
    wide = 1.6449 * (found.value * (1 - found.value) / 1200) ** 0.5
    assert found.value - found.lower == pytest.approx(wide, rel=0.1)
    assert found.upper - found.value == pytest.approx(wide, rel=0.1)


def test_an_effect_is_measured_on_the_same_rows(credit: Any) -> None:
    problem, good, weak = credit
    found = effect_bounds(problem, "roc_auc", good, weak, False, 0.95, 500)
    assert found is not None and found.lower > 0.05
    back = effect_bounds(problem, "roc_auc", weak, good, False, 0.95, 500)
    assert back is not None and (back.lower, back.upper) == pytest.approx((-found.upper, -found.lower))
    fewer_errors = effect_bounds(problem, "log_loss", good, weak, True, 0.95, 500)
    assert fewer_errors is not None and fewer_errors.value > 0, "less loss is better"
    same = effect_bounds(problem, "roc_auc", good, good, False, 0.95, 100)
    assert same is not None and (same.value, same.lower, same.upper) == (0.0, 0.0, 0.0)


def test_what_is_not_defined_has_no_bounds() -> None:
    ones = np.array(["bad"] * 20, dtype=object)
    given_ = Predictions(ones, np.column_stack([np.ones(20), np.zeros(20)]))
    assert metric_bounds(Problem(ones, CLASSES, "bad"), "roc_auc", given_, 0.95, 100) is None
    assert metric_bounds(Problem(ones, CLASSES, "bad"), "roc_auc", Predictions(ones), 0.95, 100) is None
