"""Rules of `kind: QualityGate` (TRU1650 to TRU1679)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, lookup, repeated
from trueup_specs.core.steps import CLASSIFICATION_METRICS, MINIMIZED_METRICS, REGRESSION_METRICS
from trueup_specs.kinds.envelope.conditions import compiled
from trueup_specs.kinds.envelope.reference_rules import absent
from trueup_specs.kinds.envelope.words import instead, listed
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.model.training_rules import TASK_METRICS
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.run_rules import columns_of
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_specs.kinds.quality_gate import row_rules
from trueup_specs.kinds.quality_gate.row_rules import GOOD, gate, model_of, with_pipeline
from trueup_specs.kinds.quality_gate.spec import Check, QualityGateSpec

_COMPUTED = frozenset({*CLASSIFICATION_METRICS, *REGRESSION_METRICS})
_SHARES = frozenset(CLASSIFICATION_METRICS) - {"log_loss"}
"""Metrics that lie between 0 and 1."""


def _task(model: Document) -> str:
    assert isinstance(model.spec, ModelSpec)
    return model.spec.task


class CheckEmpty(SpecRule[QualityGateSpec]):
    """A check must have a `threshold`, a `minEffect`, or both."""

    code = "TRU1650"
    reason = "A check without either proves nothing and passes always."
    good = GOOD
    bad = gate("{metric: accuracy}\n#     ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, check in enumerate(spec.checks):
            if check.threshold is None and check.min_effect is None:
                yield Finding(
                    ("spec", "checks", position),
                    f"The check of {check.metric!r} demands nothing.",
                    fix="Add `threshold` for a value to reach, or `minEffect` for a difference to the champion.",
                )


class GateUnlisted(SpecRule[QualityGateSpec]):
    """A gate must be listed in `gates` of its model."""

    code = "TRU1651"
    reason = "Who reads the model must see what decides about it."
    good = GOOD
    bad = GOOD.replace("gates: [better]", "gates: []").replace("  model: churn\n", "  model: churn\n#        ^\n")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = model_of(spec, document, index)
        if model is None:
            return
        assert isinstance(model.spec, ModelSpec)
        listed_ = {Key("QualityGate", *qualified(text, model.key.namespace)) for text in model.spec.gates}
        if document.key not in listed_:
            yield Finding(
                ("spec", "model"),
                f"{model.key} does not list this gate.",
                fix=f"Add {document.key.name!r} to `gates` of {model.key}, or remove the gate.",
                related=((model.key, ("spec", "gates"), "Its gates."),),
            )


class MetricNotProduced(SpecRule[QualityGateSpec]):
    """The metric of a check must be one that the pipeline reports or that can be computed from rows."""

    code = "TRU1652"
    reason = "The gate would wait for a number that never comes, and every version would be held."
    good = GOOD
    bad = gate("{metric: acuracy, threshold: 0.9}\n#              ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model, pipeline = with_pipeline(spec, document, index)
        if model is None:
            return
        computed = frozenset(TASK_METRICS[model.task])
        for position, check in enumerate(spec.checks):
            if check.metric in _COMPUTED:
                continue  # of the other task: the next rule
            reported = (
                ports.produced(pipeline, model.task)
                if pipeline is not None and check.min_effect is None
                else frozenset()
            )
            if check.metric not in reported:
                yield Finding(
                    ("spec", "checks", position, "metric"),
                    self._sentence(check, pipeline),
                    fix=instead(check.metric, computed | reported),
                )

    def _sentence(self, check: Check, pipeline: PipelineSpec | None) -> str:
        if pipeline is not None and check.metric in ports.produced(pipeline):
            return f"The metric {check.metric!r} cannot be computed from rows, as `minEffect` needs."
        return f"No step of the model's pipeline reports a metric {check.metric!r}."


class MetricOfOtherTask(SpecRule[QualityGateSpec]):
    """The metric of a check must be of the model's task."""

    code = "TRU1653"
    reason = "Accuracy of a quantity and squared error of a class are not defined."
    good = GOOD
    bad = gate("{metric: rmse, direction: minimize, threshold: 3}\n#              ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = model_of(spec, document, index)
        if model is None:
            return
        assert isinstance(model.spec, ModelSpec)
        for position, check in enumerate(spec.checks):
            if check.metric in _COMPUTED and check.metric not in TASK_METRICS[model.spec.task]:
                yield Finding(
                    ("spec", "checks", position, "metric"),
                    f"The metric {check.metric!r} is not defined for {model.spec.task}, the task of {model.key}.",
                    fix=f"Use one of {listed(TASK_METRICS[model.spec.task])}.",
                )


class DirectionWrong(SpecRule[QualityGateSpec]):
    """`direction` must be the one in which the metric gets better."""

    code = "TRU1654"
    reason = "The gate would let worse models pass and hold better ones."
    good = gate("{metric: log_loss, direction: minimize, threshold: 0.5}")
    bad = gate("{metric: log_loss, threshold: 0.5}\n#              ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, check in enumerate(spec.checks):
            better = "minimize" if check.metric in MINIMIZED_METRICS else "maximize"
            if check.metric in _COMPUTED and check.direction != better:
                said = "direction" in check.model_fields_set
                yield Finding(
                    ("spec", "checks", position, "direction" if said else "metric"),
                    f"{check.metric!r} is better when {'smaller' if better == 'minimize' else 'larger'}, "
                    f"but the check's direction is {check.direction}{'' if said else ' by default'}.",
                    fix=f"Write `direction: {better}`.",
                )


class EffectOfNothing(SpecRule[QualityGateSpec]):
    """`minEffect` needs a model to compare with."""

    code = "TRU1655"
    reason = "With `compareTo: none` there is no difference to demand."
    good = GOOD
    bad = gate("{metric: accuracy, minEffect: 0.01}\n#                        ^", "  compareTo: none")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, check in enumerate(spec.checks if spec.compare_to == "none" else ()):
            if check.min_effect is not None:
                yield Finding(
                    ("spec", "checks", position, "minEffect"),
                    f"The check of {check.metric!r} demands an effect, but the gate compares with nothing.",
                    at_key=True,
                    fix="Compare with the `champion`, or demand a `threshold`.",
                )


class ComparedUnknown(SpecRule[QualityGateSpec]):
    """`compareTo` must be `champion`, `none` or another model of the same task."""

    code = "TRU1656"
    reason = "There would be no predictions to compare with."
    good = GOOD
    bad = gate("{metric: accuracy, minEffect: 0.01}", "  compareTo: chmpion\n#            ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.compare_to in ("champion", "none"):
            return
        other = lookup(index, "Model", spec.compare_to, document.key.namespace)
        own = model_of(spec, document, index)
        path = ("spec", "compareTo")
        if other is None:
            near = instead(spec.compare_to, ["champion", "none", *(d.key.name for d in index.of_kind("Model"))])
            key = Key("Model", *qualified(spec.compare_to, document.key.namespace))
            yield Finding(path, absent(path, key, document.key.namespace, index).summary, fix=near)
        elif own is not None and other.key == own.key:
            yield Finding(path, f"The gate compares {own.key} with itself.", fix="Write `compareTo: champion`.")
        elif own is not None and (tasks := (_task(own), _task(other)))[0] != tasks[1]:
            yield Finding(
                path,
                f"{own.key} does {tasks[0]}, and {other.key} does {tasks[1]}.",
                fix="Compare with a model of the same task.",
            )


class SliceInvalid(SpecRule[QualityGateSpec]):
    """`slice` must be a CEL condition over the columns of the rows."""

    code = "TRU1657"
    reason = "The gate could not choose its rows, and every version would be held."
    good = gate('{metric: accuracy, minEffect: 0, slice: "age < 30"}')
    bad = gate('{metric: accuracy, minEffect: 0, slice: "aeg < 30"}\n#                                             ^')

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        if all(check.slice is None for check in spec.checks):
            return
        known = self._columns(spec, document, index)
        for position, check in enumerate(spec.checks):
            found = compiled(check.slice, known) if check.slice is not None else None
            path = ("spec", "checks", position, "slice")
            if isinstance(found, str):
                yield Finding(path, found, fix="Write a condition over columns, such as `age < 30`.")
            elif found is not None and not (found.may_be_boolean and found.variables):
                what = "reads no column" if found.may_be_boolean else "is neither true nor false"
                yield Finding(
                    path,
                    f"The slice {check.slice!r} {what}.",
                    fix="Write a condition over columns, such as `age < 30`.",
                )

    def _columns(self, spec: QualityGateSpec, document: Document, index: Index) -> tuple[str, ...] | None:
        """The columns of the rows that are compared on; None where they cannot be told."""
        namespace = document.key.namespace
        if spec.dataset is not None:
            found = columns_of(Key("Dataset", *qualified(spec.dataset, namespace)), index)
            return tuple(sorted(found)) if found is not None else None
        model, pipeline = with_pipeline(spec, document, index)
        if model is None or pipeline is None or model.features is not None:
            return None
        if not all(ports.builtin(step) for step in pipeline.steps):
            return None
        place = qualified(spec.model, namespace)[0]
        keys = ports.datasets(pipeline, qualified(model.pipeline or "", place)[0]).values()
        columns = [columns_of(key, index) for key in keys]
        if not columns or None in columns:
            return None
        return tuple(sorted(frozenset().union(*(c for c in columns if c is not None))))


class CheckTwice(SpecRule[QualityGateSpec]):
    """Checks must have different names."""

    code = "TRU1658"
    reason = "Verdicts are recorded by name."
    good = gate("{name: overall, metric: accuracy, minEffect: 0}")
    bad = gate(
        "{name: overall, metric: accuracy, minEffect: 0}\n    - {name: overall, metric: f1, minEffect: 0}\n#            ^"
    )

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        named = [position for position, check in enumerate(spec.checks) if check.name is not None]
        for place, _, name in repeated(spec.checks[position].name for position in named):
            yield Finding(
                ("spec", "checks", named[place], "name"),
                f"Two checks are called {name!r}.",
                fix="Give each a name of its own.",
            )


class ThresholdOutOfRange(SpecRule[QualityGateSpec]):
    """A threshold must be a value that the metric can have."""

    code = "TRU1659"
    reason = "A model could never reach it, or would always."
    good = gate("{metric: accuracy, threshold: 0.9}")
    bad = gate("{metric: accuracy, threshold: 90}\n#                                   ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, check in enumerate(spec.checks):
            value = check.threshold
            if value is None or check.metric not in _COMPUTED:
                continue
            low, high = (0.0, 1.0) if check.metric in _SHARES else (0.0, float("inf"))
            if check.metric == "r2":
                low, high = float("-inf"), 1.0
            if not low <= value <= high:
                bounds = (
                    f"between {low:g} and {high:g}"
                    if check.metric in _SHARES
                    else f"at {'most 1' if high == 1 else 'least 0'}"
                )
                yield Finding(
                    ("spec", "checks", position, "threshold"),
                    f"{check.metric!r} is always {bounds}, so the threshold {value} decides nothing.",
                    fix="Write a share such as `0.9`, not percent."
                    if check.metric in _SHARES
                    else "Write a value that it can have.",
                )


class EffectOutOfRange(SpecRule[QualityGateSpec]):
    """`minEffect` must be a difference that the metric can have."""

    code = "TRU1660"
    reason = "No model could be that much better."
    good = GOOD
    bad = gate("{metric: accuracy, minEffect: 2}\n#                                   ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, check in enumerate(spec.checks):
            if check.min_effect is not None and check.metric in _SHARES and abs(check.min_effect) >= 1:
                yield Finding(
                    ("spec", "checks", position, "minEffect"),
                    f"{check.metric!r} lies between 0 and 1, so no model is {check.min_effect:g} better than another.",
                    fix="Write a share such as `0.02`, not percent.",
                )


class BootstrapOfMetric(SpecRule[QualityGateSpec]):
    """A threshold on a metric that steps report by themselves needs `test: none`."""

    code = "TRU1661"
    reason = "A confidence bound is computed from rows, and only the pipeline knows how this metric comes about."
    good = gate("{metric: train_rows, threshold: 100, test: none}")
    bad = gate("{metric: train_rows, threshold: 100}\n#     ^")

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        model, pipeline = with_pipeline(spec, document, index)
        if model is None or pipeline is None:
            return
        reported = ports.produced(pipeline, model.task)
        for position, check in enumerate(spec.checks):
            computed = check.metric in _COMPUTED or check.metric not in reported
            if not computed and check.min_effect is None and check.test != "none":
                yield Finding(
                    ("spec", "checks", position),
                    f"{check.metric!r} cannot be computed from rows, so it has no confidence bound.",
                    fix="Write `test: none`: then the reported value must reach the threshold.",
                )


class TestIgnored(SpecRule[QualityGateSpec]):
    """`confidence` and `minSamples` do nothing with `test: none`."""

    code = "TRU1662"
    severity = Severity.WARNING
    reason = "Without a test the bare value decides."
    good = gate("{metric: accuracy, threshold: 0.9, test: none}")
    bad = gate(
        "{metric: accuracy, threshold: 0.9, test: none, confidence: 0.99}\n#                                                    ^"
    )

    def find(self, spec: QualityGateSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, check in enumerate(spec.checks):
            for field, alias in (("confidence", "confidence"), ("min_samples", "minSamples")):
                if check.test == "none" and field in check.model_fields_set:
                    yield Finding(
                        ("spec", "checks", position, alias),
                        f"`{alias}` does nothing, because the check makes no test.",
                        at_key=True,
                        fix="Remove it, or write `test: pairedBootstrap`.",
                    )


RULES: tuple[type[Rule], ...] = (
    CheckEmpty,
    GateUnlisted,
    MetricNotProduced,
    MetricOfOtherTask,
    DirectionWrong,
    EffectOfNothing,
    ComparedUnknown,
    SliceInvalid,
    CheckTwice,
    ThresholdOutOfRange,
    EffectOutOfRange,
    BootstrapOfMetric,
    TestIgnored,
    *row_rules.RULES,
)
