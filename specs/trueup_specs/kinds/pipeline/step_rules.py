"""Rules of what a Pipeline's steps do (TRU1570 to TRU1589): `uses`, `run`, `with`, parameters, conditions, metrics, retries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.core.steps import BUILTIN, EXPRESSION, parameter_problems, params_used
from trueup_specs.core.values import noted
from trueup_specs.kinds.envelope.conditions import problem
from trueup_specs.kinds.envelope.words import instead, listed
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.parts import StepRule
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step

FUNCTION = re.compile(r"^(?P<file>[^:]+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)$")
_ANY_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.S)
_PARAMETER = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")
_METRIC = re.compile(r"^[A-Za-z_][\w.\-/ ]*$")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}

_COMMAND = """
    kind: Pipeline
    metadata: {name: nightly}
    spec:
      params: {days: {type: integer, default: 7}}
      steps: [{name: report, run: "./report.sh ${{ params.days }}", metrics: [rows]}]
    """


class UsesOrRun(StepRule):
    """A step must have exactly one of `uses` and `run`."""

    code = "TRU1570"
    reason = "A step without either does nothing; with both it would not be known what it does."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report}]}
        #               ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        if (step.uses is None) == (step.run is None):
            both = step.uses is not None
            yield Finding(
                ("run" if both else "name",),
                f"The step {step.name!r} has {'both `uses` and `run`' if both else 'neither `uses` nor `run`'}.",
                at_key=True,
                fix="Keep one of them."
                if both
                else "Add `uses` for a built-in step or a function, or `run` for a command.",
            )


class UsesUnknown(StepRule):
    """`uses` must be a built-in step or `path/to/file.py:function`."""

    code = "TRU1571"
    reason = "There is nothing else that a step could use."
    good = """
        # files: ml/features.py
        kind: Pipeline
        metadata: {name: nightly}
        spec: {code: ml, steps: [{name: build, uses: "features.py:build"}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: rows, uses: laod}]}
        #                                 ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        if step.uses is not None and step.uses not in BUILTIN and not FUNCTION.match(step.uses):
            yield Finding(
                ("uses",),
                f"{step.uses!r} is neither a built-in step nor `path/to/file.py:function`.",
                fix=instead(step.uses, BUILTIN),
            )


class CommandEmpty(StepRule):
    """`run` must be a command."""

    code = "TRU1572"
    about = ("run",)
    reason = "Nothing would be started."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: []}]}
        #                                  ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        if step.run is None:
            return
        first = step.run if isinstance(step.run, str) else (step.run[0] if step.run else "")
        if not first.strip():
            yield Finding(
                ("run",),
                f"The step {step.name!r} runs an empty command.",
                fix="Write a command, as text for `sh -e` or as a list of arguments.",
            )


class WithRefused(StepRule):
    """The parameters of a built-in step must be those that it takes."""

    code = "TRU1573"
    reason = "The run would stop at the step, after all that comes before it."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: parts, uses: split, with: {testSize: 0.2}, inputs: {data: fetch.rows}}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: parts, uses: split, with: {testSize: 20}, inputs: {data: fetch.rows}}
        #                                                 ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        if step.uses is None or step.uses not in BUILTIN:
            return
        for path, sentence in parameter_problems(step.uses, json.loads(json.dumps(step.with_, default=str))):
            properties = BUILTIN[step.uses].parameters["properties"]
            unknown = not path and next((k for k in step.with_ if k not in properties), None)
            where: Path = ("with", *path) if step.with_ else ("uses",)
            yield Finding(
                (*where, unknown) if unknown else where,
                f"The step `{step.uses}` has no parameter {unknown!r}." if unknown else sentence,
                at_key=not path,
                fix=instead(unknown, properties) if unknown else f"`{step.uses}` takes {listed(properties)}.",
            )


class ParameterUnknown(SpecRule[PipelineSpec]):
    """`${{ params.NAME }}` must name a parameter that the pipeline declares."""

    code = "TRU1574"
    reason = "There is no value to put there."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          params: {days: {type: integer, default: 7}}
          steps: [{name: report, run: ["./report.sh", "${{ params.days }}", "${{ params.day }}"]}]
        #                                                                   ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, text in _texts(spec):
            for name in EXPRESSION.findall(text):
                if name not in spec.params:
                    yield Finding(
                        path,
                        f"The pipeline declares no parameter {name!r}.",
                        fix=instead(name, spec.params) if spec.params else f"Declare {name!r} in `params`.",
                    )


class ExpressionForeign(SpecRule[PipelineSpec]):
    """`${{ … }}` holds nothing but `params.NAME`."""

    code = "TRU1575"
    reason = "No other expression is replaced, so the step would be given the text as it is."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "./report.sh ${{ github.sha }}"}]}
        #                                  ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, text in _texts(spec):
            for found in _ANY_EXPRESSION.finditer(text):
                if not EXPRESSION.fullmatch(found[0]):
                    yield Finding(
                        path,
                        f"{found[0]!r} is no expression that a step knows.",
                        fix="Write `${{ params.NAME }}`, and declare NAME in `params`.",
                    )


def _texts(spec: PipelineSpec) -> tuple[tuple[Path, str], ...]:
    """Every text of the steps that holds an expression, with its path."""
    return noted(spec, _texts_in)


def _texts_in(spec: PipelineSpec) -> tuple[tuple[Path, str], ...]:
    return tuple(
        (("spec", "steps", position, *path), text)
        for position, step in enumerate(spec.steps)
        for path, text in noted(step, _texts_of)
    )


def _texts_of(step: Step) -> tuple[tuple[Path, str], ...]:
    fields = (("with", step.with_), ("run", step.run), ("env", step.env))
    return tuple(found for field, value in fields if value for found in _expressions(value, (field,)))


def _expressions(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if "${{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _expressions(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _expressions(item, (*path, position))


class ParameterUnused(SpecRule[PipelineSpec]):
    """A declared parameter should be used by a step."""

    code = "TRU1576"
    about = ("spec.params",)
    severity = Severity.WARNING
    reason = "Whoever sets it expects that it changes something."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          params: {days: {type: integer, default: 7}}
        #          ^
          steps: [{name: report, run: ./report.sh}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        if not spec.params or any(step.uses and step.uses not in BUILTIN for step in spec.steps):
            return  # a function may read its run's parameters itself
        used = {name for _, text in _texts(spec) for name in params_used(text)}
        conditions = " ".join(step.when or "" for step in spec.steps)
        for name in spec.params:
            if name not in used and not re.search(rf"\bparams\b.*{re.escape(name)}", conditions):
                yield Finding(
                    ("spec", "params", name),
                    f"No step uses the parameter {name!r}.",
                    at_key=True,
                    fix=f"Use it as `${{{{ params.{name} }}}}` in a step, or remove it.",
                )


class ParameterDefault(SpecRule[PipelineSpec]):
    """The default of a parameter must be of its type."""

    code = "TRU1577"
    about = ("spec.params",)
    reason = "Each run that sets no other value would stop at the first step that uses it."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          params: {days: {type: integer, default: seven}}
        #                                         ^
          steps: [{name: report, run: "./report.sh ${{ params.days }}"}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for name, parameter in spec.params.items():
            if parameter.default is not None and not fits(parameter.default, parameter.type):
                yield Finding(
                    ("spec", "params", name, "default"),
                    f"The default {parameter.default!r} of the parameter {name!r} is no {parameter.type}.",
                    fix=f"Write a default of type {parameter.type}, or change the type.",
                )


def fits(value: object, kind: str) -> bool:
    """Whether a value is of a parameter's type; `true` is no number."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


class ParameterName(SpecRule[PipelineSpec]):
    """A parameter's name must be letters, digits, `-` and `_`, and different from others as an environment variable."""

    code = "TRU1578"
    about = ("spec.params",)
    reason = (
        "Expressions find no other names, and commands are given parameters as variables such as `PARAM_MAX_DEPTH`."
    )
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          params:
            max-depth: {type: integer, default: 7}
            max_depth: {type: integer, default: 7}
        #   ^
          steps: [{name: report, run: "./report.sh ${{ params.max-depth }} ${{ params.max_depth }}"}]
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for name in spec.params:
            if not _PARAMETER.match(name):
                yield Finding(
                    ("spec", "params", name),
                    f"{name!r} is no name of a parameter.",
                    at_key=True,
                    fix="Use letters, digits, `-` and `_`, not beginning with a digit.",
                )
        names = list(spec.params)
        for place, first, _ in repeated(name.replace("-", "_").upper() for name in names):
            yield Finding(
                ("spec", "params", names[place]),
                f"The parameters {names[first]!r} and {names[place]!r} would be the same environment variable.",
                at_key=True,
                fix="Rename one of them.",
            )


class ConditionInvalid(StepRule):
    """`when` must be a CEL condition over `params` and `steps.NAME.metrics`."""

    code = "TRU1579"
    about = ("when",)
    reason = "The run would stop when it comes to decide about the step."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, metrics: [rows]}
            - {name: report, run: ./report.sh, when: steps.fetch.metrics.rows > 100.0}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, metrics: [rows]}
            - {name: report, run: ./report.sh, when: steps.fetch.metrics.rows >}
        #                                            ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        wrong = problem(step.when, ("params", "steps")) if step.when is not None else None
        if wrong:
            yield Finding(
                ("when",),
                wrong,
                fix="Write a CEL condition, such as `params.full` or `steps.train.metrics.rows > 100.0`.",
            )


_IN_PARAMS = re.compile(r"\bparams(?:\.([A-Za-z_]\w*)|\[\s*[\"']([^\"']+)[\"']\s*\])")


class ConditionUnknown(SpecRule[PipelineSpec]):
    """`when` must read parameters that are declared and metrics that the step reports."""

    code = "TRU1580"
    reason = "The run would stop when it comes to decide about the step."
    good = ConditionInvalid.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, metrics: [rows]}
            - {name: report, run: ./report.sh, when: steps.fetch.metrics.row > 100.0}
        #                                            ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        by_name = {step.name: step for step in spec.steps}
        for position, step in enumerate(spec.steps):
            for what, name, known in self._read(step, spec, by_name) if step.when else ():
                yield Finding(
                    ("spec", "steps", position, "when"),
                    f"The condition of {step.name!r} reads {what} {name!r}, which is not there.",
                    fix=instead(name, known) if known else "Declare it where it comes from.",
                )

    def _read(
        self, step: Step, spec: PipelineSpec, by_name: dict[str, Step]
    ) -> Iterator[tuple[str, str, frozenset[str]]]:
        for first, second in _IN_PARAMS.findall(step.when or ""):
            if (first or second) not in spec.params:
                yield "the parameter", first or second, frozenset(spec.params)
        for name, member, metric in ports.read_in(step.when or ""):
            if name not in by_name:
                continue
            if member and member != "metrics":
                yield f"of the step {name!r}", member, frozenset({"metrics"})
            elif metric and metric not in (known := ports.metrics(by_name[name])):
                yield f"the metric of {name!r}", metric, known


class MetricName(StepRule):
    """Metrics must be named once each, with letters, digits, `_`, `-`, `.`, `/` and spaces."""

    code = "TRU1581"
    about = ("metrics",)
    reason = "MLflow refuses other names when the step reports them."
    good = _COMMAND
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: ./report.sh, metrics: ["rows%"]}]}
        #                                                         ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        for number, name in enumerate(step.metrics):
            if not _METRIC.match(name) or name in step.metrics[:number]:
                again = name in step.metrics[:number]
                yield Finding(
                    ("metrics", number),
                    f"The metric {name!r} is named twice." if again else f"{name!r} is no name of a metric.",
                    fix="Remove one of them." if again else "Begin with a letter, and use letters, digits and `_`.",
                )


RULES: tuple[type[Rule], ...] = (
    UsesOrRun,
    UsesUnknown,
    CommandEmpty,
    WithRefused,
    ParameterUnknown,
    ExpressionForeign,
    ParameterUnused,
    ParameterDefault,
    ParameterName,
    ConditionInvalid,
    ConditionUnknown,
    MetricName,
)
