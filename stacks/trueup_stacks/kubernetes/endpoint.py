"""An `Endpoint` on the target `kubernetes`: a Deployment of the model server, and what makes it reachable, safe and scaled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trueup_specs.core.envelope import Document, SecretKeyRef
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Rollout
from trueup_stacks.core.resources import Output, Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, address_of, env_value
from trueup_stacks.kubernetes import naming, tokens
from trueup_stacks.kubernetes.pods import PORT, pod_template
from trueup_stacks.kubernetes.refusals import scales
from trueup_stacks.local.serving import served_version

_CPU_TARGET = 80
"""Percent of the request that the autoscaler keeps where the spec says nothing."""


def emit_endpoint(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The endpoint's objects; none while no version of the model was promoted here."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    version = served_version(document, catalog, compiled)
    if version is None:
        return
    assert not isinstance(version, Output), "Models are not trained on this target."
    model = catalog.bound(document, "Model", spec.model.name)
    before: list[Resource] = []
    for token, properties in _before(document, spec):
        before.append(_resource(document, catalog, token, properties))
    yield from before
    deployment = _resource(
        document, catalog, tokens.DEPLOYMENT, _deployment(document, model, version, catalog), tuple(before)
    )
    yield deployment
    for token, properties in _around(document, spec):
        yield _resource(document, catalog, token, properties, (deployment,))


def _resource(
    document: Document,
    catalog: Catalog,
    token: str,
    properties: Mapping[str, Value],
    after: tuple[Resource, ...] = (),
) -> Resource:
    description = document.spec.description if isinstance(document.spec, EndpointSpec) else ""
    return Resource(
        address_of(document, catalog, naming.LAYER, token),
        {"metadata": naming.metadata(document, catalog, description), **properties},
        document.key,
        tuple(r.address for r in after),
        naming.options(document, catalog, token),
    )


def _before(document: Document, spec: EndpointSpec) -> Iterator[tuple[str, dict[str, Value]]]:
    """What the pods need to start."""
    yield tokens.SERVICE_ACCOUNT, {"automountServiceAccountToken": False}
    secrets = {k: env_value(v) for k, v in spec.predictor.env.items() if isinstance(v, SecretKeyRef)}
    if secrets:
        yield tokens.SECRET, {"type": "Opaque", "stringData": secrets}


def _deployment(document: Document, model: Document, version: int, catalog: Catalog) -> dict[str, Value]:
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    # An autoscaler owns the number of replicas; naming it here would set it back with each apply.
    replicas = {} if scales(spec.predictor) else {"replicas": spec.predictor.min_replicas}
    return {
        "spec": {
            **replicas,
            "selector": {"matchLabels": naming.selector(document)},
            "strategy": _strategy(spec.rollout),
            "template": pod_template(document, model, version, catalog),
        }
    }


def _strategy(rollout: Rollout) -> dict[str, Value]:
    if rollout.strategy == "recreate":
        return {"type": "Recreate"}
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable},
    }


def _around(document: Document, spec: EndpointSpec) -> Iterator[tuple[str, dict[str, Value]]]:
    """What stands around the Deployment."""
    pods = {"matchLabels": naming.selector(document)}
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}
    yield tokens.SERVICE, {"spec": {"type": "ClusterIP", "selector": naming.selector(document), "ports": [port]}}
    yield tokens.DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 1, "selector": pods}}
    inside = {"from": [{"namespaceSelector": {}}], "ports": [{"port": PORT, "protocol": "TCP"}]}
    yield tokens.NETWORK_POLICY, {"spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [inside]}}
    if scales(spec.predictor):
        yield tokens.AUTOSCALER, {"spec": _autoscaler(document, spec)}


def _autoscaler(document: Document, spec: EndpointSpec) -> dict[str, Value]:
    predictor = spec.predictor
    target = {"type": "Utilization", "averageUtilization": predictor.scale_target or _CPU_TARGET}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": document.key.name},
        "minReplicas": predictor.min_replicas,
        "maxReplicas": predictor.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": predictor.scale_metric or "cpu", "target": target}}],
    }
