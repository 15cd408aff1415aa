"""Rules of a Model with its pipeline, data and gates (TRU1720 to TRU1749)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples, lookup, repeated
from trueup_specs.core.steps import CLASSIFICATION_METRICS, REGRESSION_METRICS
from trueup_specs.kinds.envelope.words import instead, listed
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.run_rules import columns_of, served
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_specs.kinds.pipeline.step_rules import fits
from trueup_specs.kinds.quality_gate.spec import QualityGateSpec

TASK_METRICS = {"classification": CLASSIFICATION_METRICS, "regression": REGRESSION_METRICS}

DATA = """
    kind: DataSource
    metadata: {name: raw}
    spec: {file: {url: "https://example.com/raw.csv", format: csv}}
    ---
    kind: Dataset
    metadata: {name: customers}
    spec: {source: raw, schema: {properties: [{name: age, logicalType: integer}, {name: churned, logicalType: boolean}]}}
    """
PIPELINE = """
    kind: Pipeline
    metadata: {name: nightly}
    spec:
      params: {C: {type: number, default: 1.0}}
      steps:
        - {name: rows, uses: load, with: {dataset: customers}}
        - {name: parts, uses: split, inputs: {data: rows.data}}
        - {name: fit, uses: train, with: {estimator: sklearn.svm.SVC, params: {C: "${{ params.C }}"}}, inputs: {train: parts.train}}
        - {name: keep, uses: register, inputs: {model: fit.model}}
    """
GOOD = examples(
    """
    kind: Model
    metadata: {name: churn}
    spec: {pipeline: nightly, task: classification, label: churned, params: {C: 0.5}, gates: [better]}
    ---
    kind: QualityGate
    metadata: {name: better}
    spec: {model: churn, checks: [{metric: accuracy, minEffect: 0}]}
    """,
    PIPELINE,
    DATA,
)


def pipeline_of(spec: ModelSpec, document: Document, index: Index) -> PipelineSpec | None:
    """The pipeline that trains a model, or None."""
    found = lookup(index, "Pipeline", spec.pipeline, document.key.namespace) if spec.pipeline else None
    if found is None:
        return None
    assert isinstance(found.spec, PipelineSpec)
    return found.spec


def namespace_of(spec: ModelSpec, document: Document) -> str:
    """The namespace of a model's pipeline, in which its steps name datasets."""
    return qualified(spec.pipeline or "", document.key.namespace)[0]


class GateOfOther(SpecRule[ModelSpec]):
    """`gates` must name gates of this model, each once."""

    code = "TRU1720"
    about = ("spec.gates",)
    reason = "A gate judges the model that it names, so this one would decide nothing here."
    good = GOOD
    bad = examples(
        """
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification, label: churned, gates: [better]}
        #                                                                       ^
        ---
        kind: Model
        metadata: {name: other}
        spec: {pipeline: nightly, task: classification, label: churned, gates: [better]}
        ---
        kind: QualityGate
        metadata: {name: better}
        spec: {model: other, checks: [{metric: accuracy, minEffect: 0}]}
        """,
        PIPELINE,
        DATA,
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, text in enumerate(spec.gates):
            gate = lookup(index, "QualityGate", text, document.key.namespace)
            if gate is None:
                continue
            assert isinstance(gate.spec, QualityGateSpec)
            judged = Key("Model", *qualified(gate.spec.model, gate.key.namespace))
            if judged != document.key:
                yield Finding(
                    ("spec", "gates", position),
                    f"{gate.key} judges {judged}, not {document.key}.",
                    fix="Write a gate for this model, or remove it here.",
                    related=((gate.key, ("spec", "model"), "It names its model here."),),
                )
        for position, _, text in repeated(spec.gates):
            yield Finding(("spec", "gates", position), f"The gate {text!r} is listed twice.", fix="Remove one of them.")


class NotRegistered(SpecRule[ModelSpec]):
    """The pipeline of a model must have a step that registers it."""

    code = "TRU1721"
    reason = "Without a version in the registry there is nothing to judge, promote or serve."
    good = GOOD
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: fit, run: ./fit.sh, outputs: {model: {type: model}}}]}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification}
        #                ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        if pipeline is None:
            return
        count = sum(step.uses == "register" for step in pipeline.steps)
        if count != 1:
            yield Finding(
                ("spec", "pipeline"),
                f"The pipeline {spec.pipeline!r} has {'no step' if count == 0 else f'{count} steps'} `register`.",
                fix="Add `{name: register, uses: register, inputs: {model: STEP.OUTPUT}}` to it."
                if count == 0
                else "Keep one of them.",
            )


class ParameterUnknown(SpecRule[ModelSpec]):
    """`params` must name parameters of the pipeline."""

    code = "TRU1722"
    about = ("spec.params",)
    reason = "Another name would be ignored, and the model trained with the default."
    good = GOOD
    bad = GOOD.replace(
        "{C: 0.5}, gates: [better]}",
        "{D: 0.5}, gates: [better]}\n#                                                                        ^",
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        for name in spec.params if pipeline is not None else ():
            assert pipeline is not None
            if name not in pipeline.params:
                yield Finding(
                    ("spec", "params", name),
                    f"The pipeline {spec.pipeline!r} declares no parameter {name!r}.",
                    at_key=True,
                    fix=instead(name, pipeline.params) if pipeline.params else "Declare it in the pipeline's `params`.",
                )


class ParameterType(SpecRule[ModelSpec]):
    """A value in `params` must be of the parameter's type."""

    code = "TRU1723"
    about = ("spec.params",)
    reason = "The run would stop at the first step that uses it."
    good = GOOD
    bad = GOOD.replace(
        "{C: 0.5}, gates: [better]}",
        "{C: low}, gates: [better]}\n#                                                                           ^",
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        for name, value in spec.params.items() if pipeline is not None else ():
            assert pipeline is not None
            declared = pipeline.params.get(name)
            if declared is not None and not fits(value, declared.type):
                yield Finding(
                    ("spec", "params", name),
                    f"The parameter {name!r} is of type {declared.type}, and {value!r} is not.",
                    fix=f"Write a value of type {declared.type}.",
                )


class ParameterMissing(SpecRule[ModelSpec]):
    """A parameter without a default must be given in `params`."""

    code = "TRU1724"
    reason = "The steps that use it would be given nothing."
    good = GOOD
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          params: {days: {type: integer}}
          steps:
            - {name: fit, run: "./fit.sh ${{ params.days }}", outputs: {model: {type: model}}}
            - {name: keep, uses: register, inputs: {model: fit.model}}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification}
        #                ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        for name, declared in pipeline.params.items() if pipeline is not None else ():
            if declared.default is None and name not in spec.params:
                yield Finding(
                    ("spec", "params") if spec.params else ("spec", "pipeline"),
                    f"The pipeline {spec.pipeline!r} needs the parameter {name!r}, which has no default.",
                    at_key=bool(spec.params),
                    fix=f"Add `params: {{{name}: …}}`, or give the parameter a default.",
                )


def _columns(spec: ModelSpec, document: Document, index: Index) -> frozenset[str] | None:
    """All columns that the rows of a model's training can have; None where they cannot be told."""
    pipeline = pipeline_of(spec, document, index)
    if pipeline is None or not all(ports.builtin(step) for step in pipeline.steps):
        return None
    keys = set(ports.datasets(pipeline, namespace_of(spec, document)).values())
    found = [columns_of(key, index) for key in keys]
    joined = _served(spec, document, index)
    if not keys or None in found or joined is None:
        return None
    return frozenset(joined).union(*(c for c in found if c is not None))


def _served(spec: ModelSpec, document: Document, index: Index) -> set[str] | None:
    if spec.features is None:
        return set()
    return served(Key("FeatureService", *qualified(spec.features, document.key.namespace)), index)


class LabelUnknown(SpecRule[ModelSpec]):
    """The label must be a column of the data that the model is trained on."""

    code = "TRU1725"
    about = ("spec.label",)
    reason = "There would be nothing to learn."
    good = GOOD
    bad = GOOD.replace(
        "label: churned, params: {C: 0.5}, gates: [better]}",
        "label: churn, params: {C: 0.5}, gates: [better]}\n#                                                      ^",
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = _columns(spec, document, index) if spec.label is not None else None
        if known is not None and spec.label is not None and spec.label not in known:
            yield Finding(
                ("spec", "label"),
                f"The data that {document.key} is trained on has no column {spec.label!r}.",
                fix=instead(spec.label, known),
            )


class LabelUnsaid(SpecRule[ModelSpec]):
    """A model that the built-in step `train` fits must name its label."""

    code = "TRU1726"
    reason = "The step would not know what to predict, nor the gate what is true."
    good = GOOD
    bad = GOOD.replace(
        " label: churned, params: {C: 0.5}, gates: [better]}",
        " params: {C: 0.5}, gates: [better]}\n#                               ^",
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        if spec.label is not None or pipeline is None:
            return
        if any(step.uses == "train" and "label" not in step.with_ for step in pipeline.steps):
            yield Finding(
                ("spec", "task"),
                f"{document.key} names no label, and neither does the step `train` of {spec.pipeline!r}.",
                fix="Add `label: COLUMN`.",
            )


class LabelAmongFeatures(SpecRule[ModelSpec]):
    """The label must not be one of the model's features."""

    code = "TRU1727"
    about = ("spec.features",)
    reason = "The model would read the answer in training, and not have it when it serves."
    good = GOOD
    bad = examples(
        """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, label: churned, features: profile}
        #                                                                                        ^
        ---
        kind: FeatureService
        metadata: {name: profile}
        spec: {features: [{view: customer}]}
        ---
        kind: FeatureView
        metadata: {name: customer}
        spec: {entities: [customer], dataset: history, timestampField: at, features: [{name: churned, type: bool}]}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: id}
        ---
        kind: Dataset
        metadata: {name: history}
        spec:
          source: raw
          schema:
            properties:
              - {name: id, logicalType: string}
              - {name: at, logicalType: timestamp}
              - {name: churned, logicalType: boolean}
        """,
        DATA,
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        names = _served(spec, document, index) if spec.label is not None and spec.features is not None else None
        if names and spec.label in names:
            yield Finding(
                ("spec", "features"),
                f"The feature service {spec.features!r} has the label {spec.label!r} as a feature.",
                fix="List the other features in the feature service.",
            )


class SignatureUnknown(SpecRule[ModelSpec]):
    """The inputs of the signature must be columns of the data that the model is trained on."""

    code = "TRU1728"
    about = ("spec.signature",)
    reason = "The model that the run logs could not have them, so every run would be refused."
    good = GOOD
    bad = GOOD.replace(
        "gates: [better]}",
        "gates: [better],\n signature: {inputs: [{name: aeg, type: long}]}}\n#" + " " * 28 + "^",
        1,
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = _columns(spec, document, index) if spec.signature else None
        for position, item in enumerate(spec.signature.inputs if spec.signature and known is not None else ()):
            assert known is not None
            if item.name not in known:
                yield Finding(
                    ("spec", "signature", "inputs", position, "name"),
                    f"The data that {document.key} is trained on has no column {item.name!r}.",
                    fix=instead(item.name, known),
                )


class EstimatorOfOtherTask(SpecRule[ModelSpec]):
    """The estimator of the pipeline must fit the model's task."""

    code = "TRU1729"
    reason = "A regressor gives no classes and a classifier no quantities; evaluation would stop."
    good = GOOD
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: fit, uses: train, with: {estimator: sklearn.ensemble.RandomForestRegressor}, inputs: {train: fetch.rows}}
            - {name: keep, uses: register, inputs: {model: fit.model}}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification, label: churned}
        #                               ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        other = "Regressor" if spec.task == "classification" else "Classifier"
        for step in pipeline.steps if pipeline is not None else ():
            name = step.with_.get("estimator") if step.uses == "train" else None
            if isinstance(name, str) and name.endswith(other):
                yield Finding(
                    ("spec", "task"),
                    f"The step {step.name!r} of {spec.pipeline!r} trains {name!r}, which is no estimator for {spec.task}.",
                    fix=f"Use a {'classifier' if other == 'Regressor' else 'regressor'} there, or change the task.",
                )


class MetricOfOtherTask(SpecRule[ModelSpec]):
    """The metrics that the pipeline's steps name must be of the model's task."""

    code = "TRU1730"
    reason = "Accuracy of a quantity and squared error of a class are not defined; the step would stop."
    good = GOOD
    bad = GOOD.replace(
        "task: classification, label: churned, params: {C: 0.5}, gates: [better]}",
        "task: classification, label: churned, params: {C: 0.5}, gates: [better]}\n#                               ^",
    ).replace('params: {C: "${{ params.C }}"}}', 'params: {C: "${{ params.C }}"}, crossValidation: {metric: rmse}}')

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index)
        for step in pipeline.steps if pipeline is not None else ():
            if step.uses not in ("compare", "train"):
                continue
            values = step.with_ if step.uses == "compare" else step.with_.get("crossValidation")
            metric = values.get("metric") if isinstance(values, dict) else None
            if isinstance(metric, str) and "${{" not in metric and metric not in TASK_METRICS[spec.task]:
                yield Finding(
                    ("spec", "task"),
                    f"The step {step.name!r} of {spec.pipeline!r} uses the metric {metric!r}, which {spec.task} does not have.",
                    fix=f"Use one of {listed(TASK_METRICS[spec.task])} there.",
                )


class Originless(SpecRule[ModelSpec]):
    """A model should have a pipeline, a source or a version."""

    code = "TRU1733"
    severity = Severity.WARNING
    reason = "Nothing trains it and nothing says where it comes from, so nothing can be served."
    good = GOOD
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {task: classification}
        #            ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if originates(spec) or document.key in derived(index, given_by_overlay):
            return
        if not any(True for _ in index.targeted_by("Endpoint", document.key)):  # whose own rule says it
            yield Finding(
                ("spec", "task"),
                f"{document.key} has neither `pipeline` nor `source` nor `version`.",
                fix="Name the pipeline that trains it, or where it comes from.",
            )


def given_by_overlay(index: Index) -> frozenset[Key]:
    """The models that an overlay gives a pipeline, a source or a version in some environment."""
    found: set[Key] = set()
    for overlay in index.of_kind("Overlay"):
        assert isinstance(overlay.spec, OverlaySpec)
        target = overlay.spec.target
        if target.kind == "Model" and {"pipeline", "source", "version", "aliases"} & set(overlay.spec.patch):
            found.add(Key("Model", target.namespace or overlay.key.namespace, target.name))
    return frozenset(found)


def originates(spec: ModelSpec) -> bool:
    """Whether versions of the model come from anywhere."""
    pinned = spec.version is not None or any(alias.version is not None for alias in spec.aliases)
    return spec.pipeline is not None or spec.source is not None or pinned


RULES: tuple[type[Rule], ...] = (
    GateOfOther,
    NotRegistered,
    ParameterUnknown,
    ParameterType,
    ParameterMissing,
    LabelUnknown,
    LabelUnsaid,
    LabelAmongFeatures,
    SignatureUnknown,
    EstimatorOfOtherTask,
    MetricOfOtherTask,
    Originless,
)
