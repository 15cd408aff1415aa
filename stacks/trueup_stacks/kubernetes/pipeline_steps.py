"""The steps of a `Pipeline` as containers: their commands, variables, files and rights. For `pipeline`, `workflows` and `ray`.

They get what the local runner gives a command: `PARAM_…`, `TRUEUP_INPUT_…`, `TRUEUP_OUTPUT_…`, `TRUEUP_METRICS`, and a HOME to write in.
"""

from __future__ import annotations

import graphlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from trueup_specs.core.envelope import Document, EnvValue, SecretKeyRef
from trueup_specs.core.steps import EXPRESSION
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import registry_address
from trueup_stacks.kubernetes.containers import resources, security

SUFFIX = "-pipeline"
"""Keeps a pipeline's objects apart from those of an endpoint of the same name."""
ROOM = "10Gi"
"""What the files of a step may take."""
WORK = "/work"
FINAL = 3
"""The exit code after which no try follows, as on this machine."""
_REFERENCE = re.compile(r"\$(?=[$(])")
"""What Kubernetes would read as one of its own references (`$(NAME)`) or as an escaped one (`$$`)."""


def container(
    step: Step, document: Document, spec: PipelineSpec, params: Mapping[str, str], report: str, catalog: Catalog
) -> dict[str, Value]:
    """The container of a step that is a command.

    `params` has what stands for each parameter: its text, or the runner's placeholder; `report` is the file of the metrics.
    """
    return {
        "name": step.name,
        "image": spec.image,
        "imagePullPolicy": "Always",
        "command": [literal(part) for part in command(step, params)],
        "env": [_variable(step, document, *v) for v in variables(step, spec, params, report, catalog).items()],
        "resources": with_room(resources(step.resources)),
        "securityContext": security(),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp", "subPath": step.name},
            {"name": "work", "mountPath": f"{WORK}/{step.name}", "subPath": step.name},
            *(
                {"name": "work", "mountPath": f"{WORK}/{s}", "subPath": s, "readOnly": True}
                for s in sorted(givers(step))
            ),
        ],
    }


def with_room(asked: dict[str, Any]) -> dict[str, Any]:
    """Requests and limits with room for the files of a step."""
    return {kind: {**amounts, "ephemeral-storage": ROOM} for kind, amounts in asked.items()}


def command(step: Step, params: Mapping[str, str]) -> list[str]:
    """What a step runs; a shell's text reads parameters as variables, so that it never takes them for code."""
    assert step.run is not None
    return ["sh", "-e", "-c", _shell(step.run)] if isinstance(step.run, str) else [_filled(x, params) for x in step.run]


def literal(text: str) -> str:
    """A text as Kubernetes must be given it, so that the process gets it as it is: `$$` and `$(…)` are the shell's here."""
    return _REFERENCE.sub("$$", text)


def givers(step: Step) -> frozenset[str]:
    """The steps whose outputs a step takes."""
    return frozenset(source.partition(".")[0] for source in step.inputs.values())


def upstream(step: Step) -> list[str]:
    """The steps that come first: those that it names, whose outputs it takes, or whose metrics its condition reads."""
    read = (name for name, _, _ in ports.read_in(step.when or ""))
    return list(dict.fromkeys((*step.needs, *sorted(givers(step)), *read)))


def ordered(spec: PipelineSpec) -> list[Step]:
    """The steps, each after those that it needs; otherwise as they are written."""
    by_name = {step.name: step for step in spec.steps}
    needs = {step.name: upstream(step) for step in spec.steps}
    return [by_name[name] for name in graphlib.TopologicalSorter(needs).static_order()]


def secrets_of(spec: PipelineSpec) -> dict[str, SecretKeyRef]:
    """The secrets that steps see, by their key in the Secret that goes with the pipeline."""
    return {
        secret_key(step, name): value
        for step in spec.steps
        for name, value in step.env.items()
        if isinstance(value, SecretKeyRef)
    }


def text(value: Any) -> str:
    """A value as YAML and JSON write it."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def texts(step: Step) -> Iterator[str]:
    """All that a step's container holds of the spec, without the expressions that Trueup fills in."""
    run = (step.run,) if isinstance(step.run, str) else step.run or ()
    for given in (*run, *(v for v in step.env.values() if isinstance(v, str))):
        yield EXPRESSION.sub("", given)


def variables(
    step: Step, spec: PipelineSpec, params: Mapping[str, str], report: str, catalog: Catalog
) -> dict[str, EnvValue]:
    """The environment of a step."""
    outputs = {s.name: {o: f"{WORK}/{s.name}/{given.path or o}" for o, given in s.outputs.items()} for s in spec.steps}
    found: dict[str, EnvValue] = {"HOME": "/tmp", "TRUEUP_STEP": step.name, "TRUEUP_METRICS": report}
    if catalog.settings.registry.tracking_uri is not None:
        found["MLFLOW_TRACKING_URI"] = registry_address.tracking_uri(catalog)
    found |= {_named("PARAM", name): value for name, value in params.items()}
    for name, source in step.inputs.items():
        producer, _, output = source.partition(".")
        found[_named("TRUEUP_INPUT", name)] = outputs[producer].get(output, f"{WORK}/{producer}/{output}")
    found |= {_named("TRUEUP_OUTPUT", name): path for name, path in outputs[step.name].items()}
    found |= step.env
    return {name: value if isinstance(value, SecretKeyRef) else _filled(value, params) for name, value in found.items()}


def _variable(step: Step, document: Document, name: str, value: EnvValue) -> Value:
    if isinstance(value, SecretKeyRef):
        reference = {"name": document.key.name + SUFFIX, "key": secret_key(step, name)}
        return {"name": name, "valueFrom": {"secretKeyRef": reference}}
    return {"name": name, "value": literal(value)}


def secret_key(step: Step, name: str) -> str:
    """The key of a variable in the Secret that goes with the pipeline."""
    return f"{step.name}.{name}"


def _named(prefix: str, name: str) -> str:
    return f"{prefix}_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"


def _shell(command: str) -> str:
    """Expressions as variables, which a shell never reads as code."""
    return EXPRESSION.sub(lambda found: "${" + _named("PARAM", found[1]) + "}", command)


def _filled(text: str, params: Mapping[str, str]) -> str:
    return EXPRESSION.sub(lambda found: params.get(found[1], ""), text)
