"""What KEDA, KServe and Velero make of the manifests of the target `kubernetes`: their own controllers, on the real control plane.

Pods run nothing (tests/cluster), so a Prometheus that this test plays says how many requests there are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.prometheus import Prometheus
from trueup.observe.health import Around
from trueup.observe.health import of as health_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SCENES = Path(__file__).resolve().parents[1] / "unit" / "stacks"
PREFIX = "s-controllers-"
SPACE = f"{PREFIX}churn"
OF_VELERO = "con-velero"
BACKUPS = """\
apiVersion: trueup.dev/v1alpha1
kind: BackupPolicy
metadata: { name: each-minute }
spec:
  schedule: { cron: "* * * * *" }
  recoveryPointObjective: 10m
  ttl: 1h
  storageLocation: main
"""
IMAGE = f"example.com/server@sha256:{'0' * 64}"


def specs(prometheus: Prometheus, name: str, components: list[str], **endpoint: Any) -> dict[str, object]:
    """An endpoint on a cluster that has these components."""
    cluster = {"namespacePrefix": PREFIX, "components": components, "prometheus": {"url": prometheus.url}}
    registry = {"trackingUri": "http://mlflow.example.com"}
    return {
        "Environment/prod": {"target": "kubernetes", "registry": registry, "cluster": cluster},
        "Model/churn/churn": {"task": "regression", "version": 1},
        f"Endpoint/churn/{name}": {"model": {"name": "churn"}, **endpoint},
    }


def begun(cluster: Any, module: Any, *definitions: str) -> None:
    """The definitions and the programs are there; skips where they are not, or take minutes that nobody asked for."""
    if not cluster.install_crds(*definitions):
        pytest.skip("the CustomResourceDefinitions are not there")
    if not module.built() and "TRUEUP_SOAK" not in os.environ:
        pytest.skip(f"{module.binary().name} is not built, which takes minutes: `make soak` does it")
    try:
        module.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    with Prometheus.playing() as made:
        yield made


@pytest.fixture(scope="module")
def manifests() -> Any:
    sys.path.append(str(SCENES))
    from trueup_test_scenes import manifests as of

    return of


@pytest.fixture(scope="module")
def space(cluster: Any) -> str:
    """The namespace of the endpoints."""
    return str(cluster.namespace(SPACE))


@pytest.fixture(scope="module")
def keda(cluster: Any, space: str) -> Iterator[Any]:
    from cluster.building import KEDA
    from cluster.controllers import keda as running

    begun(cluster, KEDA, "keda", "prometheus-operator")
    with running(cluster, space):
        yield cluster


@pytest.fixture(scope="module")
def kserve(cluster: Any, space: str) -> Iterator[Any]:
    from cluster.building import KSERVE
    from cluster.controllers import kserve as running

    begun(cluster, KSERVE, "kserve")
    assert cluster.exists(f"/api/v1/namespaces/{space}")
    with running(cluster, cluster.namespace("kserve-system", {})):
        yield cluster


@pytest.fixture(scope="module")
def velero(cluster: Any) -> Iterator[Any]:
    from cluster.building import VELERO
    from cluster.controllers import velero as running

    begun(cluster, VELERO, "velero")
    with running(cluster, cluster.namespace(OF_VELERO), "main"):
        yield cluster


def deployment(cluster: Any, name: str) -> Any:
    return cluster.get(f"/apis/apps/v1/namespaces/{SPACE}/deployments/{name}")


def ready(cluster: Any, name: str) -> int:
    """How many replicas are ready."""
    return int((deployment(cluster, name).get("status") or {}).get("readyReplicas", 0))


@pytest.mark.capability("infrastructure/automatic-scaling", by="trueup_stacks.kubernetes.autoscaling:autoscaler")
def test_keda_starts_as_many_replicas_as_the_requests_take_and_an_apply_leaves_them(
    keda: Any, manifests: Any, prometheus: Prometheus
) -> None:
    predictor = {"image": IMAGE, "minReplicas": 1, "maxReplicas": 6, "scaleMetric": "rps", "scaleTarget": 10}
    written = manifests(specs(prometheus, "busy", ["keda", "prometheus-operator"], predictor=predictor))
    prometheus.value = 8
    keda.apply(*written)
    keda.until(lambda: ready(keda, "busy") == 1, "one replica answers 8 requests per second")
    prometheus.value = 35
    keda.until(lambda: ready(keda, "busy") == 4, "four replicas answer 35 requests per second", 120)
    assert any('model_name="busy"' in q and "request_predict_seconds_count" in q for q in prometheus.asked)
    path = f"/apis/keda.sh/v1alpha1/namespaces/{SPACE}/scaledobjects/busy"

    def conditions() -> dict[str, str]:
        return {c["type"]: c["status"] for c in keda.get(path)["status"]["conditions"]}

    assert conditions()["Ready"] == "True"
    keda.until(lambda: conditions()["Active"] == "True", "KEDA has looked at the requests itself")
    assert health_of(keda.get(path), lambda _: Around()).word == "healthy"
    keda.apply(*written)
    assert deployment(keda, "busy")["spec"]["replicas"] == 4
    prometheus.value = 500
    keda.until(lambda: ready(keda, "busy") == 6, "there are as many replicas as there may be", 120)


def test_kserve_makes_the_servers_of_the_manifest(kserve: Any, manifests: Any, prometheus: Prometheus) -> None:
    predictor = {"image": IMAGE, "minReplicas": 2, "maxReplicas": 5, "scaleMetric": "cpu", "scaleTarget": 70}
    predictor |= {"resources": {"cpu": "250m", "memory": "512Mi"}}
    written = manifests(specs(prometheus, "served", ["kserve"], serving="kserve", predictor=predictor))
    (asked,) = (m["spec"]["predictor"] for m in written if m["kind"] == "InferenceService")
    kserve.apply(*written)
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{SPACE}/inferenceservices/served"
    kserve.until(
        lambda: health_of(kserve.get(path), lambda _: Around()).word == "healthy", "the InferenceService is ready", 120
    )
    kserve.until(lambda: ready(kserve, "served-predictor") == 2, "both replicas are ready")
    made = deployment(kserve, "served-predictor")
    assert made["spec"]["strategy"] == asked["deploymentStrategy"]
    container, wanted = made["spec"]["template"]["spec"]["containers"][0], asked["containers"][0]
    for part in ("name", "image", "command", "args", "env", "ports", "resources", "securityContext"):
        assert container.get(part) == wanted.get(part), part
    assert container["readinessProbe"]["httpGet"]["path"] == wanted["readinessProbe"]["httpGet"]["path"]
    spread = made["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [s["topologyKey"] for s in spread] == [s["topologyKey"] for s in asked["topologySpreadConstraints"]]
    scaler = kserve.get(f"/apis/autoscaling/v2/namespaces/{SPACE}/horizontalpodautoscalers/served-predictor")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    generation = kserve.get(path)["metadata"]["generation"]
    kserve.apply(*written)
    assert kserve.get(path)["metadata"]["generation"] == generation


@pytest.fixture(scope="module")
def backed_up(velero: Any, make_backed_up: Callable[[str, str, str], Any]) -> Any:
    """A repository whose policy is applied."""
    return make_backed_up("con-", OF_VELERO, BACKUPS)


def completed(velero: Any) -> list[Any]:
    """The backups that are whole."""
    found = velero.get(f"/apis/velero.io/v1/namespaces/{OF_VELERO}/backups")["items"]
    return [b for b in found if (b.get("status") or {}).get("phase") == "Completed"]


def health(repository: Any, kind: str) -> tuple[str, str]:
    """How the object of a kind is, and why."""
    rows = repository.trueup("status", "prod", "--output", "json").json["resources"]
    return next((r["health"], r["detail"]) for r in rows if f":{kind} " in r["resource"])


def test_velero_makes_the_backups_of_a_policy_and_a_restore_brings_back_what_is_gone(
    backed_up: Any, velero: Any
) -> None:
    answers = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "answers", "namespace": "con-shop"}}
    velero.apply({**answers, "data": {"why": "because"}})

    def complete() -> list[str]:
        """The backups that have what is there by now."""
        found = completed(velero)
        made = velero.get("/api/v1/namespaces/con-shop/configmaps/answers")["metadata"]["creationTimestamp"]
        return [b["metadata"]["name"] for b in found if b["status"]["startTimestamp"] > made]

    velero.until(complete, "a backup is complete", 240)
    chosen = complete()[0]
    word, why = health(backed_up, "Schedule")
    assert word == "healthy" and "is complete and" in why, (word, why)
    assert backed_up.trueup("drift", "prod", "--output", "json").json["drift"] == []
    velero.delete("/api/v1/namespaces/con-shop/configmaps/answers")
    velero.delete("/apis/batch/v1/namespaces/con-shop/cronjobs/report-pipeline")
    done = backed_up.trueup("restore", "prod", "each-minute", "--backup", chosen, "--yes", "--why", "It is gone")
    assert "is Completed after" in done.out and "0 errors" in done.out, done.text
    assert velero.get("/api/v1/namespaces/con-shop/configmaps/answers")["data"] == {"why": "because"}
    assert velero.exists("/apis/batch/v1/namespaces/con-shop/cronjobs/report-pipeline")
    (entry,) = (e for e in backed_up.trueup("audit", "log", "--output", "json").json if e["event"] == "restored")
    assert entry["outcome"] == "done" and entry["details"]["why"] == "It is gone"


@pytest.mark.capability("infrastructure/recovery-testing", by="trueup.workspace.restoring:restore")
def test_a_rehearsal_restores_into_a_namespace_beside(backed_up: Any, velero: Any) -> None:
    velero.until(lambda: completed(velero), "a backup is complete", 240)
    arguments = ("restore", "prod", "each-minute", "--namespace-mapping", "con-shop=rehearsal", "--yes")
    done = backed_up.trueup(*arguments, "--why", "The rehearsal of May")
    assert "is Completed after" in done.out and "0 errors" in done.out, done.text
    assert velero.exists("/apis/batch/v1/namespaces/rehearsal/cronjobs/report-pipeline")
    planned = backed_up.trueup("plan", "prod", "--refresh", "--output", "json").json
    assert planned["steps"] == []
