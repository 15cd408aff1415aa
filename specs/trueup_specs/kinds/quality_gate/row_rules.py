"""Rules of what a QualityGate compares on (TRU1663 to TRU1665): rows, labels, runs. Listed by `rules`, which shares its examples."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, lookup
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.model.training_rules import DATA, PIPELINE, TASK_METRICS, pipeline_of
from trueup_specs.kinds.pipeline.run_rules import columns_of
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_specs.kinds.quality_gate.spec import QualityGateSpec

MODEL = """
    kind: Model
    metadata: {name: churn}
    spec: {pipeline: nightly, task: classification, label: churned, gates: [better]}
    """


def gate(checks: str, rest: str = "") -> str:
    """An example: a gate of a model with its pipeline and data."""
    gate = f"kind: QualityGate\nmetadata: {{name: better}}\nspec:\n  model: churn\n  checks:\n    - {checks}\n{rest}"
    return examples(gate, MODEL, PIPELINE, DATA)


GOOD = gate("{metric: accuracy, minEffect: 0.01}")


def model_of(spec: QualityGateSpec, document: Document, index: Index) -> Document | None:
    return lookup(index, "Model", spec.model, document.key.namespace)


def with_pipeline(
    spec: QualityGateSpec, document: Document, index: Index
) -> tuple[ModelSpec | None, PipelineSpec | None]:
    model = model_of(spec, document, index)
    if model is None:
        return None, None
    assert isinstance(model.spec, ModelSpec)
    return model.spec, pipeline_of(model.spec, model, index)


class RowsMissing(SpecRule[QualityGateSpec]):
    """A gate that computes from rows needs a dataset, or a pipeline with the step `split`."""

    code = "TRU1663"
    reason = "There would be no rows that the model has not seen."
    good = GOOD
    bad = """
        kind: QualityGate
        metadata: {name: better}
        spec: {model: churn, checks: [{metric: accuracy, minEffect: 0}]}
        #                              ^
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification, label: churned, gates: [better]}
        ---
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fit, run: ./fit.sh, outputs: {model: {type: model}}}
            - {name: keep, uses: register, inputs: {model: fit.model}}
        """

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model, pipeline = with_pipeline(spec, document, index)
        if spec.dataset is not None or pipeline is None or any(step.uses == "split" for step in pipeline.steps):
            return
        assert model is not None
        for position, check in enumerate(spec.checks):
            if check.metric in TASK_METRICS[model.task] and (check.min_effect is not None or check.test != "none"):
                yield Finding(
                    ("spec", "checks", position, "metric"),
                    f"There are no rows to compute {check.metric!r} on: the gate names no dataset, "
                    f"and {model.pipeline!r} has no step `split`.",
                    at_key=True,
                    fix="Name a `dataset` that the model is not trained on, or add a step `split` to the pipeline.",
                )
                return


class LabelMissing(SpecRule[QualityGateSpec]):
    """The dataset of a gate must have the model's label."""

    code = "TRU1664"
    reason = "Without the truth no prediction can be judged."
    good = GOOD
    bad = examples(
        """
        kind: QualityGate
        metadata: {name: better}
        spec: {model: churn, dataset: fresh, checks: [{metric: accuracy, minEffect: 0}]}
        #                             ^
        ---
        kind: Dataset
        metadata: {name: fresh}
        spec: {source: raw, schema: {properties: [{name: age, logicalType: integer}]}}
        """,
        MODEL,
        PIPELINE,
        DATA,
    )

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = model_of(spec, document, index)
        if model is None or spec.dataset is None:
            return
        assert isinstance(model.spec, ModelSpec)
        columns = columns_of(Key("Dataset", *qualified(spec.dataset, document.key.namespace)), index)
        if columns is not None and model.spec.label is not None and model.spec.label not in columns:
            yield Finding(
                ("spec", "dataset"),
                f"The dataset {spec.dataset!r} has no column {model.spec.label!r}, the label of {model.key}.",
                fix="Compare on a dataset that has the label.",
            )


class ModelWithoutRun(SpecRule[QualityGateSpec]):
    """A gate must judge a model that a pipeline trains."""

    code = "TRU1665"
    reason = "A gate decides about the versions that a run makes; there are none."
    good = GOOD
    bad = """
        kind: QualityGate
        metadata: {name: better}
        spec: {model: churn, checks: [{metric: accuracy, minEffect: 0}]}
        #             ^
        ---
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, gates: [better]}
        """

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = model_of(spec, document, index)
        if model is not None and isinstance(model.spec, ModelSpec) and model.spec.pipeline is None:
            yield Finding(
                ("spec", "model"),
                f"No pipeline trains {model.key}, so the gate has nothing to judge.",
                fix="Name a `pipeline` in the model, or remove the gate.",
            )


RULES: tuple[type[Rule], ...] = (RowsMissing, LabelMissing, ModelWithoutRun)
