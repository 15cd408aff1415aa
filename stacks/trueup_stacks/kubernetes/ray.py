"""A `Pipeline` on the runner `ray`: a RayJob of KubeRay that stays suspended, and that runs are made from. Called by `pipeline`.

A run has a Ray cluster of its own. Its steps run one after the other on the head (`ray_steps`, which a container writes there before Ray
starts, so that a RayJob carries all that it runs); what they hand to Ray runs on the workers too. The pod that submits the job follows it,
so that its log outlives the cluster. Ray's dashboard runs whatever it is sent: only the run's own pods and KubeRay's operator reach it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from trueup_specs.core.envelope import Document, Resources, SecretKeyRef, seconds
from trueup_specs.core.quantities import amount
from trueup_specs.kinds.environment.spec import RayCluster
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import components, naming, tokens
from trueup_stacks.kubernetes.containers import resources, security
from trueup_stacks.kubernetes.pipeline_steps import (
    ROOM,
    SUFFIX,
    WORK,
    command,
    literal,
    ordered,
    secret_key,
    secrets_of,
    text,
    variables,
    with_room,
)
from trueup_stacks.kubernetes.pods import pull_secrets
from trueup_stacks.kubernetes.pods import security as pod_security

LONGEST = 47 - len(SUFFIX) - len("-00000000")
"""KubeRay leaves 47 characters for the name of a RayJob, and a run has eight of its own at the end."""
PIPELINE = "trueup/pipeline"
"""The label of all pods of a pipeline's runs."""
PROGRAM = files(__package__).joinpath("ray_steps.py").read_text(encoding="utf-8")
_SECRETS = "/etc/trueup/secrets"
_STARTING = 1800
"""Seconds until the nodes are there and the images are pulled."""
_ENTRYPOINT = f"python {WORK}/steps.py"
_ENDED = (
    "import os, sys; from ray.job_submission import JobSubmissionClient as Client; "
    'asked = Client("http://" + os.environ["RAY_DASHBOARD_ADDRESS"]); '
    'sys.exit(not asked.get_job_status(os.environ["RAY_JOB_SUBMISSION_ID"]).is_terminal())'
)
_SUBMIT = f"""
command -v ray > /dev/null || {{ echo "There is no ray in the image." >&2; exit 1; }}
address="http://$RAY_DASHBOARD_ADDRESS"
until ray job status --address "$address" "$RAY_JOB_SUBMISSION_ID" > /dev/null 2>&1 ||
  ray job submit --address "$address" --submission-id "$RAY_JOB_SUBMISSION_ID" --no-wait -- {_ENTRYPOINT}
do sleep 2; done
until ray job logs --address "$address" --follow "$RAY_JOB_SUBMISSION_ID"; python -c '{_ENDED}'
do sleep 2; done
"""
"""How the job is submitted and followed. KubeRay's own way ends with an error where a step failed, and is tried twice more for it."""
_OPERATOR = "kuberay-operator"
_DASHBOARD = 8265
_TOKENS_SINCE = (2, 52, 0)
_NODE = {"cpu": "1", "memory": "2Gi"}
"""What a node of Ray has at least where the spec says nothing: a third of it is for objects that tasks share."""
_BESIDE = Resources(cpu="100m", memory="512Mi", cpu_limit="1")
"""What a container needs that only waits and follows, in Python."""


def refuse(document: Document, spec: PipelineSpec, catalog: Catalog) -> Iterator[Refusal]:
    """What KubeRay cannot do."""
    yield from components.needed(
        catalog, "kuberay", "Environment.spec.runner.type", "pipelines on the runner `ray` become RayJobs"
    )
    if any(trigger.schedule is not None for trigger in spec.triggers):
        yield Refusal(
            "spec.triggers[].schedule",
            "KubeRay starts a RayJob once; its cron jobs are an alpha feature that it does not serve by default",
            "Remove the schedule in an Overlay of this environment and start runs with `trueup run`, or use the runner `argo`.",
        )
    if len(document.key.name) > LONGEST:
        yield Refusal(
            "metadata.name",
            f"the name of a RayJob leaves {LONGEST} characters for it",
            "Rename the pipeline, with metadata.movedFrom.",
        )


def objects(document: Document, spec: PipelineSpec, catalog: Catalog) -> Iterator[tuple[str, Mapping[str, Value], str]]:
    """Token, properties and the end of the name of what runs are made from."""
    if naming.cluster(catalog).namespaces.manage:
        yield tokens.NETWORK_POLICY, {"spec": _opened(document)}, ""
    policy = {"annotations": {"trueup/concurrency-policy": spec.concurrency_policy}}
    yield tokens.RAY_JOB, {"metadata": policy, "spec": _job(document, spec, catalog)}, ""


def _opened(document: Document) -> dict[str, Value]:
    """The pods of a run reach each other; the operator asks the dashboard how the job stands."""
    own = {"matchLabels": {PIPELINE: document.key.name}}
    operator = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": _OPERATOR}}}
    return {
        "podSelector": own,
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"podSelector": own}]},
            {"from": [operator], "ports": [{"port": _DASHBOARD, "protocol": "TCP"}]},
        ],
    }


def _job(document: Document, spec: PipelineSpec, catalog: Catalog) -> dict[str, Value]:
    given = catalog.settings.runner.ray or RayCluster()
    head = _pod(document, catalog, "ray-head", spec, _largest(spec.steps))
    cluster: dict[str, Value] = {
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0"},
            "template": _on_head(head, document, spec, catalog),
        }
    }
    if given.workers is not None:
        cluster["workerGroupSpecs"] = [
            {
                "groupName": "workers",
                "replicas": given.workers.replicas,
                "minReplicas": given.workers.replicas,
                "maxReplicas": given.workers.replicas,
                "rayStartParams": {},
                "template": _pod(document, catalog, "ray-worker", spec, given.workers.resources),
            }
        ]
    if given.version is not None:
        cluster["rayVersion"] = given.version
        if tuple(int(part) for part in given.version.split(".")) >= _TOKENS_SINCE:
            cluster["authOptions"] = {"mode": "token"}
    submitter = _pod(document, catalog, "ray-job-submitter", spec, _BESIDE)
    submitter["spec"]["restartPolicy"] = "Never"
    submitter["spec"]["containers"][0]["command"] = ["sh", "-c", literal(_SUBMIT)]
    return {
        "suspend": True,
        "entrypoint": _ENTRYPOINT,
        "submissionMode": "K8sJobMode",
        "submitterPodTemplate": submitter,
        "rayClusterSpec": cluster,
        "shutdownAfterJobFinishes": True,
        "activeDeadlineSeconds": _STARTING + math.ceil(sum(_longest(step) for step in spec.steps)),
    }


def _longest(step: Step) -> float:
    """Seconds that a step may take with all its tries and the waits between them."""
    retry, wait, waits = step.retry, seconds(step.retry.backoff), 0.0
    for _ in range(retry.limit):
        waits += min(wait, seconds(retry.max_backoff))
        wait *= retry.factor
    return seconds(step.timeout) * (retry.limit + 1) + waits


def _largest(steps: tuple[Step, ...]) -> Resources:
    """What the step needs that asks for most, of each resource: they run one at a time."""

    def most(field: str) -> str | None:
        named = [v for step in steps if (v := getattr(step.resources, field)) is not None]
        return max(named, key=lambda quantity: amount(quantity) or 0, default=None)

    return Resources(**{field: most(field) for field in Resources.model_fields})


def _pod(document: Document, catalog: Catalog, name: str, spec: PipelineSpec, given: Resources) -> dict[str, Any]:
    """The template of a pod of Ray's, with the rights that the level `restricted` leaves."""
    container = {
        "name": name,
        "image": spec.image,
        "imagePullPolicy": "Always",
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}],
        "resources": with_room(resources(given, _NODE)),
        "securityContext": security(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod: dict[str, Value] = {
        "serviceAccountName": document.key.name + SUFFIX,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": ROOM}}],
    }
    if found := pull_secrets(catalog):
        pod["imagePullSecrets"] = found
    labels = {**naming.labels(document, catalog, "pipeline"), PIPELINE: document.key.name}
    return {"metadata": {"labels": labels}, "spec": pod}


def _on_head(pod: dict[str, Any], document: Document, spec: PipelineSpec, catalog: Catalog) -> dict[str, Any]:
    """The head's pod: with the steps, the program that runs them, and their files."""
    container, work = pod["spec"]["containers"][0], {"name": "work", "mountPath": WORK}
    writer = {
        "name": "steps",
        "image": spec.image,
        "imagePullPolicy": "Always",
        "command": ["sh", "-e", "-c", literal(f'printf %s "$TRUEUP_PROGRAM" > {WORK}/steps.py')],
        "env": [{"name": "TRUEUP_PROGRAM", "value": literal(PROGRAM)}],
        "resources": with_room(resources(_BESIDE, {})),
        "securityContext": security(),
        "volumeMounts": [work],
    }
    steps = json.dumps([_step(step, spec, catalog) for step in ordered(spec)], sort_keys=True)
    container["env"] += [
        {"name": "TRUEUP_STEPS", "value": literal(steps)},
        {"name": "TRUEUP_WORK", "value": WORK},
        {"name": "TRUEUP_SECRETS", "value": _SECRETS},
    ]
    container["volumeMounts"].append(work)
    pod["spec"]["initContainers"] = [writer]
    pod["spec"]["volumes"].append({"name": "work", "emptyDir": {"sizeLimit": ROOM}})
    if secrets_of(spec):
        # Each key is for its step; the steps of a run share the head, so that the one could read the other's.
        container["volumeMounts"].append({"name": "secrets", "mountPath": _SECRETS, "readOnly": True})
        pod["spec"]["volumes"].append({"name": "secrets", "secret": {"secretName": document.key.name + SUFFIX}})
    return pod


def _step(step: Step, spec: PipelineSpec, catalog: Catalog) -> dict[str, Value]:
    """A step as `ray_steps` takes it."""
    params = {name: text(p.default) for name, p in spec.params.items()}
    given = variables(step, spec, params, f"{WORK}/{step.name}/.metrics.json", catalog)
    return {
        "name": step.name,
        "command": command(step, params),
        "env": {k: v for k, v in given.items() if not isinstance(v, SecretKeyRef)},
        "secrets": {k: secret_key(step, k) for k, v in given.items() if isinstance(v, SecretKeyRef)},
        "timeout": seconds(step.timeout),
        "metrics": list(step.metrics),
        "limit": step.retry.limit,
        "backoff": seconds(step.retry.backoff),
        "factor": step.retry.factor,
        "cap": seconds(step.retry.max_backoff),
    }
