"""Requests from a gateway to endpoints: HTTPRoutes of the Gateway API, those of endpoints and those of a Gateway."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.references import Key, qualified
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.gateway.spec import GatewayRoute
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import naming, tokens
from trueup_stacks.kubernetes.networking import SERVICE_PORT, service_of

GROUP = "gateway.networking.k8s.io"


def gateway_of(document: Document, spec: EndpointSpec, catalog: Catalog) -> Document | None:
    """The gateway that an endpoint is reached through: the one that it names, or the first of its namespace."""
    if spec.route.gateway is not None:
        wanted = Key("Gateway", *qualified(spec.route.gateway, document.key.namespace))
        return next((d for d in catalog.of_kind("Gateway") if d.key == wanted), None)
    return next((d for d in catalog.of_kind("Gateway") if d.key.namespace == document.key.namespace), None)


def endpoint_route(document: Document, spec: EndpointSpec, catalog: Catalog) -> Iterator[tuple[str, dict[str, Value]]]:
    """The token and the properties of an endpoint's route, where it has a gateway."""
    gateway = gateway_of(document, spec, catalog)
    if gateway is None:
        return
    route = spec.route
    rule = _rule(route.path or f"/{document.key.name}", spec.predictor.timeout, [_backend(document, 100)])
    yield tokens.HTTP_ROUTE, {"spec": _route(gateway, catalog, route.hosts, rule)}


def own_route(gateway: Document, route: GatewayRoute, backends: list[tuple[Document, int]], catalog: Catalog) -> Value:
    """The properties of a Gateway's route, with the endpoints that are there and their weights."""
    found = [_backend(endpoint, weight) for endpoint, weight in backends]
    for reference, (endpoint, _) in zip(found, backends, strict=True):
        if endpoint.key.namespace != gateway.key.namespace:
            reference["namespace"] = naming.namespace(endpoint, catalog)
    return {"spec": _route(gateway, catalog, route.hosts, _rule(route.path, route.timeout, found))}


def _route(gateway: Document, catalog: Catalog, hosts: tuple[str, ...], rule: dict[str, Value]) -> dict[str, Value]:
    parent = {
        "group": GROUP,
        "kind": "Gateway",
        "name": gateway.key.name,
        "namespace": naming.namespace(gateway, catalog),
    }
    return {"parentRefs": [parent], **({"hostnames": list(hosts)} if hosts else {}), "rules": [rule]}


def _rule(path: str, timeout: str, backends: list[dict[str, Value]]) -> dict[str, Value]:
    prefix = path.rstrip("/") or "/"
    found: dict[str, Value] = {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "timeouts": {"request": duration(timeout)},
        "backendRefs": backends,
    }
    if prefix != "/":
        rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
        found["filters"] = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    return found


def _backend(endpoint: Document, weight: int) -> dict[str, Value]:
    return {"group": "", "kind": "Service", "name": service_of(endpoint), "port": SERVICE_PORT, "weight": weight}


def duration(text: str) -> str:
    """A length of time as the Gateway API writes it (GEP-2257): `1h30m`, `500ms`; days and weeks in hours."""
    left = round(seconds(text) * 1000)
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
