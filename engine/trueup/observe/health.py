"""How a Kubernetes object is, in words: `healthy`, `progressing` or `degraded`, with the reason from its conditions, pods and events.

Pure; called by `observe/objects.py`. A kind that says nothing of itself is healthy when it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
HEALTHY, PROGRESSING, DEGRADED = "healthy", "progressing", "degraded"
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
"""Kinds whose pods say why they are not ready."""
STUCK = frozenset(
    {
        *("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError"),
        *("CreateContainerError", "RunContainerError"),
    }
)
"""Reasons for which a container waits and that time does not mend."""
GOOD = frozenset({"Ready", "Available", "Accepted", "Programmed", "ResolvedRefs", "Healthy", "Established", "Complete"})
"""Conditions that are to be true, of kinds that are not known here."""
RECONCILED = frozenset({"InferenceService", "Rollout", "ScaledObject"})
"""Custom resources that serve or scale, and that do nothing before their controller has reconciled them."""
PHASES = {
    "Degraded": DEGRADED,
    "Failed": DEGRADED,
    "Error": DEGRADED,
    "Progressing": PROGRESSING,
    "Paused": PROGRESSING,
}


@dataclass(frozen=True, slots=True)
class Health:
    """One word and the reason, which is empty for what is healthy and has no more to tell."""

    word: str = HEALTHY
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What was found beside an object that is not ready: its pods, and the warnings of the last hour."""

    pods: tuple[Object, ...] = ()
    warnings: tuple[Object, ...] = ()
    addresses: int = 0
    """How many pods answer for a Service."""


Look = Callable[[Object], Around]
"""Asked only where an object by itself leaves the reason open."""


def of(live: Object, look: Look) -> Health:
    """The health of a live object."""
    if "deletionTimestamp" in live["metadata"]:
        return Health(PROGRESSING, "it is being deleted")
    found = _KINDS.get(str(live["kind"]), _other)(live, look)
    if found.word == HEALTHY or live["kind"] not in WORKLOADS:
        return found
    around = look(live)
    stuck = next(_stuck(around.pods), "")
    reasons = list(dict.fromkeys(r for r in (found.reason, stuck, *_warned(around.warnings)) if r))
    return Health(DEGRADED if stuck else found.word, "; ".join(reasons[:3]))


def _deployment(live: Object, look: Look) -> Health:
    status, wanted = live.get("status") or {}, int(live["spec"].get("replicas", 1))
    if status.get("observedGeneration") != live["metadata"].get("generation"):
        return Health(PROGRESSING, "the change was not looked at yet")
    conditions = _conditions(live)
    progressing = conditions.get("Progressing", {})
    if progressing.get("status") == "False":
        return Health(DEGRADED, _sentence(progressing))
    updated, ready = int(status.get("updatedReplicas", 0)), int(status.get("readyReplicas", 0))
    if updated < wanted:
        return Health(PROGRESSING, f"{updated} of {wanted} replicas are of the new version")
    if int(status.get("replicas", 0)) > updated:
        return Health(
            PROGRESSING, f"{int(status['replicas']) - updated} replicas of the former version are still there"
        )
    if int(status.get("availableReplicas", 0)) < wanted:
        available = conditions.get("Available", {}).get("status") == "True"
        word = PROGRESSING if available or progressing.get("reason") != "NewReplicaSetAvailable" else DEGRADED
        return Health(word, f"{ready} of {wanted} replicas are ready")
    return Health()


def _stateful_set(live: Object, look: Look) -> Health:
    status, wanted = live.get("status") or {}, int(live["spec"].get("replicas", 1))
    if status.get("observedGeneration") != live["metadata"].get("generation"):
        return Health(PROGRESSING, "the change was not looked at yet")
    if int(status.get("readyReplicas", 0)) < wanted:
        return Health(PROGRESSING, f"{int(status.get('readyReplicas', 0))} of {wanted} replicas are ready")
    if status.get("currentRevision") != status.get("updateRevision"):
        return Health(PROGRESSING, "not every replica is of the new version")
    return Health()


def _daemon_set(live: Object, look: Look) -> Health:
    status = live.get("status") or {}
    wanted, ready = int(status.get("desiredNumberScheduled", 0)), int(status.get("numberReady", 0))
    return Health() if ready >= wanted else Health(PROGRESSING, f"{ready} of {wanted} nodes have it ready")


def _job(live: Object, look: Look) -> Health:
    conditions = _conditions(live)
    if conditions.get("Failed", {}).get("status") == "True":
        return Health(DEGRADED, _sentence(conditions["Failed"]))
    if conditions.get("Complete", {}).get("status") == "True":
        return Health()
    return Health(PROGRESSING, "it runs")


def _service(live: Object, look: Look) -> Health:
    spec = live["spec"]
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        return Health()
    if spec.get("type") == "LoadBalancer" and not ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        return Health(PROGRESSING, "it has no address of a load balancer yet")
    return Health() if look(live).addresses else Health(DEGRADED, "no pod answers for it")


def _autoscaler(live: Object, look: Look) -> Health:
    conditions = _conditions(live)
    for name in ("AbleToScale", "ScalingActive"):
        condition = conditions.get(name, {})
        if condition.get("status") == "False" and condition.get("reason") != "ScalingDisabled":
            return Health(DEGRADED, _sentence(condition))
    return Health()


def _disruption_budget(live: Object, look: Look) -> Health:
    status = live.get("status") or {}
    healthy, desired = int(status.get("currentHealthy", 0)), int(status.get("desiredHealthy", 0))
    if healthy < desired:
        return Health(DEGRADED, f"{healthy} of at least {desired} pods are healthy, so none may be evicted")
    return Health()


def _claim(live: Object, look: Look) -> Health:
    phase = str((live.get("status") or {}).get("phase") or "Pending")
    return Health() if phase == "Bound" else Health(PROGRESSING if phase == "Pending" else DEGRADED, f"it is {phase}")


def _other(live: Object, look: Look) -> Health:
    """A custom resource: by its phase, or by the conditions that such resources share."""
    status = live.get("status") or {}
    if live["kind"] in RECONCILED and not (
        status.get("conditions") or status.get("phase") or status.get("observedGeneration")
    ):
        return Health(PROGRESSING, "its controller has not looked at it yet")
    generation = status.get("observedGeneration")
    if isinstance(generation, int) and generation < int(live["metadata"].get("generation", 0)):
        return Health(PROGRESSING, "the change was not looked at yet")
    if word := PHASES.get(str(status.get("phase"))):
        return Health(word, str(status.get("message") or f"it is {status['phase']}"))
    parents = [c for p in status.get("parents") or () for c in p.get("conditions") or ()]
    for condition in (*(status.get("conditions") or ()), *parents):
        if condition.get("type") in GOOD and condition.get("status") != "True":
            return Health(DEGRADED if condition.get("status") == "False" else PROGRESSING, _sentence(condition))
    return Health()


def _ray_job(live: Object, look: Look) -> Health:
    """One that stays suspended runs nothing; what KubeRay refuses would run nothing either."""
    status = live.get("status") or {}
    if status.get("jobDeploymentStatus") in ("Failed", "ValidationFailed"):
        return Health(DEGRADED, f"{status.get('reason', '')}: {status.get('message', '')}")
    return Health()


_KINDS: Mapping[str, Callable[[Object, Look], Health]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _disruption_budget,
    "PersistentVolumeClaim": _claim,
    "RayJob": _ray_job,
}


def _conditions(live: Object) -> dict[str, Object]:
    return {c["type"]: c for c in (live.get("status") or {}).get("conditions") or ()}


def _sentence(condition: Object) -> str:
    reason, message = str(condition.get("reason") or ""), str(condition.get("message") or "")
    return f"{reason}: {message}" if reason and message else reason or message


def _stuck(pods: Iterable[Object]) -> Iterator[str]:
    """Why pods will not become ready by waiting."""
    for pod in pods:
        status = pod.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                yield f"pod {pod['metadata']['name']} is not scheduled: {condition.get('message')}"
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in STUCK:
                said = f": {waiting['message']}" if waiting.get("message") else ""
                yield f"container {container['name']} of pod {pod['metadata']['name']} waits, {waiting['reason']}{said}"


def _warned(warnings: Iterable[Object]) -> Iterator[str]:
    """What the events warn of, the newest first, each once."""
    ordered = sorted(warnings, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""), reverse=True)
    yield from dict.fromkeys(f"{e.get('reason')}: {e.get('message')}" for e in ordered)
