"""What an environment costs a month: by the requests of what is compiled, the least of a range, and what is not known."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.plan import costs, saved
from trueup.plan.values import Cost, Evidence, Plan
from trueup_specs.kinds.environment.spec import Prices
from trueup_stacks.core.resources import Address, StackId

PRICES = Prices.model_validate(
    {
        "billingCurrency": "EUR",
        "cpuHour": 0.04,
        "memoryGibHour": 0.005,
        "gpuHour": {"nvidia.com/gpu": 2.0},
        "storageGibMonth": 0.1,
        "loadBalancerHour": 0.03,
    }
)
SERVING = StackId("prod", "credit", "serving")
TYPES = {
    "Deployment": "kubernetes:apps/v1:Deployment",
    "HorizontalPodAutoscaler": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    "ScaledObject": "kubernetes:keda.sh/v1alpha1:ScaledObject",
    "InferenceService": "kubernetes:serving.kserve.io/v1beta1:InferenceService",
    "PersistentVolumeClaim": "kubernetes:core/v1:PersistentVolumeClaim",
    "Service": "kubernetes:core/v1:Service",
    "Gateway": "kubernetes:gateway.networking.k8s.io/v1:Gateway",
    "StatefulSet": "kubernetes:apps/v1:StatefulSet",
    "DaemonSet": "kubernetes:apps/v1:DaemonSet",
}


def thing(kind: str, name: str, spec: dict[str, Any]) -> tuple[Address, dict[str, Any]]:
    properties = {"metadata": {"name": name, "namespace": "credit"}, "spec": spec}
    return Address(SERVING, TYPES[kind], name), properties


def deployment(
    name: str, replicas: int | None, cpu: str | None = "500m", memory: str | None = "2Gi", **more: str
) -> Any:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v} | {
        k.replace("_", "/"): v for k, v in more.items()
    }
    containers = [{"name": "model", "resources": {"requests": requests}}]
    own = {} if replicas is None else {"replicas": replicas}
    return thing("Deployment", name, {**own, "template": {"spec": {"containers": containers}}})


def of(*things: Any, before: Any = (), replaced: Any = None, prices: Prices | None = PRICES) -> Cost:
    return costs.cost(prices, before, before if replaced is None else replaced, things)


def test_replicas_times_requests_before_and_after() -> None:
    before, after = [deployment("risk", 2)], deployment("risk", 3)
    found = of(after, before=before)
    one = 730 * (0.5 * 0.04 + 2 * 0.005)
    assert (found.currency, found.unknown) == ("EUR", "")
    assert found.before == pytest.approx(2 * one, abs=0.01) and found.after == pytest.approx(3 * one, abs=0.01)
    assert found.increase == pytest.approx(one, abs=0.01) and found.most == found.after


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [("HorizontalPodAutoscaler", "minReplicas", "maxReplicas"), ("ScaledObject", "minReplicaCount", "maxReplicaCount")],
)
def test_an_autoscaler_s_least_counts_and_its_most_is_told_apart(kind: str, least: str, most: str) -> None:
    scaler = thing(kind, "risk", {"scaleTargetRef": {"name": "risk"}, least: 2, most: 6})
    found = of(deployment("risk", None), scaler)
    one = 730 * (0.5 * 0.04 + 2 * 0.005)
    assert found.after == pytest.approx(2 * one, abs=0.01) and found.most == pytest.approx(6 * one, abs=0.01)


def test_keda_scales_to_nothing_by_itself() -> None:
    scaler = thing("ScaledObject", "risk", {"scaleTargetRef": {"name": "risk"}, "maxReplicaCount": 4})
    found = of(deployment("risk", None), scaler)
    assert found.after == 0 and found.most > 0


def test_gpus_volumes_and_load_balancers() -> None:
    gpu = deployment("big", 1, cpu=None, memory=None, **{"nvidia.com_gpu": "2"})
    claim = thing("PersistentVolumeClaim", "data", {"resources": {"requests": {"storage": "100Gi"}}})
    sets = thing(
        "StatefulSet",
        "store",
        {"replicas": 3, "volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "10Gi"}}}}]},
    )
    balancer = thing("Service", "public", {"type": "LoadBalancer"})
    inside = thing("Service", "inside", {"type": "ClusterIP"})
    assert of(gpu).after == pytest.approx(2 * 2.0 * 730)
    assert of(claim).after == pytest.approx(10.0)
    assert of(sets).after == pytest.approx(3.0)
    assert of(balancer, inside).after == of(thing("Gateway", "edge", {})).after == pytest.approx(0.03 * 730, abs=0.01)


def test_kserve_s_own_range() -> None:
    model = {"modelFormat": {"name": "mlflow"}, "resources": {"limits": {"cpu": 1, "memory": "4Gi"}}}
    found = of(thing("InferenceService", "risk", {"predictor": {"minReplicas": 1, "maxReplicas": 3, "model": model}}))
    one = 730 * (0.04 + 4 * 0.005)
    assert found.after == pytest.approx(one, abs=0.01) and found.most == pytest.approx(3 * one, abs=0.01), (
        "limits count as requests"
    )


def test_what_is_not_replaced_is_there_before_and_after() -> None:
    other, mine = deployment("other", 4), deployment("risk", 1)
    found = of(deployment("risk", 2), before=[other, mine], replaced=[mine])
    one = of(mine).after
    assert found.before == pytest.approx(5 * one, abs=0.02) and found.after == pytest.approx(6 * one, abs=0.02)


def test_without_prices_nothing_is_known_and_why_is_said() -> None:
    found = of(deployment("risk", 1), prices=None)
    assert found.unknown == "the environment declares no `spec.prices`" and found.after == 0


def test_a_price_that_is_asked_for_and_not_declared_makes_all_of_it_unknown() -> None:
    prices = PRICES.model_copy(update={"gpu_hour": {"nvidia.com/gpu": 2.0}, "memory_gib_hour": None})
    found = of(deployment("risk", 1, **{"amd.com_gpu": "1"}), prices=prices)
    assert "`gpuHour.amd.com/gpu` (Deployment risk asks for it)" in found.unknown and "`memoryGibHour`" in found.unknown
    assert not of(deployment("risk", 1, memory=None), prices=prices).unknown, "what nobody asks for needs no price"


def test_what_is_not_in_it_is_said() -> None:
    bucket = (Address(StackId("prod", "credit", "data"), "aws:s3/bucket:Bucket", "raw"), {})
    found = of(deployment("risk", 1, cpu=None), thing("DaemonSet", "probe", {}), bucket)
    assert [n.partition(":")[0] for n in found.notes] == [
        "Deployment risk",
        "DaemonSet probe",
        "s3/bucket:Bucket raw",
    ] or len(found.notes) == 3
    assert "requests no CPU" in found.notes[0] and "depends on its use" in found.notes[2]


def test_values_that_are_known_only_later_do_not_stop_it() -> None:
    later = {"$output": {"of": "x", "property": "y"}}
    strange = thing("Deployment", "odd", {"replicas": later, "template": later})
    assert of(strange).after == 0 and of(strange).notes


@pytest.mark.parametrize("cost", [Cost("EUR", 1.5, 2.25, 9.0, notes=("a",)), Cost(unknown="no prices")])
def test_a_saved_plan_keeps_it(cost: Cost) -> None:
    plan = Plan("credit", "prod", "", "", (), (), evidence=Evidence(cost=cost))
    assert saved.load(saved.dump(plan)).evidence.cost == cost
