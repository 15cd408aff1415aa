"""A `Gateway` on the target `kubernetes`: a Gateway of the Gateway API, its own routes, and leave to cross namespaces."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.gateway.spec import GatewayRoute, GatewaySpec, Listener
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal, address_of
from trueup_stacks.kubernetes import components, naming, networking, tokens
from trueup_stacks.kubernetes.routes import GROUP, own_route

_PORTS = {"HTTP": 80, "HTTPS": 443}
_ISSUER = "cert-manager.io/cluster-issuer"
"""The annotation of a Gateway by which cert-manager makes the certificates of its listeners."""
_COMPONENT = "gateway"


def refuse_gateway(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """Every reason at once."""
    spec = document.spec
    assert isinstance(spec, GatewaySpec)
    yield from components.needed(catalog, "gateway-api", "spec.listeners", "a gateway is made of the Gateway API")
    if naming.cluster(catalog).gateway is None:
        yield Refusal(
            f"Environment.{naming.where(catalog)}.gateway",
            f"environment {catalog.environment!r} does not say which GatewayClass gateways are of",
            f"Write `gateway: {{className: …}}` in {naming.where(catalog)} of Environment/{catalog.environment}; "
            "`kubectl get gatewayclasses` lists them.",
        )
    ports = [_port(listener) for listener in spec.listeners]
    if len(set(ports)) < len(ports):
        yield Refusal(
            "spec.listeners[].port",
            f"two listeners have the port {max(ports, key=ports.count)}, which is also the one of a listener that names none",
            "Give each listener a port.",
        )
    if len(issuers := _issuers(spec)) > 1:
        yield Refusal(
            "spec.listeners[].tls.clusterIssuer",
            f"cert-manager takes one issuer for all listeners of a gateway, and these name {', '.join(issuers)}",
            "Name one of them, or write a Gateway for each.",
        )


def _issuers(spec: GatewaySpec) -> list[str]:
    """The issuers that listeners name, each once."""
    named = (x.tls.cluster_issuer for x in spec.listeners if x.tls is not None)
    return list(dict.fromkeys(n for n in named if n is not None))


def _port(listener: Listener) -> int:
    return listener.port or _PORTS[listener.protocol]


def emit_gateway(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The Gateway and what is its own; the routes of endpoints go with the endpoints."""
    spec, cluster = document.spec, naming.cluster(catalog)
    assert isinstance(spec, GatewaySpec) and cluster.gateway is not None
    listeners, issuers = [_listener(x, catalog) for x in spec.listeners], _issuers(spec)
    gateway = _resource(
        document,
        catalog,
        tokens.GATEWAY,
        {"spec": {"gatewayClassName": cluster.gateway.class_name, "listeners": listeners}},
        annotations={_ISSUER: issuers[0]} if issuers else {},
    )
    yield gateway
    if cluster.gateway.namespace is None:
        yield _resource(document, catalog, tokens.NETWORK_POLICY, networking.entered(document), "-gateway")
    foreign: dict[str, set[str]] = {}
    for route in spec.routes:
        backends = list(_backends(document, route, catalog, compiled))
        for endpoint, _ in backends:
            if endpoint.key.namespace != document.key.namespace:
                foreign.setdefault(endpoint.key.namespace, set()).add(networking.service_of(endpoint))
        if backends:
            properties = own_route(document, route, backends, catalog)
            yield _resource(document, catalog, tokens.HTTP_ROUTE, properties, _ending(route), (gateway,))
    for namespace, names in sorted(foreign.items()):
        yield _grant(document, catalog, namespace, sorted(names))


def _listener(listener: Listener, catalog: Catalog) -> Value:
    kept = naming.cluster(catalog).namespaces.manage
    selector = {"matchLabels": {naming.ENVIRONMENT: catalog.environment}}
    routes = {"from": "Selector", "selector": selector} if kept else {"from": "All"}
    found: dict[str, Value] = {
        "name": listener.name,
        "port": _port(listener),
        "protocol": listener.protocol,
        "allowedRoutes": {"namespaces": routes},
    }
    if listener.hostname is not None:
        found["hostname"] = listener.hostname
    if listener.tls is not None:
        certificate = {"group": "", "kind": "Secret", "name": listener.tls.secret_name}
        found["tls"] = {"mode": "Terminate", "certificateRefs": [certificate]}
    return found


def _backends(
    document: Document, route: GatewayRoute, catalog: Catalog, compiled: Compiled
) -> Iterator[tuple[Document, int]]:
    """The endpoints that serve a version, with their weights."""
    for backend in route.backends:
        endpoint = catalog.bound(document, "Endpoint", backend.endpoint)
        if compiled.resources_of(endpoint.key):
            yield endpoint, backend.weight


def _ending(route: GatewayRoute) -> str:
    """What a route's name has at its end: its path in letters, and a digest that keeps two apart."""
    words = re.sub(r"[^a-z0-9]+", "-", route.path.lower()).strip("-")[:20].strip("-")
    digest = hashlib.sha256("\n".join((route.path, *route.hosts)).encode()).hexdigest()[:6]
    return f"-{words}-{digest}" if words else f"-{digest}"


def _grant(document: Document, catalog: Catalog, namespace: str, names: list[str]) -> Resource:
    """Leave for the gateway's routes to name Services of another namespace, in which it stands."""
    where = f"{naming.cluster(catalog).namespace_prefix}{namespace}"
    name = f"{document.key.namespace}-{document.key.name}"
    source = {"group": GROUP, "kind": "HTTPRoute", "namespace": naming.namespace(document, catalog)}
    to = [{"group": "", "kind": "Service", "name": n} for n in names]
    metadata = naming.metadata(document, catalog, name=name, component=_COMPONENT, where=where)
    return Resource(
        address_of(document, catalog, naming.LAYER, tokens.REFERENCE_GRANT, f"-{namespace}"),
        {"metadata": metadata, "spec": {"from": [source], "to": to}},
        document.key,
        naming.home(namespace, catalog),
        naming.options(document, catalog, tokens.REFERENCE_GRANT, f"-{namespace}"),
    )


def _resource(
    document: Document,
    catalog: Catalog,
    token: str,
    properties: Value,
    suffix: str = "",
    after: tuple[Resource, ...] = (),
    annotations: Mapping[str, str] = MappingProxyType({}),
) -> Resource:
    metadata = naming.metadata(document, catalog, name=document.key.name + suffix, component=_COMPONENT)
    metadata["annotations"] |= annotations
    return Resource(
        address_of(document, catalog, naming.LAYER, token, suffix),
        {"metadata": metadata, **properties},
        document.key,
        (*naming.home(document.key.namespace, catalog), *(r.address for r in after)),
        naming.options(document, catalog, token, suffix),
    )
