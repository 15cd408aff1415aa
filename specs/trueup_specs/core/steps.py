"""The built-in pipeline steps as declarations: inputs, outputs, parameters and metrics of each.

Read by validation (offline, so nothing heavy is imported here) and by `trueup.steps`, which does the work. A parameter
schema is JSON Schema 2020-12; a string that is one `${{ params.NAME }}` fits any schema, since its value is known later.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup_specs.core.fitting import fits

PortType = Literal["table", "model", "file", "json"]

CLASSIFICATION_METRICS = ("accuracy", "f1", "precision", "recall", "roc_auc", "log_loss", "brier")
REGRESSION_METRICS = ("rmse", "mae", "r2")
MINIMIZED_METRICS = frozenset({"log_loss", "brier", "rmse", "mae"})
"""Metrics that are better when smaller; all others are better when larger."""

EXPRESSION = re.compile(r"\$\{\{\s*params\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")
"""`${{ params.NAME }}`, as GitHub Actions writes it."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a step. Tables are Parquet files, models folders written by `train` or `transform`."""

    type: PortType
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class StepType:
    """What a built-in step takes and gives."""

    name: str
    summary: str
    parameters: Mapping[str, Any]
    """JSON Schema of `with`."""
    inputs: Mapping[str, Port] = field(default_factory=dict)
    outputs: Mapping[str, Port] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    """Every metric that it can report; which of them it does depends on task and parameters."""
    cacheable: bool = True
    """Whether an equal earlier result may stand for a new one: not where the step changes something outside."""


_COLUMN: Mapping[str, Any] = {"type": "string", "minLength": 1}
_COLUMNS: Mapping[str, Any] = {"type": "array", "items": _COLUMN, "minItems": 1, "uniqueItems": True}
_DATASET: Mapping[str, Any] = {
    "type": "string",
    "description": "The Dataset, as `name` or `namespace/name`; may be left out where the pipeline reads only one.",
}
_ESTIMATOR: Mapping[str, Any] = {
    "type": "string",
    "pattern": r"^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+$",
    "description": "Dotted name of a class: any public scikit-learn one, or what `Environment.spec.allowedEstimators` allows.",
}
_FREE: Mapping[str, Any] = {"type": "object", "description": "Constructor arguments, passed on as they are."}


def _schema(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


_LOAD = StepType(
    name="load",
    summary="Reads a Dataset at its pinned version; with `features`, joined to the model's features as of each row's time.",
    parameters=_schema(
        {
            "dataset": _DATASET,
            "columns": {**_COLUMNS, "description": "Only these columns."},
            "features": {
                "type": "boolean",
                "description": "Join the features of `Model.spec.features`, point-in-time correct; by default where the model has some.",
            },
        }
    ),
    outputs={"data": Port("table", "The rows.")},
    metrics=("rows", "columns"),
)

_CHECK = StepType(
    name="check",
    summary="Judges rows by the Dataset's contract; fails where a check of severity `error` does not hold.",
    parameters=_schema({"dataset": _DATASET}),
    inputs={"data": Port("table", "The rows to judge.")},
    outputs={"data": Port("table", "The same rows."), "report": Port("json", "Each check with its result.")},
    metrics=("rows", "errors", "warnings"),
)

_SPLIT = StepType(
    name="split",
    summary="Splits rows into `train` and `test`; the test part is also kept as the run's holdout, which gates compare on.",
    parameters=_schema(
        {
            "testSize": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.25},
            "stratify": {**_COLUMN, "description": "Keep the shares of this column's values in both parts."},
            "timeColumn": {**_COLUMN, "description": "Test on the latest rows by this column instead of random ones."},
            "groupColumn": {**_COLUMN, "description": "Keep rows of one group in one part."},
        }
    ),
    inputs={"data": Port("table", "The rows.")},
    outputs={"train": Port("table", "Rows to fit on."), "test": Port("table", "Held-out rows.")},
    metrics=("train_rows", "test_rows"),
)

_TRANSFORM = StepType(
    name="transform",
    summary="Fits scikit-learn transformers on the training rows; `train` puts them in front of the estimator, so the model holds them.",
    parameters=_schema(
        {
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": _schema(
                    {
                        "columns": {
                            "oneOf": [_COLUMNS, {"enum": ["numeric", "categorical", "boolean"]}],
                            "description": "Column names, or all columns of a sort.",
                        },
                        "use": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "oneOf": [
                                    _ESTIMATOR,
                                    _schema({"transformer": _ESTIMATOR, "params": _FREE}, "transformer"),
                                ]
                            },
                            "description": "Transformers applied one after the other.",
                        },
                    },
                    "columns",
                    "use",
                ),
            },
            "remainder": {
                "enum": ["drop", "passthrough"],
                "default": "drop",
                "description": "What happens to columns that no step names.",
            },
            "label": {**_COLUMN, "description": "Left out of the features; by default `Model.spec.label`."},
            "drop": {**_COLUMNS, "description": "Columns that are no features."},
        },
        "steps",
    ),
    inputs={"train": Port("table", "Rows to fit on.")},
    outputs={
        "transform": Port("model", "The fitted transformer, for `train`."),
        "train": Port("table", "The transformed rows, to look at."),
    },
    metrics=("columns_in", "columns_out"),
)

_TRAIN = StepType(
    name="train",
    summary="Fits an estimator. Without `transform`, columns are imputed, encoded and scaled by what they hold.",
    parameters=_schema(
        {
            "estimator": _ESTIMATOR,
            "params": _FREE,
            "label": {**_COLUMN, "description": "By default `Model.spec.label`."},
            "features": {**_COLUMNS, "description": "Only these columns; by default all but label, drop and times."},
            "drop": {**_COLUMNS, "description": "Columns that are no features."},
            "sampleWeight": {**_COLUMN, "description": "A column with the weight of each row; no feature."},
            "crossValidation": _schema(
                {
                    "folds": {"type": "integer", "minimum": 2, "maximum": 100, "default": 5},
                    "metric": {"enum": [*CLASSIFICATION_METRICS, *REGRESSION_METRICS]},
                    "timeColumn": {**_COLUMN, "description": "Folds in time order, each tested on what came later."},
                    "groupColumn": {**_COLUMN, "description": "Rows of one group stay in one fold."},
                }
            ),
        },
        "estimator",
    ),
    inputs={
        "train": Port("table", "Rows to fit on."),
        "transform": Port("model", "A transformer fitted by `transform`.", required=False),
    },
    outputs={"model": Port("model", "The fitted model: transformers and estimator.")},
    metrics=(
        "rows",
        "features",
        *(f"cv_{m}{suffix}" for m in (*CLASSIFICATION_METRICS, *REGRESSION_METRICS) for suffix in ("", "_std")),
    ),
)

_EVALUATE = StepType(
    name="evaluate",
    summary="Scores a model on rows that it has not seen.",
    parameters=_schema({"label": {**_COLUMN, "description": "By default the label that the model was trained on."}}),
    inputs={"model": Port("model", "The model."), "test": Port("table", "Rows with the label.")},
    outputs={
        "report": Port("json", "Metrics, per class figures and the confusion matrix."),
        "predictions": Port("table", "`actual`, `predicted` and, for classes, a `probability_CLASS` column each."),
    },
    metrics=("rows", *CLASSIFICATION_METRICS, *REGRESSION_METRICS),
)

_COMPARE = StepType(
    name="compare",
    summary="Compares a model with the champion on the same rows by a paired bootstrap: pass, fail or inconclusive.",
    parameters=_schema(
        {
            "metric": {"enum": [*CLASSIFICATION_METRICS, *REGRESSION_METRICS]},
            "minEffect": {"type": "number", "default": 0},
            "confidence": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1, "default": 0.95},
            "minSamples": {"type": "integer", "minimum": 2, "default": 100},
            "resamples": {"type": "integer", "minimum": 100, "maximum": 100_000, "default": 2000},
            "champion": {**_COLUMN, "description": "Alias of the version compared with; by default `champion`."},
        },
        "metric",
    ),
    inputs={"model": Port("model", "The candidate."), "test": Port("table", "Rows with the label.")},
    outputs={"report": Port("json", "Verdict, effect, interval and samples.")},
    metrics=("candidate", "champion", "effect", "lower", "upper", "samples", "passed"),
    cacheable=False,
)

_REGISTER = StepType(
    name="register",
    summary="Logs the model to MLflow and makes it a version of the registered model; the same run never makes two.",
    parameters=_schema({"name": {**_COLUMN, "description": "The registered model; by default the Model's name."}}),
    inputs={"model": Port("model", "The model.")},
    outputs={"version": Port("json", "`name`, `version`, `runId`, `uri`.")},
    metrics=("version",),
    cacheable=False,
)

BUILTIN: Mapping[str, StepType] = {
    s.name: s for s in (_LOAD, _CHECK, _SPLIT, _TRANSFORM, _TRAIN, _EVALUATE, _COMPARE, _REGISTER)
}
"""Every built-in step, by the name that `uses` gives."""


@functools.cache
def _judge(name: str) -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(BUILTIN[name].parameters)


def parameter_problems(name: str, values: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the `with` of a built-in step: the path within `with` (of the key, for an unknown one), and a sentence.

    Values that are `${{ params.NAME }}` fit anything: they are judged again when the run is made.
    """

    if fits(BUILTIN[name].parameters, values, _open_ended):
        return
    for error in _judge(name).iter_errors(values):
        if _open_ended(error.instance):
            continue
        yield tuple(error.absolute_path), f"The step `{name}` refuses this value: {error.message}."


def _open_ended(value: object) -> bool:
    return isinstance(value, str) and EXPRESSION.fullmatch(value) is not None


def params_used(value: Any) -> Iterator[str]:
    """The names in every `${{ params.NAME }}` inside a value, in order, repeated as often as they stand there."""
    if isinstance(value, str):
        yield from EXPRESSION.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from params_used(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from params_used(item)
