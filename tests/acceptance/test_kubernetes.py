"""The target `kubernetes` on a real control plane: examples/churn, with the version that a registry has, is served on the cluster by
`trueup apply` itself; a second plan is empty; drift is named and put right; a rollout that cannot become ready is returned.

Pods run nothing here (tests/cluster), and Pulumi's provider is a stand-in (tests/providers). Training and promotion before it are those of
test_churn; `make demo-kubernetes` shows them with this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAMESPACE = "k-churn"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"


@pytest.fixture(scope="module")
def repository(churn_on_cluster: Callable[..., Any]) -> Any:
    """The example, applied, with rollouts that are soon given up."""
    quick = ("    predictor:\n", "    rollout: { progressDeadline: 2s }\n    predictor:\n")
    return churn_on_cluster("k-", quick)


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


@pytest.mark.capability("model-development/resource-provisioning", by="trueup_stacks.kubernetes.autoscaling:autoscaler")
def test_every_pod_is_ready_in_every_zone_and_the_objects_are_marked(repository: Any, cluster: Any) -> None:
    cluster.until(lambda: len(cluster.pods(NAMESPACE)) == 3 + 2, "the autoscaler has its two pods beside the three")
    cluster.until(lambda: not cluster.unready_pods(NAMESPACE), "every pod is ready")
    pods = cluster.pods(NAMESPACE)
    zones = {p["spec"]["nodeName"].rpartition("-")[0] for p in pods if p["metadata"]["name"].startswith("churn-")}
    assert len(zones) == 3
    labels = cluster.get(f"{DEPLOYMENTS}/churn")["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "trueup"
    assert cluster.exists(f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways/edge")


@pytest.mark.capability("infrastructure/container-monitoring", by="trueup.observe.health:of")
def test_status_says_how_each_object_is(repository: Any) -> None:
    found = status(repository)
    assert found["Deployment churn"] == ("healthy", "") and found["Service churn"] == ("healthy", "")
    word, why = found["HorizontalPodAutoscaler elastic"]
    assert word == "degraded" and "metrics" in why, "nobody measures pods in the test cluster"


def test_nothing_is_left_to_do_for_trueup_and_for_the_providers(repository: Any) -> None:
    planned = repository.trueup("plan", "cluster", "--refresh", "--detailed-exitcode", "--output", "json").json
    assert planned["steps"] == []
    previews = {p["stack"]: p for p in planned["preview"]}
    assert {"cluster.churn.foundation", "cluster.churn.serving", "cluster.churn.model"} == set(previews)
    for preview in previews.values():
        assert preview["ok"] and [s for s in preview["steps"] if s["action"] not in ("same", "refresh")] == [], preview


def test_the_specs_are_compared_with_what_is_live_field_by_field(repository: Any, cluster: Any) -> None:
    assert repository.trueup("diff", "cluster", "--live").out.startswith("Nothing differs: ")
    repository.edit("cluster.yaml", "minReplicas: 3", "minReplicas: 2")
    repository.edit("elastic.yaml", "LOG_LEVEL: info", "LOG_LEVEL: debug")
    repository.edit("cluster.yaml", "ports: [5000]", "ports: [5000, 5001]")
    (repository.folder / "more.yaml").write_text(
        (repository.folder / "elastic.yaml").read_text().replace("elastic", "more").replace("/more", "/more-of-it")
    )
    try:
        found = repository.trueup("diff", "cluster", "--live", "--output", "json").json["objects"]
        differing = {o["resource"].partition(":")[2].rpartition("/")[2]: o for o in found if o["what"] != "same"}
        created = {name for name, o in differing.items() if o["what"] == "create"}
        assert "v1:Deployment::more" in created and "v1:Service::more" in created, differing
        changed = {n: {c["path"]: (c["live"], c["desired"]) for c in o["changes"]} for n, o in differing.items()}
        assert changed["v1:Deployment::churn"] == {"spec.replicas": (3, 2)}
        assert changed["v1:Deployment::elastic"] == {
            "spec.template.spec.containers[predictor].env[LOG_LEVEL].value": ("info", "debug")
        }
        assert len(differing) - len(created) == 3, differing.keys()
    finally:
        (repository.folder / "more.yaml").unlink()
        repository.git("checkout", "-q", ".")


def test_a_plan_without_the_cluster_knows_what_it_lacked_and_when(repository: Any, cluster: Any) -> None:
    (observed,) = (e for e in repository.trueup("audit", "log", "--output", "json").json if e["event"] == "observed")
    repository.edit("elastic.yaml", "    minReplicas: 2\n", "    minReplicas: 2\n    priorityClass: urgent\n")
    refused = repository.trueup("plan", "cluster", code=4)
    assert "needs PriorityClass 'urgent'" in refused.err and observed["time"][:10] in refused.err, refused.text
    made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "urgent"}, "value": 9}
    cluster.apply(made)
    try:
        assert "urgent" not in repository.trueup("plan", "cluster", "--live").err
        assert "urgent" not in repository.trueup("plan", "cluster").err, "what was looked at is recorded"
    finally:
        cluster.kubectl("delete", "priorityclass", "urgent")
        repository.git("checkout", "-q", "elastic.yaml")


@pytest.mark.capability("infrastructure/kubernetes-management", by="trueup.observe.objects:_drift")
def test_drift_is_named_and_put_right_and_what_is_an_autoscalers_is_its_own(repository: Any, cluster: Any) -> None:
    template = cluster.get(f"{DEPLOYMENTS}/churn")["spec"]["template"]["spec"]
    debug = {**template["containers"][0], "name": "debug", "ports": []}
    cluster.patch(f"{DEPLOYMENTS}/churn", [{"op": "add", "path": "/spec/template/spec/containers/-", "value": debug}])
    cluster.kubectl("scale", "deployment/churn", "--replicas=1", "--namespace", NAMESPACE)
    cluster.kubectl("scale", "deployment/elastic", "--replicas=4", "--namespace", NAMESPACE)
    mark = "app.kubernetes.io/managed-by"
    cluster.patch(f"{DEPLOYMENTS}/elastic", {"metadata": {"labels": {mark: None, "cost": "a1"}}}, manager="cost-agent")
    cluster.delete(f"/api/v1/namespaces/{NAMESPACE}/services/churn")

    found = drift(repository)
    assert set(found) == {"Deployment churn", "Deployment elastic", "Service churn"}, found
    paths = {c["path"] for c in found["Deployment churn"]["changes"]}
    assert paths == {"spec.replicas", "spec.template.spec.containers[debug]"}
    assert [c["path"] for c in found["Deployment elastic"]["changes"]] == [f"metadata.labels.{mark}"]
    assert found["Service churn"]["what"] == "gone"

    repository.trueup("apply", "cluster", "--yes")
    deployment, elastic = (cluster.get(f"{DEPLOYMENTS}/{name}") for name in ("churn", "elastic"))
    assert deployment["spec"]["replicas"] == 3 and elastic["spec"]["replicas"] == 4
    assert [c["name"] for c in deployment["spec"]["template"]["spec"]["containers"]] == ["predictor"]
    labels = elastic["metadata"]["labels"]
    assert labels[mark] == "trueup" and labels["cost"] == "a1", "what another manager adds beside it stays"
    assert cluster.exists(f"/api/v1/namespaces/{NAMESPACE}/services/churn")


@pytest.mark.capability("model-development/rollback-mechanisms", by="trueup.apply.returning:Returning._returns")
def test_a_rollout_that_never_becomes_ready_is_returned_with_the_reason(repository: Any, cluster: Any) -> None:
    repository.edit("cluster.yaml", "acme/churn@", "acme/missing-image@")
    repository.commit("A server that is not there")
    began = time.monotonic()
    done = repository.trueup("apply", "cluster", "--yes", code=10)
    assert time.monotonic() - began < 60 and "ImagePullBackOff" in done.out and "runs again" in done.out, done.text
    word, why = status(repository)["Deployment churn"]
    assert word == "failed" and "ImagePullBackOff" in why, (word, why)
    cluster.until(lambda: not any("missing" in image for image in images(cluster)), "only the former version runs")
    assert len(images(cluster)) == 2 and not cluster.unready_pods(NAMESPACE)


def test_a_cluster_that_is_away_is_said_so_and_nothing_is_begun(repository: Any, cluster: Any) -> None:
    cluster.away()
    try:
        refused = repository.trueup("apply", "cluster", "--yes", "--refresh", code=1)
        assert "does not answer" in refused.err and cluster.url in refused.err, refused.text
        assert "Traceback" not in refused.err and "not applied" not in refused.out, refused.text
    finally:
        cluster.back()
