"""One word for a live object, and why."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.observe import health
from trueup.observe.health import DEGRADED, HEALTHY, PROGRESSING, Around, Health


def nothing(_live: Any) -> Around:
    return Around()


def thing(kind: str, status: Any, spec: Any = None, generation: int = 2, **metadata: Any) -> Any:
    return {
        "kind": kind,
        "metadata": {"name": "x", "namespace": "n", "generation": generation, **metadata},
        "spec": spec or {},
        "status": status,
    }


def condition(type: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": type, "status": status, "reason": reason, "message": message}


ROLLED = condition("Progressing", "True", "NewReplicaSetAvailable")
AVAILABLE = condition("Available", "True")


def deployment(conditions: list[Any], wanted: int = 2, observed: int = 2, **replicas: int) -> Any:
    status = {"observedGeneration": observed, "conditions": conditions, **replicas}
    return thing("Deployment", status, {"replicas": wanted, "selector": {"matchLabels": {"a": "b"}}})


FULL = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("live", "word", "reason"),
    [
        (deployment([AVAILABLE, ROLLED], **FULL), HEALTHY, ""),
        (deployment([AVAILABLE, ROLLED], wanted=0, observed=2), HEALTHY, ""),
        (deployment([], observed=1), PROGRESSING, "not looked at yet"),
        (
            deployment([AVAILABLE], **{**FULL, "updatedReplicas": 1}),
            PROGRESSING,
            "1 of 2 replicas are of the new version",
        ),
        (deployment([AVAILABLE], **{**FULL, "replicas": 3}), PROGRESSING, "1 replicas of the former version"),
        (
            deployment([AVAILABLE, ROLLED], **{**FULL, "readyReplicas": 1, "availableReplicas": 1}),
            PROGRESSING,
            "1 of 2 replicas are ready",
        ),
        (
            deployment(
                [condition("Available", "False"), ROLLED], **{**FULL, "readyReplicas": 0, "availableReplicas": 0}
            ),
            DEGRADED,
            "0 of 2 replicas are ready",
        ),
        (
            deployment([condition("Progressing", "False", "ProgressDeadlineExceeded", "it took too long")], **FULL),
            DEGRADED,
            "ProgressDeadlineExceeded: it took too long",
        ),
    ],
)
def test_a_deployment(live: Any, word: str, reason: str) -> None:
    found = health.of(live, nothing)
    assert found.word == word and reason in found.reason and bool(found.reason) == bool(reason), found


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (thing("Job", {"conditions": [condition("Complete", "True")]}), Health()),
        (
            thing("Job", {"conditions": [condition("Failed", "True", "BackoffLimitExceeded", "it failed")]}),
            Health(DEGRADED, "BackoffLimitExceeded: it failed"),
        ),
        (thing("Job", {}), Health(PROGRESSING, "it runs")),
        (thing("PersistentVolumeClaim", {"phase": "Lost"}), Health(DEGRADED, "it is Lost")),
        (
            thing("PodDisruptionBudget", {"currentHealthy": 1, "desiredHealthy": 2}),
            Health(DEGRADED, "1 of at least 2 pods are healthy, so none may be evicted"),
        ),
        (
            thing(
                "HorizontalPodAutoscaler", {"conditions": [condition("ScalingActive", "False", "Failed", "no metrics")]}
            ),
            Health(DEGRADED, "Failed: no metrics"),
        ),
        (
            thing("HorizontalPodAutoscaler", {"conditions": [condition("ScalingActive", "False", "ScalingDisabled")]}),
            Health(),
        ),
        (thing("Rollout", {"phase": "Degraded", "message": "aborted"}), Health(DEGRADED, "aborted")),
        (
            thing("Gateway", {"conditions": [condition("Programmed", "False", "Invalid", "no")]}),
            Health(DEGRADED, "Invalid: no"),
        ),
        (
            thing("HTTPRoute", {"parents": [{"conditions": [condition("Accepted", "Unknown", "Pending", "not yet")]}]}),
            Health(PROGRESSING, "Pending: not yet"),
        ),
        (thing("InferenceService", {"observedGeneration": 1}), Health(PROGRESSING, "the change was not looked at yet")),
        (thing("ScaledObject", {}), Health(PROGRESSING, "its controller has not looked at it yet")),
        (
            thing("InferenceService", {"deploymentMode": "Standard"}),
            Health(PROGRESSING, "its controller has not looked at it yet"),
        ),
        (thing("RayJob", {"jobDeploymentStatus": "Suspended"}), Health()),
        (
            thing("RayJob", {"jobDeploymentStatus": "ValidationFailed", "reason": "Invalid", "message": "no image"}),
            Health(DEGRADED, "Invalid: no image"),
        ),
        (thing("ConfigMap", None), Health()),
        (
            thing("ConfigMap", None, deletionTimestamp="2026-01-01T00:00:00Z"),
            Health(PROGRESSING, "it is being deleted"),
        ),
    ],
)
def test_other_kinds(live: Any, expected: Health) -> None:
    assert health.of(live, nothing) == expected


def test_a_service_is_degraded_while_no_pod_answers_for_it() -> None:
    live = thing("Service", {}, {"selector": {"a": "b"}})
    assert health.of(live, nothing) == Health(DEGRADED, "no pod answers for it")
    assert health.of(live, lambda _l: Around(addresses=1)) == Health()


def test_the_reason_is_that_of_the_pods_and_of_the_newest_warning() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}
    pod = {
        "metadata": {"name": "x-1"},
        "status": {"containerStatuses": [{"name": "predictor", "state": {"waiting": waiting}}]},
    }
    events = (
        {"reason": "Old", "message": "long ago", "lastTimestamp": "2026-01-01T00:00:00Z"},
        {"reason": "Failed", "message": "not found", "lastTimestamp": "2026-01-02T00:00:00Z"},
    )
    live = deployment([AVAILABLE], **{**FULL, "updatedReplicas": 1})
    found = health.of(live, lambda _l: Around((pod,), events))
    assert found.word == DEGRADED
    assert "1 of 2 replicas are of the new version" in found.reason
    assert 'container predictor of pod x-1 waits, ImagePullBackOff: Back-off pulling image "x"' in found.reason
    assert "Failed: not found" in found.reason and "long ago" not in found.reason


def test_a_pod_that_finds_no_node_says_so() -> None:
    unscheduled = condition("PodScheduled", "False", "Unschedulable", "0/6 nodes are available: 6 Insufficient cpu.")
    pod = {"metadata": {"name": "x-1"}, "status": {"conditions": [unscheduled]}}
    live = deployment([AVAILABLE], **{**FULL, "updatedReplicas": 1})
    assert "pod x-1 is not scheduled: 0/6 nodes" in health.of(live, lambda _l: Around((pod,))).reason
