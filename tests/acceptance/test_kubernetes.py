"""The target `kubernetes` on a real control plane: examples/churn, trained in `dev` and promoted by version, is served on the cluster by
`trueup apply` itself; a second plan is empty; drift is named and put right; a rollout that cannot become ready is returned.

Pods run nothing here (tests/cluster), and Pulumi's provider is a stand-in (tests/providers).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROVIDERS = Path(__file__).resolve().parents[1] / "providers"
IMAGE = "example.com/server@sha256:" + "0" * 64
NAMESPACE = "k-churn"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
REGISTRY = "http://mlflow.example.com:5000"
ELASTIC = f"""\
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata:
  name: elastic
  owner: growth
  environments: [cluster]
spec:
  model: {{ name: churn }}
  route: {{ gateway: edge, path: /elastic }}
  predictor:
    image: {IMAGE}
    minReplicas: 2
    maxReplicas: 5
    resources: {{ cpu: 1.5, memory: 1024Mi, memoryLimit: 1Gi }}
    env: {{ LOG_LEVEL: info }}
  rollout: {{ progressDeadline: 5s }}
"""


@pytest.fixture(scope="module")
def crds(cluster: Any) -> Any:
    """The cluster with the Gateway API, which the example names."""
    if not cluster.install_crds("gateway-api"):
        pytest.skip("the CustomResourceDefinitions are not there")
    return cluster


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model registry that both environments read: an MLflow server."""
    from cluster.cluster import free_port

    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("mlflow")), "server", "--port", str(port), "--workers", "1"]
    store = [f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}", f"--artifacts-destination={folder / 'artifacts'}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, *store], stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2):
                    break
            except OSError:
                assert server.poll() is None and time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(server.pid, 9)
        server.wait()


@pytest.fixture(scope="module")
def repository(make_repository: Callable[[str], Any], crds: Any, registry: str) -> Any:
    """The example with an autoscaled endpoint beside its own: trained in dev, promoted, and applied to the cluster."""
    found = make_repository("churn")
    found.edit(
        "environments.yaml", "    concurrency: 2\n", f"    concurrency: 2\n  registry: {{ trackingUri: {registry} }}\n"
    )
    found.edit("cluster.yaml", REGISTRY, registry)
    found.edit(
        "cluster.yaml",
        "    context: churn # of your kubeconfig\n",
        f"    context: trueup-tests\n    kubeconfig: {crds.kubeconfig}\n    namespacePrefix: k-\n",
    )
    (found.folder / "elastic.yaml").write_text(ELASTIC)
    found.commit("A cluster")
    found.variables["PATH"] = os.pathsep.join([str(PROVIDERS), os.environ["PATH"]])
    found.trueup("apply", "dev", "--yes")
    found.trueup("promote", "churn", "--to", "cluster")
    found.commit("Promote churn to the cluster")
    found.trueup("apply", "cluster", "--yes")
    return found


def status(repository: Any) -> dict[str, tuple[str, str]]:
    """Resource → how it is, and why."""
    rows = repository.trueup("status", "cluster", "--output", "json").json["resources"]
    return {r["resource"].rpartition(":")[2]: (r["health"], r["detail"]) for r in rows}


def drift(repository: Any) -> dict[str, Any]:
    """Resource → what is not as it was applied."""
    found = repository.trueup("drift", "cluster", "--output", "json").json["drift"]
    return {
        d["resource"].rpartition("::")[0].rpartition(":")[2] + " " + d["resource"].rpartition("::")[2]: d for d in found
    }


def images(cluster: Any) -> set[str]:
    """The images of the namespace's pods."""
    return {c["image"] for p in cluster.pods(NAMESPACE) for c in p["spec"]["containers"]}


def test_every_pod_is_ready_in_every_zone_and_the_objects_are_marked(repository: Any, crds: Any) -> None:
    pods = crds.pods(NAMESPACE)
    assert len(pods) == 3 + 2 and not crds.unready_pods(NAMESPACE)
    zones = {p["spec"]["nodeName"].rpartition("-")[0] for p in pods if p["metadata"]["name"].startswith("churn-")}
    assert len(zones) == 3
    labels = crds.get(f"{DEPLOYMENTS}/churn")["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "trueup"
    assert crds.exists(f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways/edge")


@pytest.mark.capability("infrastructure/container-monitoring", by="trueup.observe.health:of")
def test_status_says_how_each_object_is(repository: Any) -> None:
    found = status(repository)
    assert found["Deployment churn"] == ("healthy", "") and found["Service churn"] == ("healthy", "")
    word, why = found["HorizontalPodAutoscaler elastic"]
    assert word == "degraded" and "metrics" in why, "nobody measures pods in the test cluster"


def test_nothing_is_left_to_do_neither_offline_nor_for_the_providers(repository: Any) -> None:
    assert "Nothing to do" in repository.trueup("apply", "cluster", "--yes").out
    planned = repository.trueup("plan", "cluster", "--refresh", "--detailed-exitcode", "--output", "json").json
    assert planned["steps"] == []
    previews = {p["stack"]: p for p in planned["preview"]}
    assert {"cluster.churn.foundation", "cluster.churn.serving", "cluster.churn.model"} == set(previews)
    for preview in previews.values():
        assert preview["ok"] and [s for s in preview["steps"] if s["action"] not in ("same", "refresh")] == [], preview


@pytest.mark.capability("infrastructure/kubernetes-management", by="trueup.observe.objects:look")
def test_drift_is_named_and_put_right(repository: Any, crds: Any) -> None:
    template = crds.get(f"{DEPLOYMENTS}/churn")["spec"]["template"]["spec"]
    debug = {**template["containers"][0], "name": "debug", "ports": []}
    crds.patch(f"{DEPLOYMENTS}/churn", [{"op": "add", "path": "/spec/template/spec/containers/-", "value": debug}])
    crds.kubectl("scale", "deployment/churn", "--replicas=1", "--namespace", NAMESPACE)
    mark = "app.kubernetes.io/managed-by"
    crds.patch(f"{DEPLOYMENTS}/elastic", {"metadata": {"labels": {mark: None, "mine": "yes"}}})
    crds.delete(f"/api/v1/namespaces/{NAMESPACE}/services/churn")

    found = drift(repository)
    paths = {c["path"] for c in found["Deployment churn"]["changes"]}
    assert paths == {"spec.replicas", "spec.template.spec.containers[debug]"}
    assert [c["path"] for c in found["Deployment elastic"]["changes"]] == [f"metadata.labels.{mark}"]
    assert found["Service churn"]["what"] == "gone" and len(found) == 3, found
    steps = repository.steps("cluster", "--live")
    assert steps["kubernetes:core/v1:Service churn"] == "create"
    assert steps["kubernetes:apps/v1:Deployment churn"] == "update"

    repository.trueup("apply", "cluster", "--yes")
    deployment = crds.get(f"{DEPLOYMENTS}/churn")
    assert deployment["spec"]["replicas"] == 3
    assert [c["name"] for c in deployment["spec"]["template"]["spec"]["containers"]] == ["predictor"]
    labels = crds.get(f"{DEPLOYMENTS}/elastic")["metadata"]["labels"]
    assert labels[mark] == "trueup" and labels["mine"] == "yes", "what others add beside it stays"
    assert crds.exists(f"/api/v1/namespaces/{NAMESPACE}/services/churn")
    assert drift(repository) == {}


def test_replicas_under_an_autoscaler_are_its_own(repository: Any, crds: Any) -> None:
    crds.kubectl("scale", "deployment/elastic", "--replicas=4", "--namespace", NAMESPACE)
    assert drift(repository) == {}
    assert "Nothing to do" in repository.trueup("apply", "cluster", "--yes").out


@pytest.mark.capability("model-development/rollback-mechanisms", by="trueup.apply.returning:Returning.up")
def test_a_rollout_that_never_becomes_ready_is_returned_with_the_reason(repository: Any, crds: Any) -> None:
    repository.edit("elastic.yaml", IMAGE, IMAGE.replace("server", "missing-image"))
    repository.commit("A server that is not there")
    began = time.monotonic()
    done = repository.trueup("apply", "cluster", "--yes", code=10)
    assert time.monotonic() - began < 60 and "ImagePullBackOff" in done.out and "runs again" in done.out, done.text
    word, why = status(repository)["Deployment elastic"]
    assert word == "failed" and "ImagePullBackOff" in why, (word, why)
    crds.until(lambda: not any("missing" in image for image in images(crds)), "only the former version runs")
    assert IMAGE in images(crds) and not crds.unready_pods(NAMESPACE)
    repository.git("revert", "--no-edit", "HEAD")
    repository.trueup("apply", "cluster", "--yes")
    assert status(repository)["Deployment elastic"][0] == "healthy"


def test_a_cluster_that_is_away_is_said_so_and_nothing_is_begun(repository: Any, crds: Any) -> None:
    crds.away()
    try:
        found = repository.trueup("drift", "cluster")
        assert "does not answer" in found.out and crds.url in found.out, found.text
        refused = repository.trueup("apply", "cluster", "--yes", "--refresh", code=1)
        assert "does not answer" in refused.err and "Traceback" not in refused.err, refused.text
    finally:
        crds.back()
    assert drift(repository) == {}
