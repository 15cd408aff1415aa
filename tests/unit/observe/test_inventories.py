"""What a cluster has, as it is looked at, recorded and held against what compile made. The cluster is a real control plane."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trueup.apply.cluster import connect
from trueup.compile.compilation import compile_catalog
from trueup.observe import inventories
from trueup.observe.inventories import Inventory

SCENES = Path(__file__).resolve().parents[1] / "stacks"
SEEN = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
KINDS: Mapping[str, tuple[str, ...]] = {
    "argoproj.io/v1alpha1": ("AnalysisTemplate", "CronWorkflow", "Rollout", "WorkflowTemplate"),
    "gateway.networking.k8s.io/v1": ("Gateway", "GRPCRoute", "HTTPRoute"),
    "gateway.networking.k8s.io/v1beta1": ("ReferenceGrant",),
    "keda.sh/v1alpha1": ("ScaledObject",),
    "monitoring.coreos.com/v1": ("PodMonitor", "PrometheusRule", "ServiceMonitor"),
    "monitoring.coreos.com/v1alpha1": ("AlertmanagerConfig",),
    "serving.kserve.io/v1beta1": ("InferenceService",),
}
CLASSES = {"PriorityClass": ("serving", "system-cluster-critical"), "GatewayClass": ("envoy",), "StorageClass": ()}
WHOLE = Inventory(SEEN, "v1.36.3", KINDS, CLASSES)


@pytest.fixture(scope="module")
def scene() -> Any:
    """The scene with everything that the target honours, and what compile makes of it."""
    sys.path.append(str(SCENES))
    import trueup_test_scenes

    catalog = trueup_test_scenes.scene("kubernetes")
    return catalog, compile_catalog(catalog)


def said(scene: Any, inventory: Inventory) -> list[str]:
    return [f"{d.summary} {d.detail} {d.fix}" for d in inventories.judged(*scene, {"": inventory})]


def test_nothing_is_said_of_a_cluster_that_has_everything(scene: Any) -> None:
    assert said(scene, WHOLE) == []
    assert list(inventories.judged(*scene, {})) == [], "a cluster that nobody looked at is not judged"


def test_a_component_that_is_missing_is_named_with_when_it_was_and_what_to_install(scene: Any) -> None:
    (text,) = said(scene, replace(WHOLE, kinds={k: v for k, v in KINDS.items() if not k.startswith("keda")}))
    assert text.startswith(
        "Endpoint/churn/stepwise needs ScaledObject (keda.sh/v1alpha1), and the cluster of environment 'prod' did not have"
    )
    assert "2026-05-04 03:02 UTC" in text and "the cluster itself" in text and "Install KEDA (the Helm chart" in text
    assert "`trueup plan prod --refresh`" in text


def test_a_component_in_another_version_is_told_from_one_that_is_missing(scene: Any) -> None:
    kinds = {k.replace("keda.sh/v1alpha1", "keda.sh/v1"): v for k, v in KINDS.items()}
    (text,) = said(scene, replace(WHOLE, kinds=kinds))
    assert "it served ScaledObject as keda.sh/v1 only" in text and "Install another version of KEDA" in text


def test_argo_has_two_projects_in_one_group(scene: Any) -> None:
    kinds = {**KINDS, "argoproj.io/v1alpha1": ("AnalysisTemplate", "WorkflowTemplate", "CronWorkflow")}
    assert all("Install Argo Rollouts" in text for text in said(scene, replace(WHOLE, kinds=kinds)))
    assert {text.split()[0] for text in said(scene, replace(WHOLE, kinds=kinds))} == {
        "Endpoint/churn/stepwise",
        "Endpoint/shared/beside",
    }


def test_a_class_that_is_missing_is_named_and_one_that_may_not_be_listed_is_not(scene: Any) -> None:
    (text,) = said(scene, replace(WHOLE, classes={**CLASSES, "PriorityClass": ("servings", "system-cluster-critical")}))
    assert text.startswith("Endpoint/churn/churn needs PriorityClass 'serving', and") and "Write 'servings'" in text
    assert said(scene, replace(WHOLE, classes={"GatewayClass": ("envoy",)})) == []
    (text,) = said(scene, replace(WHOLE, classes={"GatewayClass": ("istio",)}))
    assert "GatewayClass 'envoy'" in text and "it had istio" in text


def test_what_is_recorded_is_what_was_looked_at() -> None:
    assert Inventory.of(WHOLE.form) == WHOLE


def test_a_cluster_that_does_not_answer_is_as_it_was_recorded() -> None:
    from trueup.apply.cluster import ClusterError

    def away() -> Any:
        raise ClusterError("The cluster does not answer.")

    assert inventories.found({"": WHOLE.form}, [("", away)]) == ({"": WHOLE}, {})


@pytest.mark.slow
def test_a_cluster_is_looked_at(cluster: Any) -> None:
    if not cluster.install_crds("gateway-api"):
        pytest.skip("the CustomResourceDefinitions are not there")
    seen = inventories.look(connect(cluster.kubeconfig, "trueup-tests"))
    assert seen.version == "v1.36.3"
    assert {"Gateway", "GRPCRoute", "HTTPRoute"} <= set(seen.kinds["gateway.networking.k8s.io/v1"])
    assert not any(v.startswith(("apps/", "batch/", "storage.k8s.io/", "v1")) for v in seen.kinds), "Kubernetes' own"
    assert set(seen.classes["PriorityClass"]) >= {"system-cluster-critical", "system-node-critical"}
    assert seen.classes["GatewayClass"] == ("envoy",) and Inventory.of(seen.form).kinds == seen.kinds


@pytest.mark.slow
def test_an_older_server_without_discovery_in_one_answer_is_asked_group_by_group(cluster: Any) -> None:
    cluster.install_crds("gateway-api")
    whole, older = connect(cluster.kubeconfig, None), connect(cluster.kubeconfig, None)
    asked = type(older).request
    older.request = lambda *a, accept="", **k: asked(older, *a, **k)  # type: ignore[method-assign]
    assert inventories.look(older).kinds == inventories.look(whole).kinds
