"""The built-in step `transform`: fits transformers on the training rows, for `train` to put before the estimator."""

from __future__ import annotations

from typing import Any

from trueup.steps import bundles, estimators, frames, preprocessing
from trueup.steps.context import StepContext, StepError


def run(context: StepContext) -> None:
    """Writes `transform` and, to look at, the transformed rows as `train`; reports the columns before and after."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    frame = frames.read(context.inputs["train"])
    given = context.parameters
    label = given.get("label") or (context.model or {}).get("label")
    left_out = {label, *(given.get("drop") or ())}
    rows = frame[[c for c in map(str, frame.columns) if c not in left_out]]
    sorts = preprocessing.sorts(rows)
    parts = []
    for number, part in enumerate(given["steps"]):
        columns = sorts[part["columns"]] if isinstance(part["columns"], str) else list(part["columns"])
        for column in columns:
            frames.require(rows, column, context.name)
        parts.append((f"part{number}", make_pipeline(*(_transformer(u, context) for u in part["use"])), columns))
    before = ColumnTransformer(parts, remainder=given.get("remainder", "drop"), verbose_feature_names_out=False)
    before.set_output(transform="pandas")
    try:
        done = before.fit_transform(rows, frame[label] if label in frame.columns else None)
    except (ValueError, TypeError) as error:
        raise StepError(f"The rows cannot be transformed: {error}", final=True) from error
    bundles.save(
        context.outputs["transform"], before, bundles.Description("", str(label or ""), tuple(map(str, rows.columns)))
    )
    if label in frame.columns:
        done[label] = frame[label].to_numpy()
    frames.write(done, context.outputs["train"])
    context.log_metric("columns_in", len(rows.columns))
    context.log_metric("columns_out", len(done.columns))


def _transformer(used: Any, context: StepContext) -> Any:
    name, params = (used, {}) if isinstance(used, str) else (used["transformer"], used.get("params") or {})
    if name.endswith("OneHotEncoder") and "sparse_output" not in params:
        params = {**params, "sparse_output": False}
    return estimators.make(name, params, context.seed, context.allowed_estimators)
