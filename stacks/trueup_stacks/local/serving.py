"""Endpoints and gateways on the target `local`: supervised model servers behind Envoy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.fingerprints import fingerprint
from trueup_specs.core.references import qualified
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Predictor, Probe
from trueup_specs.kinds.gateway.spec import GatewayRoute, GatewaySpec, RetryPolicy
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_stacks.core.resources import Output, Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal, address_of, env_value
from trueup_stacks.local import naming, tokens
from trueup_stacks.local.data import features_property
from trueup_stacks.local.model import version_in_use


def refuse_endpoint(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """Rollouts that need a controller."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    if spec.rollout.strategy in ("blueGreen", "canary"):
        yield Refusal(
            "spec.rollout.strategy",
            f"nothing on this machine could make the steps of the strategy {spec.rollout.strategy}",
            "Write `rollingUpdate` here, in an Overlay; or two Endpoints, with their weights in a Gateway's route.",
        )


def emit_endpoint(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The model's servers; nothing while no version of the model was promoted here."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    version = served_version(document, catalog, compiled)
    if version is None:
        return
    model = catalog.bound(document, "Model", spec.model.name)
    yield Resource(
        address_of(document, catalog, "serving", tokens.SERVICE),
        {
            "name": document.key.name,
            "folder": naming.folder(document, catalog, "services"),
            "model": {
                "name": naming.registered_name(model, catalog),
                "trackingUri": naming.tracking_uri(catalog),
                "version": version,
            },
            "features": _features(document, model, catalog),
            "strategy": spec.rollout.strategy,
            "logging": {"mode": spec.logging.mode, "samplePercent": spec.logging.sample_percent},
            **_predictor(spec.predictor),
            "owner": document.metadata.owner or "",
            "labels": dict(document.metadata.labels),
        },
        document.key,
        tuple(r.address for r in _needed(document, catalog, compiled)),
        naming.options(document, catalog, "serving", tokens.SERVICE),
    )


def _needed(document: Document, catalog: Catalog, compiled: Compiled) -> Iterator[Resource]:
    """What servers ask once they start: a model that reads features does not load where its service is not there."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    if spec.features:
        yield compiled.find(catalog.bound(document, "FeatureService", spec.features).key, tokens.FEATURE_SERVICE)


def served_version(document: Document, catalog: Catalog, compiled: Compiled) -> Output | int | None:
    """The version that an endpoint serves: its own pin, its alias's pin, or the accepted one."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    if spec.model.version is not None:
        return spec.model.version
    model = catalog.bound(document, "Model", spec.model.name)
    assert isinstance(model.spec, ModelSpec)
    for alias in model.spec.aliases:
        if alias.name == (spec.model.alias or "champion") and alias.version is not None:
            return alias.version
    return version_in_use(model, catalog, compiled)


def _features(document: Document, model: Document, catalog: Catalog) -> dict[str, Any] | None:
    spec = document.spec
    assert isinstance(spec, EndpointSpec) and isinstance(model.spec, ModelSpec)
    if spec.features:
        return features_property(catalog.bound(document, "FeatureService", spec.features), catalog)
    return None


def _predictor(spec: Predictor) -> dict[str, Value]:
    return {
        "replicas": spec.min_replicas,
        "workers": spec.workers,
        "env": {k: env_value(v) for k, v in spec.env.items()},
        "timeoutSeconds": seconds(spec.timeout),
        "readiness": _probe(spec.probes.readiness),
        "liveness": _probe(spec.probes.liveness),
        "terminationGraceSeconds": seconds(spec.termination_grace_period),
        "resources": spec.resources.model_dump(by_alias=True, exclude_none=True, mode="json"),
    }


def _probe(probe: Probe) -> dict[str, Any]:
    return {
        "initialDelaySeconds": seconds(probe.initial_delay),
        "periodSeconds": seconds(probe.period),
        "timeoutSeconds": seconds(probe.timeout),
        "failureThreshold": probe.failure_threshold,
    }


def emit_gateway(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """Envoy, with the routes that endpoints declare and those of its own."""
    spec = document.spec
    assert isinstance(spec, GatewaySpec)
    check = spec.health_check
    routes = [*_endpoint_routes(document, spec, catalog, compiled), *_own_routes(document, spec, catalog, compiled)]
    yield Resource(
        address_of(document, catalog, "serving", tokens.GATEWAY),
        {
            "name": document.key.name,
            "folder": naming.folder(document, catalog, "gateways"),
            "listeners": [{"name": x.name, "address": x.address, "port": x.port or 0} for x in spec.listeners],
            "routes": routes,
            "healthCheck": {
                "path": check.path,
                "intervalSeconds": seconds(check.interval),
                "timeoutSeconds": seconds(check.timeout),
                "healthyThreshold": check.healthy_threshold,
                "unhealthyThreshold": check.unhealthy_threshold,
            },
            "accessLog": spec.access_log,
            "owner": document.metadata.owner or "",
        },
        document.key,
        options=naming.options(document, catalog, "serving", tokens.GATEWAY),
    )


def _endpoint_routes(
    document: Document, spec: GatewaySpec, catalog: Catalog, compiled: Compiled
) -> list[dict[str, Value]]:
    routes = []
    for endpoint in catalog.of_kind("Endpoint"):
        assert isinstance(endpoint.spec, EndpointSpec)
        route = endpoint.spec.route
        wanted = (document.key.namespace, document.key.name)
        if route.gateway is None or qualified(route.gateway, endpoint.key.namespace) != wanted:
            continue
        if backend := _backend(endpoint, 100, compiled):
            routes.append(
                {
                    "path": route.path or f"/{endpoint.key.name}",
                    "hosts": list(route.hosts),
                    "timeoutSeconds": seconds(endpoint.spec.predictor.timeout),
                    "retries": _retries(spec.retries),
                    "backends": [backend],
                }
            )
    return routes


def _own_routes(document: Document, spec: GatewaySpec, catalog: Catalog, compiled: Compiled) -> list[dict[str, Value]]:
    return [_own_route(document, route, catalog, compiled) for route in spec.routes]


def _own_route(document: Document, route: GatewayRoute, catalog: Catalog, compiled: Compiled) -> dict[str, Value]:
    backends = []
    for backend in route.backends:
        endpoint = catalog.bound(document, "Endpoint", backend.endpoint)
        if found := _backend(endpoint, backend.weight, compiled):
            backends.append(found)
    return {
        "path": route.path,
        "hosts": list(route.hosts),
        "timeoutSeconds": seconds(route.timeout),
        "retries": _retries(route.retries),
        "backends": backends,
    }


def _backend(endpoint: Document, weight: int, compiled: Compiled) -> dict[str, Value] | None:
    services = [r for r in compiled.resources_of(endpoint.key) if r.address.type == tokens.SERVICE]
    if not services:
        return None
    # The addresses of the servers do not change with the model's version, so the symbol does not either.
    endpoints = Output(services[0].address, "endpoints", fingerprint(str(services[0].address)))
    name = f"{endpoint.key.namespace}/{endpoint.key.name}"
    return {"name": name, "endpoints": endpoints, "weight": weight}


def _retries(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "attempts": policy.attempts,
        "on": list(policy.on),
        "perTryTimeoutSeconds": seconds(policy.per_try_timeout) if policy.per_try_timeout else None,
    }
