"""Waiting until an object is ready, as Pulumi's provider understands it; and reading whether it is. Called by `server.py`.

A kind without an entry is ready when it is there: autoscalers, policies, roles, custom resources.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from kubernetes_stand_in.api import Api, Object

REVISION = "deployment.kubernetes.io/revision"
POLL = 0.1
SETTLES = float(os.environ.get("TRUEUP_STAND_IN_SETTLES", "0.3"))
"""Seconds that a Service's endpoints must stay as they are. The real provider waits ten."""


class NotReady(Exception):
    """The object is there and not ready; `reasons` say why, and `live` is it."""

    def __init__(self, message: str, reasons: list[str], live: Object) -> None:
        super().__init__(message)
        self.reasons = reasons
        self.live = live


Check = Callable[[Api, Object, Object | None], list[str]]
"""(API, live object, the object before the change) → what is not ready yet."""


def ready(api: Api, made: Object, before: Object | None, seconds: float, stopped: Callable[[], bool]) -> Object:
    """The live object once it is ready. Raises NotReady at the end of the time, or when the operation is cancelled."""
    kind, timeout = CHECKS.get(_kind(made), (None, 0.0))
    if kind is None:
        return api.get(made)
    end = time.monotonic() + (seconds or timeout)
    settled = 0.0
    while True:
        live = api.get(made)
        reasons = kind(api, live, before)
        if not reasons:
            settled = settled or time.monotonic()
            if _kind(made) != ("v1", "Service") or time.monotonic() - settled >= SETTLES:
                return live
        else:
            settled = 0.0
        name = made["metadata"]["name"]
        if stopped():
            raise NotReady(f'Resource operation was cancelled for "{name}"', reasons, live)
        if time.monotonic() > end:
            raise NotReady(f"'{name}' timed out waiting to be Ready", reasons, live)
        time.sleep(POLL)


def read(api: Api, live: Object) -> None:
    """Raises NotReady where a live object is not ready at this moment."""
    kind, _ = CHECKS.get(_kind(live), (None, 0.0))
    if kind is None or _kind(live) not in READ:
        return
    if reasons := kind(api, live, None):
        name = live["metadata"]["name"]
        raise NotReady(f"Resource '{name}' was created but failed to initialize", reasons, live)


def _kind(thing: Object) -> tuple[str, str]:
    return str(thing["apiVersion"]), str(thing["kind"])


def _deployment(api: Api, live: Object, before: Object | None) -> list[str]:
    status = live.get("status") or {}
    if status.get("observedGeneration") != live["metadata"].get("generation"):
        return ["Minimum number of live Pods was not attained"]
    revision = (live["metadata"].get("annotations") or {}).get(REVISION, "0")
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    available = conditions.get("Available", {}).get("status") == "True"
    progressing = conditions.get("Progressing", {})
    rolled = progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
    current = next((r for r in _owned(api, live, "apps/v1", "replicasets") if _revision(r) == revision), None)
    complete = current is not None and _replicas(current)
    if available and complete and (revision == "1" or rolled):
        return []
    reasons = [
        f"[{c['reason']}] {c['message']}"
        for c in conditions.values()
        if c["type"] in ("Available", "Progressing") and c["status"] != "True"
    ]
    if not available:
        reasons.append("Minimum number of live Pods was not attained")
    elif revision != "1":
        reasons.append("Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not become live")
    else:
        reasons.append("Minimum number of Pods to consider the application live was not attained")
    return [*reasons, *(_pods(api, current) if current else ())]


def _replicas(replica_set: Object) -> bool:
    wanted = replica_set["spec"].get("replicas", 1)
    return bool((replica_set.get("status") or {}).get("readyReplicas", 0) >= wanted)


def _revision(replica_set: Object) -> str:
    return str((replica_set["metadata"].get("annotations") or {}).get(REVISION, ""))


def _owned(api: Api, owner: Object, version: str, plural: str) -> Iterator[Object]:
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for thing in api.items(base, owner["metadata"]["namespace"], plural):
        if any(o["uid"] == owner["metadata"]["uid"] for o in thing["metadata"].get("ownerReferences") or ()):
            yield thing


def _pods(api: Api, owner: Object) -> Iterator[str]:
    """What is wrong with an owner's pods."""
    for pod in _owned(api, owner, "v1", "pods"):
        conditions = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or ()}
        where = f"[Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}]"
        scheduled = conditions.get("PodScheduled", {})
        if scheduled.get("status") == "False":
            yield f"{where}: {scheduled.get('message', 'it is not scheduled')}"
            continue
        unready = [c for c in (pod.get("status") or {}).get("containerStatuses") or () if not c.get("ready")]
        if unready:
            names = " ".join(c["name"] for c in unready)
            said = [f"[{s['reason']}] {s.get('message', '')}" for c in unready for s in _said(c)]
            yield " -- ".join([f"{where}: containers with unready status: [{names}]", *said])


def _said(container: Object) -> Iterator[Object]:
    for state in (container.get("state") or {}).values():
        if state.get("reason"):
            yield state


def _stateful_set(api: Api, live: Object, before: Object | None) -> list[str]:
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    if status.get("observedGeneration") == live["metadata"].get("generation"):
        current = status.get("currentRevision") == status.get("updateRevision")
        if current and status.get("readyReplicas", 0) >= wanted:
            return []
    return ["Failed to observe the expected number of ready replicas", *_pods(api, live)]


def _daemon_set(api: Api, live: Object, before: Object | None) -> list[str]:
    status = live.get("status") or {}
    if status.get("observedGeneration") == live["metadata"].get("generation"):
        wanted = status.get("desiredNumberScheduled", 0)
        if status.get("numberReady", 0) >= wanted and status.get("updatedNumberScheduled", 0) >= wanted:
            return []
    return ["Not every node has a ready Pod of the DaemonSet", *_pods(api, live)]


def _service(api: Api, live: Object, before: Object | None) -> list[str]:
    spec = live["spec"]
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
        return []
    found = []
    metadata = live["metadata"]
    try:
        endpoints = api.request("GET", f"/api/v1/namespaces/{metadata['namespace']}/endpoints/{metadata['name']}")
    except Exception:  # noqa: BLE001 — they are not there yet
        endpoints = {}
    if not endpoints.get("subsets"):
        found.append(
            "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match "
            "labels on any Pods"
        )
    if spec.get("type") == "LoadBalancer" and not _balanced(live):
        found.append("Service was not allocated an IP address; does your cloud provider support this?")
    return found


def _ingress(api: Api, live: Object, before: Object | None) -> list[str]:
    return [] if _balanced(live) else ["Ingress .status.loadBalancer field was not updated with a hostname/IP address."]


def _balanced(live: Object) -> bool:
    return bool(((live.get("status") or {}).get("loadBalancer") or {}).get("ingress"))


def _job(api: Api, live: Object, before: Object | None) -> list[str]:
    conditions = {c["type"]: c for c in (live.get("status") or {}).get("conditions") or () if c["status"] == "True"}
    if "Complete" in conditions or "Suspended" in conditions:
        return []
    if failed := conditions.get("Failed"):
        raise NotReady(
            f"Job '{live['metadata']['name']}' failed", [f"[{failed.get('reason')}] {failed.get('message')}"], live
        )
    return ["Job is not complete", *_pods(api, live)]


def _pod(api: Api, live: Object, before: Object | None) -> list[str]:
    status = live.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    return [] if conditions.get("Ready") == "True" or status.get("phase") == "Succeeded" else ["Pod is not ready"]


def _claim(api: Api, live: Object, before: Object | None) -> list[str]:
    phase = (live.get("status") or {}).get("phase")
    return [] if phase == "Bound" else [f"PersistentVolumeClaim is {phase}"]


def _quota(api: Api, live: Object, before: Object | None) -> list[str]:
    if (live.get("status") or {}).get("hard") == live["spec"].get("hard"):
        return []
    return ["ResourceQuota is not initialized"]


CHECKS: dict[tuple[str, str], tuple[Check, float]] = {
    ("apps/v1", "Deployment"): (_deployment, 600),
    ("apps/v1", "StatefulSet"): (_stateful_set, 600),
    ("apps/v1", "DaemonSet"): (_daemon_set, 600),
    ("v1", "Service"): (_service, 600),
    ("networking.k8s.io/v1", "Ingress"): (_ingress, 600),
    ("batch/v1", "Job"): (_job, 600),
    ("v1", "Pod"): (_pod, 300),
    ("v1", "PersistentVolumeClaim"): (_claim, 300),
    ("v1", "ResourceQuota"): (_quota, 300),
}
"""What is awaited, and for how many seconds where nothing says otherwise."""
READ = {k for k in CHECKS if k[1] not in ("PersistentVolumeClaim", "ResourceQuota")}
"""Kinds whose readiness a refresh looks at."""
