"""The built-in step `evaluate`: scores a model on rows that it has not seen."""

from __future__ import annotations

from typing import Any

from trueup.gates import metrics
from trueup.steps import bundles, frames
from trueup.steps.context import StepContext


def run(context: StepContext) -> None:
    """Writes `report` and `predictions`; reports every metric of the task."""
    import pandas as pd

    model, described = bundles.load(context.inputs["model"])
    label = str(context.parameters.get("label") or described.label)
    frame = frames.read(context.inputs["test"])
    for column in (label, *described.features):
        frames.require(frame, column, context.name)
    frame = frame[frame[label].notna()]
    rows, actual = frame[list(described.features)], frame[label].to_numpy()
    predicted, chances = model.predict(rows), metrics.probabilities_of(model, rows)
    scores = metrics.all_scores(described.task, actual, predicted, chances, described.classes, described.positive)
    table = pd.DataFrame({"actual": actual, "predicted": predicted})
    for number, name in enumerate(described.classes if chances is not None else ()):
        table[f"probability_{name}"] = chances[:, number]
    frames.write(table, context.outputs["predictions"])
    frames.write_json(
        {"rows": len(frame), "metrics": scores, **_classes(described, actual, predicted)}, context.outputs["report"]
    )
    context.log_metric("rows", len(frame))
    for name, value in scores.items():
        context.log_metric(name, value)


def _classes(described: bundles.Description, actual: Any, predicted: Any) -> dict[str, Any]:
    """Figures per class and the confusion matrix (rows are actual, columns predicted)."""
    if described.task != "classification":
        return {}
    from sklearn.metrics import classification_report, confusion_matrix

    labels = list(described.classes)
    return {
        "classes": labels,
        "perClass": classification_report(actual, predicted, labels=labels, output_dict=True, zero_division=0),
        "confusion": confusion_matrix(actual, predicted, labels=labels).tolist(),
    }
