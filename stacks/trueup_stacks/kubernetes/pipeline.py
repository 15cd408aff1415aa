"""A `Pipeline` whose steps are commands, on the runner `jobs`: a CronJob for each schedule, or a suspended one that runs are made from.

A run is one pod: the steps are its containers, one after the other (all but the last as init containers), and hand files over through a
volume. They get what the local runner gives a command: `PARAM_…`, `TRUEUP_INPUT_…`, `TRUEUP_OUTPUT_…`. The time that all steps may take
bounds the run, and the most tries that a step may have bound those of the pod.
"""

from __future__ import annotations

import graphlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from trueup_specs.core.envelope import Document, EnvValue, SecretKeyRef, seconds
from trueup_specs.core.steps import EXPRESSION
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Schedule, Step
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal, env_value
from trueup_stacks.kubernetes import naming, tokens
from trueup_stacks.kubernetes.containers import resources, security
from trueup_stacks.kubernetes.pods import pull_secrets
from trueup_stacks.kubernetes.pods import security as pod_security

SUFFIX = "-pipeline"
"""Keeps a pipeline's objects apart from those of an endpoint of the same name."""
_LONGEST = 52 - len(SUFFIX) - 3
"""A CronJob's name has 52 characters; Jobs get the time of their run at the end."""
_WORK = "/work"
_ROOM = "10Gi"
_NEVER = Schedule(cron="0 0 1 1 *")
_HISTORY = 3


def elsewhere(document: Document, catalog: Catalog) -> str:
    """Why a pipeline becomes nothing here, as a clause."""
    if catalog.settings.runner.type == "jobs":
        return ""
    return f"models are trained elsewhere, since the runner of environment {catalog.environment!r} is not `jobs`"


def refuse_pipeline(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What a pod cannot run."""
    spec = document.spec
    assert isinstance(spec, PipelineSpec)
    if elsewhere(document, catalog):
        return
    if spec.image is None:
        yield Refusal(
            "spec.image",
            "a pod needs an image for its steps",
            "Write `image: NAME@sha256:…`, with the code and what it needs.",
        )
    for step in spec.steps:
        if deep := [o.path for o in step.outputs.values() if o.path is not None and "/" in o.path]:
            yield Refusal(
                "spec.steps[].outputs",
                f"the output {deep[0]!r} of the step {step.name!r} lies in a folder that nobody makes",
                "Write a plain file name.",
            )
    if len(document.key.name) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"a CronJob's name leaves {_LONGEST} characters for it",
            "Rename the pipeline, with metadata.movedFrom.",
        )


def emit_pipeline(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The CronJobs, with the account and the secrets that their pods have."""
    spec = document.spec
    assert isinstance(spec, PipelineSpec)
    if elsewhere(document, catalog) or any(step.run is None for step in spec.steps):
        return  # the second is an error already: the target does not honour `uses`
    before = [_resource(document, catalog, tokens.SERVICE_ACCOUNT, {"automountServiceAccountToken": False})]
    secrets = {
        _secret_key(step, name): env_value(value)
        for step in spec.steps
        for name, value in step.env.items()
        if isinstance(value, SecretKeyRef)
    }
    if secrets:
        before.append(_resource(document, catalog, tokens.SECRET, {"type": "Opaque", "stringData": secrets}))
    yield from before
    schedules = [t.schedule for t in spec.triggers if t.schedule is not None]
    for number, schedule in enumerate(schedules or [_NEVER], 1):
        properties = {"spec": _cron_job(document, spec, schedule, suspended=not schedules, catalog=catalog)}
        yield _resource(
            document, catalog, tokens.CRON_JOB, properties, tuple(before), f"-{number}" if number > 1 else ""
        )


def _resource(
    document: Document, catalog: Catalog, token: str, properties: Value, after: tuple[Resource, ...] = (), end: str = ""
) -> Resource:
    return naming.resource(
        document, catalog, token, properties, after, f"{SUFFIX}{end}", component="pipeline", layer="model"
    )


def _cron_job(
    document: Document, spec: PipelineSpec, schedule: Schedule, *, suspended: bool, catalog: Catalog
) -> dict[str, Value]:
    labels = naming.labels(document, catalog, "pipeline")
    job = {
        "backoffLimit": max(step.retry.limit for step in spec.steps),
        "activeDeadlineSeconds": math.ceil(sum(seconds(step.timeout) for step in spec.steps)),
        "template": {"metadata": {"labels": labels}, "spec": _pod(document, spec, catalog)},
    }
    return {
        "schedule": schedule.cron,
        "timeZone": schedule.timezone,
        "suspend": suspended,
        "concurrencyPolicy": spec.concurrency_policy,
        "successfulJobsHistoryLimit": _HISTORY,
        "failedJobsHistoryLimit": _HISTORY,
        "jobTemplate": {"metadata": {"labels": labels}, "spec": job},
    }


def _pod(document: Document, spec: PipelineSpec, catalog: Catalog) -> dict[str, Value]:
    steps = [_container(step, document, spec, catalog) for step in ordered(spec)]
    pod: dict[str, Value] = {
        "restartPolicy": "OnFailure",
        "serviceAccountName": document.key.name + SUFFIX,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        **({"initContainers": steps[:-1]} if steps[1:] else {}),
        "containers": steps[-1:],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": _ROOM}},
            {"name": "tmp", "emptyDir": {"sizeLimit": _ROOM}},
        ],
    }
    if secrets := pull_secrets(catalog):
        pod["imagePullSecrets"] = secrets
    return pod


def ordered(spec: PipelineSpec) -> list[Step]:
    """The steps, each after those that it needs; otherwise as they are written."""
    by_name = {step.name: step for step in spec.steps}
    needs = {s.name: [*s.needs, *(source.split(".")[0] for source in s.inputs.values())] for s in spec.steps}
    return [by_name[name] for name in graphlib.TopologicalSorter(needs).static_order()]


def _container(step: Step, document: Document, spec: PipelineSpec, catalog: Catalog) -> dict[str, Value]:
    assert step.run is not None
    params = {name: _text(p.default) for name, p in spec.params.items()}
    command = (
        ["sh", "-e", "-c", _shell(step.run)] if isinstance(step.run, str) else [_filled(x, params) for x in step.run]
    )
    sources = sorted({source.split(".")[0] for source in step.inputs.values()})
    asked = resources(step.resources)
    for amounts in asked.values():
        amounts["ephemeral-storage"] = _ROOM
    return {
        "name": step.name,
        "image": spec.image,
        "imagePullPolicy": "Always",
        "command": command,
        "env": list(_variables(step, document, spec, params, catalog)),
        "resources": asked,
        "securityContext": security(),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "work", "mountPath": f"{_WORK}/{step.name}", "subPath": step.name},
            *({"name": "work", "mountPath": f"{_WORK}/{s}", "subPath": s, "readOnly": True} for s in sources),
        ],
    }


def _variables(
    step: Step, document: Document, spec: PipelineSpec, params: dict[str, str], catalog: Catalog
) -> Iterator[Value]:
    outputs = {s.name: {o: f"{_WORK}/{s.name}/{given.path or o}" for o, given in s.outputs.items()} for s in spec.steps}
    found: dict[str, EnvValue] = {"HOME": "/tmp", "TRUEUP_STEP": step.name, "TRUEUP_METRICS": "/tmp/metrics.json"}
    if catalog.settings.registry.tracking_uri is not None:
        found["MLFLOW_TRACKING_URI"] = catalog.settings.registry.tracking_uri
    found |= {_variable("PARAM", name): value for name, value in params.items()}
    for name, source in step.inputs.items():
        producer, _, output = source.partition(".")
        found[_variable("TRUEUP_INPUT", name)] = outputs[producer].get(output, f"{_WORK}/{producer}/{output}")
    found |= {_variable("TRUEUP_OUTPUT", name): path for name, path in outputs[step.name].items()}
    found |= step.env
    for name, value in found.items():
        if isinstance(value, SecretKeyRef):
            reference = {"name": document.key.name + SUFFIX, "key": _secret_key(step, name)}
            yield {"name": name, "valueFrom": {"secretKeyRef": reference}}
        else:
            yield {"name": name, "value": _filled(value, params)}


def _secret_key(step: Step, name: str) -> str:
    return f"{step.name}.{name}"


def _variable(prefix: str, name: str) -> str:
    return f"{prefix}_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"


def _shell(command: str) -> str:
    """Expressions as variables, which a shell never reads as code."""
    return EXPRESSION.sub(lambda found: "${" + _variable("PARAM", found[1]) + "}", command)


def _filled(text: str, params: dict[str, str]) -> str:
    return EXPRESSION.sub(lambda found: params.get(found[1], ""), text)


def _text(value: Any) -> str:
    """A value as YAML and JSON write it."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
