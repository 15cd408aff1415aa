"""A `Pipeline` whose steps are commands, on the runners `jobs`, `argo` (`workflows`) and `ray`.

On `jobs` it becomes a CronJob for each schedule, or a suspended one that runs are made from. A run is one pod: the steps are its
containers, one after the other (all but the last as init containers), and hand files over through a volume. The time that all steps may
take bounds the run, and the most tries that a step may have bound those of the pod: another try is another pod, that begins anew. (A pod
that restarts its containers would keep what is done, but a Job counts such restarts so that a step that may not fail would run twice.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Schedule
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal
from trueup_stacks.kubernetes import foundation, naming, ray, secrets, tokens, workflows
from trueup_stacks.kubernetes.pipeline_steps import FINAL, ROOM, SUFFIX, container, ordered, secrets_of, text
from trueup_stacks.kubernetes.pods import pull_secrets
from trueup_stacks.kubernetes.pods import security as pod_security

_LONGEST = 52 - len(SUFFIX) - 3
"""The name of a CronJob or a CronWorkflow has 52 characters; what it makes gets the time of its run at the end."""
_NEVER = Schedule(cron="0 0 1 1 *")
_HISTORY = 3
_MADE = {"argo": workflows.objects, "ray": ray.objects}
"""What makes the objects of a pipeline, by the runner, where it is not `jobs`."""
_REPORT = "/dev/termination-log"
"""Where a step reports its metrics: what stands there is in the pod's status once the step ended."""


def elsewhere(document: Document, catalog: Catalog) -> str:
    """Why a pipeline becomes nothing here, as a clause."""
    if foundation.runs_pipelines(catalog):
        return ""
    return f"models are trained elsewhere, since the runner of environment {catalog.environment!r} is `local`"


def refuse_pipeline(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What a pod cannot run."""
    spec, runner = document.spec, catalog.settings.runner.type
    assert isinstance(spec, PipelineSpec)
    if not foundation.runs_pipelines(catalog):
        return
    yield from secrets.refuse(catalog, secrets_of(spec).values(), "spec.steps[].env")
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
    if runner == "ray":
        yield from ray.refuse(document, spec, catalog)
    elif len(document.key.name) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"a CronJob's name leaves {_LONGEST} characters for it",
            "Rename the pipeline, with metadata.movedFrom.",
        )
    if runner == "argo":
        yield from workflows.refuse(spec, catalog)


def emit_pipeline(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """What runs are made from, with the account and the secrets that their pods have."""
    spec = document.spec
    assert isinstance(spec, PipelineSpec)
    if not foundation.runs_pipelines(catalog) or any(step.run is None for step in spec.steps):
        return  # the second is an error already: the target does not honour `uses`
    before = [_resource(document, catalog, tokens.SERVICE_ACCOUNT, {"automountServiceAccountToken": False})]
    before += [_resource(document, catalog, *made) for made in secrets.stored(catalog, secrets_of(spec))]
    yield from before
    if (objects := _MADE.get(catalog.settings.runner.type)) is not None:
        for token, properties, end in objects(document, spec, catalog):
            made = _resource(document, catalog, token, properties, tuple(before), end)
            before += [made] if token == tokens.WORKFLOW_TEMPLATE else []
            yield made
        return
    schedules = schedules_of(spec)
    for number, schedule in enumerate(schedules or [_NEVER], 1):
        properties = {"spec": _cron_job(document, spec, schedule, suspended=not schedules, catalog=catalog)}
        yield _resource(document, catalog, tokens.CRON_JOB, properties, tuple(before), workflows.ending(number))


def schedules_of(spec: PipelineSpec) -> list[Schedule]:
    """When runs are due."""
    return [t.schedule for t in spec.triggers if t.schedule is not None]


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
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [FINAL]}},
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
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
    params = {name: text(p.default) for name, p in spec.params.items()}
    steps = [container(step, document, spec, params, _REPORT, catalog) for step in ordered(spec)]
    pod: dict[str, Value] = {
        "restartPolicy": "Never",
        "serviceAccountName": document.key.name + SUFFIX,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        **({"initContainers": steps[:-1]} if steps[1:] else {}),
        "containers": steps[-1:],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": ROOM}},
            {"name": "tmp", "emptyDir": {"sizeLimit": ROOM}},
        ],
    }
    if secrets := pull_secrets(catalog):
        pod["imagePullSecrets"] = secrets
    return pod
