"""What the steps of a pipeline need, give and report. Called by the rules of Pipeline, Model and QualityGate; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.steps import BUILTIN, CLASSIFICATION_METRICS, REGRESSION_METRICS, StepType
from trueup_specs.core.values import noted
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step

STEP_METRIC = re.compile(
    r"\bsteps(?:\.([A-Za-z_]\w*)|\[\s*[\"']([^\"']+)[\"']\s*\])(?:\.(\w+)(?:\.([A-Za-z_]\w*)|\[\s*[\"']([^\"']+)[\"']\s*\])?)?"
)
"""`steps.NAME.metrics.METRIC` in a condition, in both ways that CEL writes a key."""
_OTHER_TASK = {"classification": frozenset(REGRESSION_METRICS), "regression": frozenset(CLASSIFICATION_METRICS)}


def builtin(step: Step) -> StepType | None:
    """The declaration of a built-in step, or None."""
    return BUILTIN.get(step.uses) if step.uses else None


def outputs(step: Step) -> Mapping[str, str]:
    """The outputs of a step with their types."""
    return noted(step, _outputs)


def _outputs(step: Step) -> Mapping[str, str]:
    declared = builtin(step)
    if declared is not None:
        return {name: port.type for name, port in declared.outputs.items()}
    return {name: output.type for name, output in step.outputs.items()}


def source_of(reference: str) -> tuple[str, str] | None:
    """An input's `step.output` as (step, output), or None where it is of another form."""
    step, dot, output = reference.partition(".")
    return (step, output) if dot and step and output else None


def read_in(condition: str) -> Iterator[tuple[str, str, str]]:
    """(step, member, metric) of each place where a condition reads a step; empty where it does not say them."""
    for found in STEP_METRIC.finditer(condition):
        yield found[1] or found[2], found[3] or "", found[4] or found[5] or ""


def sources(step: Step) -> Sequence[tuple[str, str, tuple[str, str] | None]]:
    """(input, reference, (step, output)) of each input of a step; None where the reference is of another form."""
    return noted(step, _sources)


def _sources(step: Step) -> Sequence[tuple[str, str, tuple[str, str] | None]]:
    return tuple((name, reference, source_of(reference)) for name, reference in step.inputs.items())


class Flow(NamedTuple):
    """An input that another step of the pipeline gives."""

    position: int
    """Of the step whose input it is."""
    input: str
    wanted: str | None
    """The type that a built-in step takes there."""
    giver: Step
    output: str
    type: str | None
    """What the giver's output is; None where it has no such output."""


def flows(pipeline: PipelineSpec) -> Sequence[Flow]:
    """Every input of a pipeline's steps that a step of it gives."""
    return noted(pipeline, _flows)


def _flows(pipeline: PipelineSpec) -> Sequence[Flow]:
    by_name = {step.name: step for step in pipeline.steps}
    return tuple(
        Flow(position, name, wanted(step, name), giver, source[1], outputs(giver).get(source[1]))
        for position, step in enumerate(pipeline.steps)
        for name, _, source in sources(step)
        if source is not None and (giver := by_name.get(source[0])) is not None
    )


def wanted(step: Step, name: str) -> str | None:
    """The type of an input that a built-in step takes; None where it takes none of that name, or is no built-in step."""
    declared = builtin(step)
    port = declared.inputs.get(name) if declared is not None else None
    return port.type if port is not None else None


def upstream(step: Step) -> Mapping[str, Path]:
    """The steps that come first, each with the path within the step that says so."""
    return noted(step, _upstream)


def _upstream(step: Step) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for position, name in enumerate(step.needs):
        found.setdefault(name, ("needs", position))
    for name, _, source in sources(step):
        if source:
            found.setdefault(source[0], ("inputs", name))
    for name, _, _ in read_in(step.when or ""):
        found.setdefault(name, ("when",))
    return found


def metrics(step: Step, task: str | None = None) -> frozenset[str]:
    """The metrics that a step can report; with a task, without those of the other one."""
    declared = builtin(step)
    names = frozenset(step.metrics) if declared is None else frozenset(declared.metrics)
    if declared is None or task is None:
        return names
    other = _OTHER_TASK[task]
    return frozenset(n for n in names if n.removeprefix("cv_").removesuffix("_std") not in other)


def produced(pipeline: PipelineSpec, task: str | None = None) -> frozenset[str]:
    """Every metric that a run of the pipeline can report."""
    return frozenset().union(*(metrics(step, task) for step in pipeline.steps))


def datasets(pipeline: PipelineSpec, namespace: str) -> dict[int, Key]:
    """The datasets that the built-in steps name, by the step's position."""
    return {position: Key("Dataset", *qualified(text, namespace)) for position, text in noted(pipeline, _datasets)}


def _datasets(pipeline: PipelineSpec) -> Sequence[tuple[int, str]]:
    found = []
    for position, step in enumerate(pipeline.steps):
        text = step.with_.get("dataset") if step.uses in ("load", "check") else None
        if isinstance(text, str) and text and "${{" not in text:
            found.append((position, text))
    return found


def reads_builtin_only(steps: Sequence[Step], start: Step) -> bool:
    """Whether what reaches `start` went through built-in steps that keep the columns of a Dataset."""
    by_name = {step.name: step for step in steps}
    seen: set[str] = set()
    queue = [start]
    while queue:
        for _, _, source in sources(queue.pop()):
            step = by_name.get(source[0]) if source else None
            if step is None or builtin(step) is None:
                return False
            if step.name not in seen:
                seen.add(step.name)
                queue.append(step)
    return True


def uses(pipeline: Document, name: str) -> list[tuple[int, Step]]:
    """The steps of a pipeline that are the built-in `name`, with their positions."""
    assert isinstance(pipeline.spec, PipelineSpec)
    return [(position, step) for position, step in enumerate(pipeline.spec.steps) if step.uses == name]
