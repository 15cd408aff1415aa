"""What an environment costs a month before and after a plan, from the unit prices that it declares. Pure; called when a plan is made.

The terms are FOCUS's (billing currency, unit price) and the units OpenCost's: an hour of a CPU core, of a GiB of memory, of a GPU, of a
load balancer; a month of a GiB of storage. What a workload asks for (`requests`) is what it costs, used or not; replicas count with the
least of their range, and the most is told apart. What depends on use alone (calls, traffic, what a bucket holds) and single runs are no
part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.plan.values import Cost
from trueup_specs.core.quantities import amount
from trueup_specs.kinds.environment.spec import Prices
from trueup_stacks.core.resources import Address

HOURS = 730.0
"""Of a month: a twelfth of the 8,760 of a year, as the clouds' calculators count."""
GIB = float(2**30)
CPU, MEMORY, GPU, STORAGE, BALANCER = "cpuHour", "memoryGibHour", "gpuHour", "storageGibMonth", "loadBalancerHour"
MOST_NOTES = 20
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "Rollout"})
_AUTOSCALERS = {
    "HorizontalPodAutoscaler": ("minReplicas", 1, "maxReplicas", None),
    "ScaledObject": ("minReplicaCount", 0, "maxReplicaCount", 100),
}
"""Where each says its range, and what holds where it does not (KEDA's own defaults)."""
_CLOUDS = ("aws:", "gcp:", "azure")

Resources = Iterable[tuple[Address, Mapping[str, Any]]]
"""Addresses with properties as JSON (`Resource.encoded`, `RecordedResource.properties`)."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """What one resource asks for: amounts by unit (of a GPU: `gpuHour` and its type), and how many of it there are."""

    name: str
    units: Mapping[tuple[str, str], float]
    least: float = 1.0
    most: float = 1.0


@dataclass
class _Sum:
    """Money a month, and what is not in it."""

    least: float = 0.0
    most: float = 0.0
    missing: dict[str, str] = field(default_factory=dict)
    """Prices that are asked for and not declared, each with the first resource that asks."""
    notes: list[str] = field(default_factory=list)


def cost(prices: Prices | None, recorded: Resources, replaced: Resources, desired: Resources) -> Cost:
    """The cost before and after: `recorded` is everything that is there, `replaced` the part of it that `desired` takes the place of."""
    if prices is None:
        return Cost(unknown="the environment declares no `spec.prices`")
    before, out, into = (_sum(prices, found) for found in (recorded, replaced, desired))
    missing = before.missing | into.missing
    if missing:
        named = ", ".join(f"`{unit}` ({name} asks for it)" for unit, name in sorted(missing.items()))
        return Cost(prices.billing_currency, unknown=f"the environment's `spec.prices` has no {named}")
    return Cost(
        prices.billing_currency,
        round(before.least, 2),
        round(max(0.0, before.least - out.least + into.least), 2),
        round(max(0.0, before.most - out.most + into.most), 2),
        notes=tuple(dict.fromkeys(into.notes))[:MOST_NOTES],
    )


def _sum(prices: Prices, resources: Resources) -> _Sum:
    found, things = _Sum(), list(resources)
    ranges = dict(_ranges(things))
    for address, properties in things:
        found.notes += _unpriced(address, properties)
        for demand in _demands(address, properties, ranges):
            for (unit, kind), number in demand.units.items():
                price = _price(prices, unit, kind)
                if price is None:
                    found.missing.setdefault(f"{unit}.{kind}" if kind else unit, demand.name)
                    continue
                month = number * price * (1.0 if unit == STORAGE else HOURS)
                found.least += month * demand.least
                found.most += month * demand.most
    return found


def _price(prices: Prices, unit: str, kind: str) -> float | None:
    if unit == GPU:
        return prices.gpu_hour.get(kind)
    declared = {
        CPU: prices.cpu_hour,
        MEMORY: prices.memory_gib_hour,
        STORAGE: prices.storage_gib_month,
        BALANCER: prices.load_balancer_hour,
    }
    return declared[unit]


def _kind(address: Address) -> str:
    return address.type.rpartition(":")[2]


def _at(value: Any, *path: str) -> Any:
    """A value within maps; None where something on the way is not there, or is known only after the apply."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _ranges(resources: Resources) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """The replicas that autoscalers allow, by namespace and name of what they scale."""
    for address, properties in resources:
        if (keys := _AUTOSCALERS.get(_kind(address))) is None or not address.on_kubernetes:
            continue
        spec = _at(properties, "spec")
        target = _at(spec, "scaleTargetRef", "name")
        least, most = _number(_at(spec, keys[0]), keys[1]), _number(_at(spec, keys[2]), keys[3])
        if isinstance(target, str):
            yield (str(_at(properties, "metadata", "namespace") or ""), target), (least, max(least, most))


def _number(value: Any, default: float | None) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return float(default or 0)


def _demands(
    address: Address, properties: Mapping[str, Any], ranges: Mapping[tuple[str, str], tuple[float, float]]
) -> Iterator[_Demand]:
    kind, spec, name = _kind(address), _at(properties, "spec"), f"{_kind(address)} {address.name}"
    if address.type == "trueup:serve:Service":
        count = _number(properties.get("replicas"), 1)
        yield _Demand(name, _requests({"requests": properties.get("resources")}), count, count)
    elif not address.on_kubernetes:
        return
    elif kind in _WORKLOADS:
        own = _number(_at(spec, "replicas"), 1)
        place = (
            str(_at(properties, "metadata", "namespace") or ""),
            str(_at(properties, "metadata", "name") or address.name),
        )
        least, most = ranges.get(place, (own, own))
        yield _Demand(name, _pod(_at(spec, "template", "spec")), least, most)
        for claim in _at(spec, "volumeClaimTemplates") or ():
            yield _Demand(name, _storage(_at(claim, "spec")), least, most)
    elif kind == "InferenceService":
        yield from _inference(name, _at(spec, "predictor"))
    elif kind == "RayCluster" or kind == "RayService":
        yield from _ray(name, spec if kind == "RayCluster" else _at(spec, "rayClusterConfig"))
    elif kind == "PersistentVolumeClaim":
        yield _Demand(name, _storage(spec))
    elif (kind == "Service" and _at(spec, "type") == "LoadBalancer") or kind == "Gateway":
        yield _Demand(name, {(BALANCER, ""): 1.0})


def _inference(name: str, predictor: Any) -> Iterator[_Demand]:
    """KServe's: a range of its own, and the model's container."""
    least = _number(_at(predictor, "minReplicas"), 1)
    most = max(least, _number(_at(predictor, "maxReplicas"), least))
    model = _at(predictor, "model")
    containers = [*(_at(predictor, "containers") or ()), *([model] if model is not None else [])]
    yield _Demand(name, _pod({"containers": containers}), least, most)


def _ray(name: str, cluster: Any) -> Iterator[_Demand]:
    yield _Demand(name, _pod(_at(cluster, "headGroupSpec", "template", "spec")))
    for group in _at(cluster, "workerGroupSpecs") or ():
        own = _number(_at(group, "replicas"), 1)
        least = _number(_at(group, "minReplicas"), own)
        yield _Demand(
            name, _pod(_at(group, "template", "spec")), least, max(least, _number(_at(group, "maxReplicas"), own))
        )


def _pod(spec: Any) -> dict[tuple[str, str], float]:
    """What all containers of a pod ask for."""
    found: dict[tuple[str, str], float] = {}
    for container in _at(spec, "containers") or ():
        for unit, number in _requests(_at(container, "resources")).items():
            found[unit] = found.get(unit, 0.0) + number
    return found


def _requests(resources: Any) -> dict[tuple[str, str], float]:
    """The requests; where there is none, the limits, as Kubernetes takes them."""
    asked = {**(_at(resources, "limits") or {}), **(_at(resources, "requests") or {})}
    found: dict[tuple[str, str], float] = {}
    for name, quantity in asked.items():
        number = amount(quantity) if isinstance(quantity, str | int | float) else None
        if not number:
            continue
        if name == "cpu":
            found[(CPU, "")] = number
        elif name == "memory":
            found[(MEMORY, "")] = number / GIB
        elif "gpu" in name.lower():
            found[(GPU, name)] = number
    return found


def _storage(claim: Any) -> dict[tuple[str, str], float]:
    quantity = _at(claim, "resources", "requests", "storage")
    number = amount(quantity) if isinstance(quantity, str | int | float) else None
    return {(STORAGE, ""): number / GIB} if number else {}


def _unpriced(address: Address, properties: Mapping[str, Any]) -> Iterator[str]:
    """What costs something that these prices do not tell."""
    kind, name = _kind(address), f"{_kind(address)} {address.name}"
    if address.type.startswith(_CLOUDS):
        yield f"{name}: what it costs depends on its use."
    elif address.on_kubernetes and kind == "DaemonSet":
        yield f"{name}: how many nodes there are is not known."
    elif address.on_kubernetes and kind in _WORKLOADS:
        asked = {unit for unit, _ in _pod(_at(properties, "spec", "template", "spec"))}
        if lacking := [word for unit, word in ((CPU, "CPU"), (MEMORY, "memory")) if unit not in asked]:
            yield f"{name}: it requests no {' and no '.join(lacking)}, which count as nothing."
