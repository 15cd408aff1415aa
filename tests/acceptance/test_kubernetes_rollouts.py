"""`blueGreen` and `canary` as Argo Rollouts makes them: its own controller, on the real control plane, from the manifests of the target
`kubernetes`. Pods run nothing (tests/cluster), so that an analysis asks a Prometheus that this test plays.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.prometheus import Prometheus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

SCENES = Path(__file__).resolve().parents[1] / "unit" / "stacks"
PREFIX = "s-rollouts-"
SPACE = f"{PREFIX}churn"
DIGEST = f"@sha256:{'0' * 64}"
HASH = "rollouts-pod-template-hash"
Apply = Callable[..., None]


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    with Prometheus.playing() as made:
        yield made


@pytest.fixture(scope="module")
def argo(cluster: Any) -> Iterator[Any]:
    """The cluster with Argo Rollouts at work in the namespace of these tests."""
    from cluster.building import ROLLOUTS
    from cluster.controllers import rollouts

    if not cluster.install_crds("argo-rollouts"):
        pytest.skip("the CustomResourceDefinitions are not there")
    if not ROLLOUTS.built() and "TRUEUP_SOAK" not in os.environ:
        pytest.skip(f"{ROLLOUTS.binary().name} is not built, which takes minutes: `make soak` does it")
    try:
        ROLLOUTS.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    cluster.namespace(SPACE)
    with rollouts(cluster, SPACE):
        yield cluster


@pytest.fixture
def apply(argo: Any, prometheus: Prometheus) -> Apply:
    """Applies an endpoint as `kubectl apply --server-side` does what `trueup render` writes."""
    sys.path.append(str(SCENES))
    from trueup_test_scenes import manifests

    def do(name: str, version: int, rollout: dict[str, Any], replicas: int = 2, image: str = "server") -> None:
        written: dict[str, Any] = {
            "Environment/prod": {
                "target": "kubernetes",
                "registry": {"trackingUri": "http://mlflow.example.com"},
                "cluster": {
                    "namespacePrefix": PREFIX,
                    "components": ["argo-rollouts"],
                    "prometheus": {"url": prometheus.url},
                },
            },
            "Model/churn/churn": {"task": "regression", "version": version},
            f"Endpoint/churn/{name}": {
                "model": {"name": "churn"},
                "predictor": {"image": f"example.com/{image}{DIGEST}", "minReplicas": replicas},
                "rollout": rollout,
            },
        }
        argo.apply(*manifests(written))

    return do


def rollout_of(cluster: Any, name: str) -> Any:
    return cluster.get(f"/apis/argoproj.io/v1alpha1/namespaces/{SPACE}/rollouts/{name}")


def phase(cluster: Any, name: str) -> str:
    """The phase of what the controller has seen last."""
    found = rollout_of(cluster, name)
    status = found.get("status") or {}
    seen = str(status.get("observedGeneration", "")) == str(found["metadata"]["generation"])
    return str(status.get("phase", "")) if seen else ""


def service(cluster: Any, name: str) -> str:
    """The generation of pods that a Service leads to."""
    return str(cluster.get(f"/api/v1/namespaces/{SPACE}/services/{name}")["spec"]["selector"].get(HASH))


def versions(cluster: Any, name: str) -> dict[str, int]:
    """How many ready pods there are of each model version."""
    found: dict[str, int] = {}
    unready = set(cluster.unready_pods(SPACE))
    for pod in cluster.pods(SPACE, f"app.kubernetes.io/name={name}"):
        if pod["metadata"]["name"] not in unready:
            version = pod["metadata"]["labels"]["app.kubernetes.io/version"]
            found[version] = found.get(version, 0) + 1
    return found


def promote(cluster: Any, name: str) -> None:
    """What `kubectl argo rollouts promote` does."""
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{SPACE}/rollouts/{name}/status"
    cluster.patch(path, {"status": {"pauseConditions": None}})


@pytest.mark.capability("model-development/blue-green-deployment", by="trueup_stacks.kubernetes.rollouts:_blue_green")
def test_blue_green_takes_the_requests_when_it_is_promoted(argo: Any, apply: Apply) -> None:
    given = {"strategy": "blueGreen", "blueGreen": {"autoPromotionEnabled": False, "scaleDownDelay": "1s"}}
    apply("blue", 3, given)
    assert rollout_of(argo, "blue")["spec"]["strategy"].get("blueGreen", {}).get("activeService") == "blue"
    argo.until(lambda: phase(argo, "blue") == "Healthy", "version 3 is healthy")
    first = service(argo, "blue")
    apply("blue", 4, given)
    argo.until(lambda: phase(argo, "blue") == "Paused", "version 4 waits for a person")
    assert versions(argo, "blue") == {"3": 2, "4": 2}
    assert service(argo, "blue") == first != service(argo, "blue-preview")
    apply("blue", 4, given)  # an apply between does not take the requests away from where the controller leads them
    assert service(argo, "blue") == first
    promote(argo, "blue")
    argo.until(lambda: phase(argo, "blue") == "Healthy", "version 4 is healthy")
    assert service(argo, "blue") != first
    argo.until(lambda: versions(argo, "blue") == {"4": 2}, "version 3 is gone")


def test_a_canary_goes_step_by_step(argo: Any, apply: Apply) -> None:
    given = {
        "strategy": "canary",
        "steps": [{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {"duration": "1s"}}],
    }
    apply("canary", 3, given, replicas=4)
    argo.until(lambda: phase(argo, "canary") == "Healthy", "version 3 is healthy")
    apply("canary", 4, given, replicas=4)
    argo.until(lambda: phase(argo, "canary") == "Paused", "the first step waits")
    assert rollout_of(argo, "canary")["status"]["currentStepIndex"] == 1
    argo.until(lambda: versions(argo, "canary") == {"3": 3, "4": 1}, "a quarter of the servers are new")
    promote(argo, "canary")
    argo.until(lambda: phase(argo, "canary") == "Healthy", "version 4 is healthy")
    argo.until(lambda: versions(argo, "canary") == {"4": 4}, "all servers are new")
    assert rollout_of(argo, "canary")["status"]["currentStepIndex"] == len(given["steps"])


@pytest.mark.parametrize(("errors", "end", "left"), [(0.5, "Degraded", {"3": 2}), (0.001, "Healthy", {"4": 2})])
def test_an_analysis_decides(
    argo: Any, apply: Apply, prometheus: Prometheus, errors: float, end: str, left: dict[str, int]
) -> None:
    name = f"judged-{end.lower()}"
    metric = {
        "name": "errors",
        "query": "sum(rate(failures[1m]))",
        "successCondition": "result[0] < 0.01",
        "interval": "1s",
        "count": 2,
    }
    given = {"strategy": "canary", "steps": [{"setWeight": 50}, {"analysis": {"metrics": [metric]}}]}
    apply(name, 3, given)
    argo.until(lambda: phase(argo, name) == "Healthy", "version 3 is healthy")
    prometheus.value = errors
    apply(name, 4, given)
    argo.until(lambda: phase(argo, name) == end, f"the analysis ends it as {end}")
    argo.until(lambda: versions(argo, name) == left, "one version is left")
    assert any("failures" in text for text in prometheus.asked)


def test_a_version_that_never_gets_ready_is_undone(argo: Any, apply: Apply) -> None:
    given = {"strategy": "canary", "progressDeadline": "3s", "steps": [{"setWeight": 50}]}
    apply("stuck", 3, given)
    argo.until(lambda: phase(argo, "stuck") == "Healthy", "version 3 is healthy")
    apply("stuck", 4, given, image="never-ready")
    argo.until(lambda: phase(argo, "stuck") == "Degraded", "version 4 is given up")
    assert rollout_of(argo, "stuck")["status"]["abort"] is True
    argo.until(lambda: versions(argo, "stuck") == {"3": 2}, "version 3 serves as before")
