"""How many servers there are: a HorizontalPodAutoscaler, or KEDA's ScaledObject where Kubernetes itself knows no such metric."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Predictor
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import components, naming, rollouts, tokens

_CPU_TARGET = 80
"""Percent of the request that the autoscaler keeps where the spec says nothing."""
_RATE = {"rps": "request_predict_seconds_count", "concurrency": "request_predict_seconds_sum"}
"""KServe's metrics. The seconds that requests took in a second are how many ran at once (Little's law)."""


def scales(predictor: Predictor) -> bool:
    """Whether the number of replicas is a range, so that an autoscaler owns it."""
    return predictor.max_replicas is not None and predictor.max_replicas > predictor.min_replicas


def refuse(predictor: Predictor, catalog: Catalog) -> Iterator[Refusal]:
    """What scaling needs of the spec and of the cluster."""
    if not scales(predictor):
        return
    metric = predictor.scale_metric or "cpu"
    if metric in _RATE:
        path, why = "spec.predictor.scaleMetric", f"scaling by {metric} needs"
        yield from components.needed(catalog, "keda", path, f"{why} KEDA")
        yield from components.needed(catalog, "prometheus-operator", path, f"{why} the servers' metrics")
        yield from components.prometheus(catalog, path, f"{why} the servers' metrics")
    elif getattr(predictor.resources, metric) is None:
        yield Refusal(
            "spec.predictor.resources",
            f"scaling by {metric} is in percent of the request, and no {metric} is requested",
            f"Set spec.predictor.resources.{metric}.",
        )
    if predictor.min_replicas == 0:
        yield Refusal(
            "spec.predictor.minReplicas",
            "nothing measures the requests for an endpoint without a server, so that none would ever be started",
            "Set spec.predictor.minReplicas to at least 1.",
        )


def autoscaler(document: Document, spec: EndpointSpec, catalog: Catalog) -> Iterator[tuple[str, dict[str, Value]]]:
    """The token and the properties of what scales the endpoint."""
    if not scales(spec.predictor):
        return
    if (spec.predictor.scale_metric or "cpu") in _RATE:
        yield tokens.SCALED_OBJECT, {"spec": _scaled_object(document, spec, catalog)}
    else:
        yield tokens.AUTOSCALER, {"spec": _horizontal(document, spec)}


def _horizontal(document: Document, spec: EndpointSpec) -> dict[str, Value]:
    predictor = spec.predictor
    target = {"type": "Utilization", "averageUtilization": predictor.scale_target or _CPU_TARGET}
    return {
        "scaleTargetRef": rollouts.target(document, spec),
        "minReplicas": predictor.min_replicas,
        "maxReplicas": predictor.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": predictor.scale_metric or "cpu", "target": target}}],
    }


def _scaled_object(document: Document, spec: EndpointSpec, catalog: Catalog) -> dict[str, Value]:
    predictor, server = spec.predictor, naming.cluster(catalog).prometheus
    assert server is not None and predictor.scale_metric is not None
    pods = f'namespace="{naming.namespace(document, catalog)}",model_name="{document.key.name}"'
    trigger = {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": server.url,
            "query": f"sum(rate({_RATE[predictor.scale_metric]}{{{pods}}}[1m]))",
            "threshold": str(predictor.scale_target),
        },
    }
    return {
        "scaleTargetRef": rollouts.target(document, spec),
        "minReplicaCount": predictor.min_replicas,
        "maxReplicaCount": predictor.max_replicas,
        "triggers": [trigger],
    }
