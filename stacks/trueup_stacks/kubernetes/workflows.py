"""A `Pipeline` on the runner `argo`: a WorkflowTemplate with a DAG of its steps, a CronWorkflow for each schedule. Called by `pipeline`.

Plain dictionaries, and not `hera`: its classes restate the CRDs for one version of Argo and bring a client along, while the CRDs
themselves judge what is written here, in tests and on the cluster.

Files are handed over on a volume, claimed for the time of a run and only where a step takes another's output: a bucket for artifacts
would need an address and credentials in each namespace that no spec names, a claim needs the cluster's default storage class. Its one
node at a time (ReadWriteOnce) is why the pods of such a run stand beside each other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Retry, Step
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import components, naming, tokens
from trueup_stacks.kubernetes.containers import security
from trueup_stacks.kubernetes.pipeline_steps import (
    FINAL,
    ROOM,
    SUFFIX,
    container,
    givers,
    literal,
    ordered,
    text,
    texts,
    upstream,
)
from trueup_stacks.kubernetes.pods import pull_secrets
from trueup_stacks.kubernetes.pods import security as pod_security
from trueup_stacks.kubernetes.workflows_conditions import NotInArgo, expression

ENTRY = "Pipeline"
"""The template of the DAG; no step can be called so, since their names are lower case."""
EXECUTOR = "trueup-executor"
_HISTORY = 3
_KEPT = 7 * 24 * 3600
_METRICS = "/tmp/metrics.json"
_SCHEDULE = re.compile(
    r"^(?:@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)|(?:[0-9*,/?-]+\s+){4}[0-9*,/?-]+)$"
)
"""What the CRD of CronWorkflows takes."""
_BESIDE: Mapping[str, Value] = {
    "requests": {"cpu": "10m", "memory": "64Mi", "ephemeral-storage": "64Mi"},
    "limits": {"cpu": "500m", "memory": "256Mi", "ephemeral-storage": "1Gi"},
}
"""What Argo's own containers get, so that a quota of the namespace lets them in."""


def refuse(spec: PipelineSpec, catalog: Catalog) -> Iterator[Refusal]:
    """What Argo Workflows cannot do, or would read in another way."""
    yield from components.needed(
        catalog, "argo-workflows", "Environment.spec.runner.type", "the runner `argo` needs Argo Workflows"
    )
    for step in spec.steps:
        yield from _refuse_step(step, spec)
    for name, parameter in spec.params.items():
        if "{{" in text(parameter.default):
            yield _placeholder(f"spec.params.{name}.default", f"the parameter {name!r}")
    for trigger in spec.triggers:
        if trigger.schedule is not None and not _SCHEDULE.match(trigger.schedule.cron):
            yield Refusal(
                "spec.triggers[].schedule.cron",
                f"Argo takes no such schedule as {trigger.schedule.cron!r}",
                "Write five fields of numbers, `*`, `,`, `-` and `/`, without names of days and months.",
            )


def _refuse_step(step: Step, spec: PipelineSpec) -> Iterator[Refusal]:
    if step.when is not None:
        try:
            expression(step.when, spec.params)
        except NotInArgo as error:
            yield Refusal(
                "spec.steps[].when",
                f"the condition of the step {step.name!r} cannot be said in Argo's expressions: {error}",
                "Write it with comparisons, or decide in the step itself.",
            )
    if step.retry.limit and step.retry.factor != int(step.retry.factor):
        yield Refusal(
            "spec.steps[].retry.factor",
            f"Argo multiplies waits by whole numbers, and that of the step {step.name!r} is {step.retry.factor:g}",
            "Write a whole number.",
        )
    if any("{{" in given for given in texts(step)):
        yield _placeholder("spec.steps[].run", f"the step {step.name!r}")


def _placeholder(path: str, what: str) -> Refusal:
    return Refusal(
        path,
        f"{what} says `{{{{`, which Argo reads as the beginning of a placeholder of its own",
        "Put that text into a file of the image.",
    )


def objects(document: Document, spec: PipelineSpec, catalog: Catalog) -> Iterator[tuple[str, Mapping[str, Value], str]]:
    """Token, properties and the end of the name of what runs are made from; the template comes first."""
    account = document.key.name + SUFFIX
    token = {
        "metadata": {"annotations": {"kubernetes.io/service-account.name": account}},
        "type": "kubernetes.io/service-account-token",
    }
    yield tokens.SECRET, token, ".service-account-token"
    yield tokens.WORKFLOW_TEMPLATE, {"spec": _template(document, spec, catalog)}, ""
    labels = naming.labels(document, catalog, "pipeline")
    schedules = [t.schedule for t in spec.triggers if t.schedule is not None]
    for number, schedule in enumerate(schedules, 1):
        found = {
            "schedules": [schedule.cron],
            "timezone": schedule.timezone,
            "suspend": False,
            "concurrencyPolicy": spec.concurrency_policy,
            "successfulJobsHistoryLimit": _HISTORY,
            "failedJobsHistoryLimit": _HISTORY,
            "workflowMetadata": {"labels": labels},
            "workflowSpec": {"workflowTemplateRef": {"name": account}},
        }
        yield tokens.CRON_WORKFLOW, {"spec": found}, ending(number)


def ending(number: int) -> str:
    """The end of the name of the n-th schedule's object."""
    return f"-{number}" if number > 1 else ""


def _template(document: Document, spec: PipelineSpec, catalog: Catalog) -> dict[str, Value]:
    account = document.key.name + SUFFIX
    labels = naming.labels(document, catalog, "pipeline")
    shared = any(step.inputs for step in spec.steps)
    room = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": ROOM}}}
    empty = [{"name": name, "emptyDir": {"sizeLimit": ROOM}} for name in (("tmp",) if shared else ("tmp", "work"))]
    found: dict[str, Value] = {
        "entrypoint": ENTRY,
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": account},
        "securityContext": pod_security(),
        "podMetadata": {"labels": labels},
        "workflowMetadata": {"labels": labels},
        "podSpecPatch": json.dumps(_patch(), separators=(",", ":")),
        "parallelism": catalog.settings.runner.concurrency,
        "ttlStrategy": {"secondsAfterCompletion": _KEPT},
        "volumes": empty,
        "templates": [_dag(spec), *(_step(step, document, spec, catalog, shared) for step in ordered(spec))],
    }
    if spec.params:
        found["arguments"] = {
            "parameters": [{"name": n, "value": literal(text(p.default))} for n, p in spec.params.items()]
        }
    if shared:
        found["volumeClaimTemplates"] = [{"metadata": {"name": "work"}, "spec": room}]
        found["volumeClaimGC"] = {"strategy": "OnWorkflowCompletion"}
    if spec.concurrency_policy == "Forbid":
        found["synchronization"] = {"mutexes": [{"name": account}]}
    if secrets := pull_secrets(catalog):
        found["imagePullSecrets"] = secrets
    return found


def _patch() -> dict[str, Value]:
    """What a template cannot say of its pods: that Argo's own containers are none that the level `restricted` refuses."""
    beside = {"resources": _BESIDE, "securityContext": security()}
    return {
        "enableServiceLinks": False,
        "initContainers": [{"name": "init", **beside}],
        "containers": [{"name": "wait", **beside}],
    }


def _dag(spec: PipelineSpec) -> dict[str, Value]:
    steps = ordered(spec)
    skippable: set[str] = set()
    tasks = []
    for step in steps:
        task: dict[str, Value] = {"name": step.name, "template": step.name}
        if needed := upstream(step):
            task["dependencies"] = needed
        conditions = [f"tasks['{name}'].status == 'Succeeded'" for name in sorted(givers(step) & skippable)]
        if step.when is not None:
            conditions.append(f"({expression(step.when, spec.params)})")
        if conditions:
            skippable.add(step.name)
            task["when"] = "{{= " + " && ".join(conditions) + " }}"
        tasks.append(task)
    return {"name": ENTRY, "dag": {"failFast": True, "tasks": tasks}}


def _step(step: Step, document: Document, spec: PipelineSpec, catalog: Catalog, shared: bool) -> dict[str, Value]:
    params = {name: "{{workflow.parameters." + name + "}}" for name in spec.params}
    made = container(step, document, spec, params, _METRICS, catalog)
    reported: dict[str, Value] = {"path": _METRICS} if step.metrics else {"path": _METRICS, "default": "{}"}
    found: dict[str, Value] = {
        "name": step.name,
        "activeDeadlineSeconds": max(1, math.ceil(seconds(step.timeout))),
        "container": {k: v for k, v in made.items() if k != "name"},
        "outputs": {"parameters": [{"name": "metrics", "valueFrom": reported}]},
    }
    if step.retry.limit:
        found["retryStrategy"] = _retries(step.retry)
    if shared:
        beside = {
            "labelSelector": {"matchLabels": {"workflows.argoproj.io/workflow": "{{workflow.name}}"}},
            "topologyKey": "kubernetes.io/hostname",
        }
        found["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}}
    return found


def _retries(retry: Retry) -> dict[str, Value]:
    return {
        "limit": retry.limit,
        "retryPolicy": "Always",
        "expression": f"asInt(lastRetry.exitCode) != {FINAL}",
        "backoff": {
            "duration": f"{seconds(retry.backoff):g}s",
            "factor": int(retry.factor),
            "cap": f"{seconds(retry.max_backoff):g}s",
        },
    }


def rights(catalog: Catalog, namespace: str) -> Iterator[tuple[str, str, Mapping[str, Value]]]:
    """What a namespace needs for workflows: Argo's executor tells the controller how a step ended, by way of the API server."""
    if catalog.settings.runner.type != "argo":
        return
    accounts = [d.key.name + SUFFIX for d in catalog.of_kind("Pipeline") if d.key.namespace == namespace]
    if not accounts:
        return
    group = "rbac.authorization.k8s.io"
    where = f"{naming.cluster(catalog).namespace_prefix}{namespace}"
    rule = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    yield tokens.ROLE, EXECUTOR, {"rules": [rule]}
    bound = [{"kind": "ServiceAccount", "name": name, "namespace": where} for name in accounts]
    yield (
        tokens.ROLE_BINDING,
        EXECUTOR,
        {"roleRef": {"apiGroup": group, "kind": "Role", "name": EXECUTOR}, "subjects": bound},
    )
    if naming.cluster(catalog).namespaces.manage:
        yield tokens.NETWORK_POLICY, EXECUTOR, {"spec": _opened()}


def _opened() -> dict[str, Value]:
    """The way to the API server, whose address a policy cannot name: its ports are opened to all addresses."""
    ports = [{"port": port, "protocol": "TCP"} for port in (443, 6443)]
    pods = {"matchExpressions": [{"key": "workflows.argoproj.io/workflow", "operator": "Exists"}]}
    return {"podSelector": pods, "policyTypes": ["Egress"], "egress": [{"ports": ports}]}
