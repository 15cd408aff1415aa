"""The built-in step `train`: fits an estimator, with what stands before it, as one scikit-learn pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueup.gates import metrics
from trueup.steps import bundles, estimators, frames, preprocessing
from trueup.steps.context import StepContext, StepError

if TYPE_CHECKING:
    import pandas as pd


def run(context: StepContext) -> None:
    """Writes `model`; reports `rows`, `features` and the cross-validated metrics where they are asked for."""
    from sklearn.pipeline import Pipeline

    frame = frames.read(context.inputs["train"])
    given, label = context.parameters, bundles.label_of(context)
    frames.require(frame, label, context.name)
    frame = frame[frame[label].notna()]
    rows, before = _features(context, frame, label)
    task = bundles.task_of(context, frame[label])
    actual = frame[label].to_numpy()
    weights = frame[given["sampleWeight"]].to_numpy() if given.get("sampleWeight") else None
    name = str(given["estimator"])
    model = Pipeline(
        [
            ("columns", before),
            ("model", estimators.make(name, given.get("params") or {}, context.seed, context.allowed_estimators)),
        ]
    )
    if given.get("crossValidation") is not None:
        _cross_validate(context, model, rows, actual, task, frame)
    _fit(model, rows, actual, weights, name)
    classes = tuple(_plain(c) for c in model.classes_) if task == "classification" else ()
    positive = bundles.positive_of(context, classes) if classes else None
    description = bundles.Description(task, label, tuple(map(str, rows.columns)), classes, positive, name)
    bundles.save(context.outputs["model"], model, description, rows)
    context.log_metric("rows", len(rows))
    context.log_metric("features", len(rows.columns))


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _features(context: StepContext, frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, Any]:
    """The feature columns and what is done to them."""
    given = context.parameters
    left_out = {label, *(given.get("drop") or ()), *([given["sampleWeight"]] if given.get("sampleWeight") else [])}
    if "transform" in context.inputs:
        before, described = bundles.load(context.inputs["transform"])
        return frame[list(described.features)], before
    names = list(given.get("features") or [c for c in map(str, frame.columns) if c not in left_out])
    for name in names:
        frames.require(frame, name, context.name)
    rows = frame[names]
    times = preprocessing.sorts(rows)["time"]
    rows = rows.drop(columns=times)
    if not len(rows.columns):
        raise StepError("No column is left to learn from: all are label, dropped or times.", final=True)
    return rows, preprocessing.default(rows)


def _fit(model: Any, rows: pd.DataFrame, actual: Any, weights: Any, name: str) -> None:
    try:
        model.fit(rows, actual, **({"model__sample_weight": weights} if weights is not None else {}))
    except (ValueError, TypeError) as error:
        raise StepError(f"{name} cannot be fitted: {error}", final=True) from error


def _cross_validate(context: StepContext, model: Any, rows: Any, actual: Any, task: str, frame: Any) -> None:
    """Reports mean and standard deviation of each metric over the folds."""
    import numpy as np
    from sklearn.base import clone

    asked = context.parameters["crossValidation"]
    found: dict[str, list[float]] = {}
    for train, test in _folds(asked, rows, actual, task, frame, context.seed):
        fitted = clone(model).fit(rows.iloc[train], actual[train])
        classes = tuple(_plain(c) for c in fitted.classes_) if task == "classification" else ()
        positive = bundles.positive_of(context, classes) if classes else None
        part = rows.iloc[test]
        scores = metrics.all_scores(
            task, actual[test], fitted.predict(part), metrics.probabilities_of(fitted, part), classes, positive
        )
        for name, value in scores.items():
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        if asked.get("metric") in (None, name):
            context.log_metric(f"cv_{name}", float(np.mean(values)))
            context.log_metric(f"cv_{name}_std", float(np.std(values)))


def _folds(asked: Mapping[str, Any], rows: Any, actual: Any, task: str, frame: Any, seed: int) -> Any:
    import numpy as np
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

    folds = int(asked.get("folds", 5))
    if column := asked.get("timeColumn"):
        order = np.argsort(frame[column].to_numpy(), kind="stable")
        return [(order[a], order[b]) for a, b in TimeSeriesSplit(folds).split(order)]
    if column := asked.get("groupColumn"):
        return list(GroupKFold(folds).split(rows, actual, frame[column].astype(str)))
    splitter = StratifiedKFold if task == "classification" else KFold
    return list(splitter(folds, shuffle=True, random_state=seed).split(rows, actual))
