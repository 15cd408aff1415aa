"""The metrics of predictions, by the names that gates and reports use. Pure; used by the steps and the gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueup_specs.core.steps import CLASSIFICATION_METRICS, REGRESSION_METRICS


def names(task: str) -> tuple[str, ...]:
    """The metrics of a task."""
    return CLASSIFICATION_METRICS if task == "classification" else REGRESSION_METRICS


def score(
    name: str, actual: Any, predicted: Any, probabilities: Any, classes: Sequence[Any], positive: Any
) -> float | None:
    """One metric; None where it is not defined for these rows (one class only, no probabilities).

    `actual` and `predicted` are of length n, `probabilities` of shape (n, classes) or None.
    """
    if name in REGRESSION_METRICS:
        return _regression(name, actual, predicted)
    if name in ("roc_auc", "log_loss", "brier"):
        return None if probabilities is None else _probabilistic(name, actual, probabilities, list(classes), positive)
    return _labels(name, actual, predicted, positive)


def _regression(name: str, actual: Any, predicted: Any) -> float:
    from sklearn import metrics

    found = {"rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error, "r2": metrics.r2_score}
    return float(found[name](actual, predicted))


def _labels(name: str, actual: Any, predicted: Any, positive: Any) -> float:
    from sklearn import metrics

    if name == "accuracy":
        return float(metrics.accuracy_score(actual, predicted))
    found = {"f1": metrics.f1_score, "precision": metrics.precision_score, "recall": metrics.recall_score}[name]
    if positive is None:
        return float(found(actual, predicted, average="macro", zero_division=0))
    return float(found(actual == positive, predicted == positive, zero_division=0))


def _probabilistic(name: str, actual: Any, probabilities: Any, classes: list[Any], positive: Any) -> float | None:
    import numpy as np
    from sklearn import metrics

    if name == "log_loss":
        return float(metrics.log_loss(actual, probabilities, labels=classes))
    if positive is not None:
        chance, is_positive = probabilities[:, classes.index(positive)], np.asarray(actual) == positive
        if name == "brier":
            return float(np.mean((chance - is_positive) ** 2))
        return float(metrics.roc_auc_score(is_positive, chance)) if 0 < is_positive.sum() < len(is_positive) else None
    if name == "brier":
        return float(
            np.mean(np.sum((probabilities - (np.asarray(actual)[:, None] == np.array(classes)[None, :])) ** 2, axis=1))
        )
    if len(set(actual)) < len(classes):
        return None
    return float(metrics.roc_auc_score(actual, probabilities, multi_class="ovr", labels=classes))


def all_scores(
    task: str, actual: Any, predicted: Any, probabilities: Any, classes: Sequence[Any], positive: Any
) -> dict[str, float]:
    """Every metric of the task that is defined."""
    found = {n: score(n, actual, predicted, probabilities, classes, positive) for n in names(task)}
    return {n: v for n, v in found.items() if v is not None}


def probabilities_of(model: Any, rows: Any) -> Any:
    """Class probabilities of shape (n, classes), or None for a model that gives none."""
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else None
