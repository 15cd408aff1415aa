"""How an endpoint's pods are reached and who may reach them, and what a namespace may reach itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.environment.cluster import Egress
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import meshes, naming, registry_address, rollouts, tokens
from trueup_stacks.kubernetes.containers import PORT

PROMETHEUS_NAMESPACE = "monitoring"
SERVICE_PORT = 80
GATEWAY_PODS = "gateway.networking.k8s.io/gateway-name"
"""The label that the Gateway API gives to the pods of a gateway (GEP-1762)."""
_NAME = "kubernetes.io/metadata.name"
_DNS: list[Value] = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
EVERYWHERE = "0.0.0.0/0"
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433, "redis": 6379}
"""Where a server listens whose URL names no port, by its scheme."""


def services(document: Document, spec: EndpointSpec) -> Iterator[tuple[str, dict[str, Value]]]:
    """The end of each Service's name, and its properties.

    Blue-green has a second one, for the version that waits. Which pods these two lead to is the controller's alone: a selector is owned as
    a whole, and one that is written here would lead to both versions until the controller sees it.
    """
    if spec.rollout.strategy == "blueGreen":
        for suffix in ("", rollouts.PREVIEW):
            yield suffix, service({})
    else:
        yield "", service(naming.selector(document))


def service(selector: dict[str, str]) -> dict[str, Value]:
    """A Service that leads to the port `http` of pods."""
    port = {
        "name": "http",
        "port": SERVICE_PORT,
        "targetPort": "http",
        "protocol": "TCP",
        "appProtocol": "http",
    }
    return {"spec": {"type": "ClusterIP", **({"selector": selector} if selector else {}), "ports": [port]}}


def service_of(endpoint: Document) -> str:
    """The name of the Service that answers for an endpoint; KServe gives its own a name of its own."""
    spec = endpoint.spec
    assert isinstance(spec, EndpointSpec)
    return f"{endpoint.key.name}-predictor" if spec.serving == "kserve" else endpoint.key.name


def admitted(document: Document, catalog: Catalog) -> dict[str, Value]:
    """The NetworkPolicy of an endpoint's pods: their namespace, the gateway and Prometheus; without a gateway, the environment."""
    cluster = naming.cluster(catalog)
    sources: list[Value] = [{"podSelector": {}}]
    sources.append(gateways(catalog) or {"namespaceSelector": environment(catalog)})
    if cluster.prometheus is not None or "prometheus-operator" in cluster.components:
        sources.append(prometheus(catalog))
    ports = [PORT, *meshes.ports(catalog)]
    rule = {"from": sources, "ports": [{"port": port, "protocol": "TCP"} for port in ports]}
    pods = {"matchLabels": naming.selector(document)}
    return {"spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [rule]}}


def gateways(catalog: Catalog) -> dict[str, Value]:
    """Where the pods of the cluster's gateways are, as a peer of a policy; nothing where the environment names none."""
    given = naming.cluster(catalog).gateway
    if given is None:
        return {}
    if given.namespace is not None:
        return namespace(given.namespace)
    pods = {"matchExpressions": [{"key": GATEWAY_PODS, "operator": "Exists"}]}
    return {"namespaceSelector": environment(catalog), "podSelector": pods}


def prometheus(catalog: Catalog) -> dict[str, Value]:
    """Where the cluster's Prometheus reads metrics from, as a peer of a policy."""
    server = naming.cluster(catalog).prometheus
    return namespace((server.namespace if server is not None else None) or PROMETHEUS_NAMESPACE)


def entered(gateway: Document) -> dict[str, Value]:
    """The way to a gateway's own pods, where they run in its namespace: what they are for is to be reached."""
    pods = {"matchLabels": {GATEWAY_PODS: gateway.key.name}}
    return {"spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [{}]}}


def closed() -> dict[str, Value]:
    """Nothing comes into a namespace and nothing leaves it but what another policy opens."""
    return {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}


def opened(catalog: Catalog) -> dict[str, Value]:
    """What the pods of a namespace may reach: DNS, the environment's namespaces, the mesh, the registry, and what the environment
    opens."""
    cluster = naming.cluster(catalog)
    rules: list[Value] = [
        {"to": [namespace("kube-system")], "ports": _DNS},
        {"to": [{"podSelector": {}}, {"namespaceSelector": environment(catalog)}]},
    ]
    if cluster.mesh is not None:
        rules.append({"to": [namespace(meshes.namespace(cluster.mesh))]})
    openings = list(cluster.namespaces.egress)
    if catalog.settings.registry.server is None and not any(o.name == "registry" for o in openings):
        rules += way(registry_address.tracking_uri(catalog))
    rules += [opened_by(o) for o in openings]
    return {"spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": rules}}


def way(uri: str) -> Iterator[Value]:
    """The way to a URL. A policy knows no names: outside the cluster, its port is opened to all addresses."""
    url = urlsplit(uri)
    scheme = url.scheme.partition("+")[0]
    if url.hostname is None or scheme not in PORTS:
        return
    port: Value = {"port": url.port or PORTS[scheme], "protocol": "TCP"}
    parts = url.hostname.split(".")
    if len(parts) > 2 and parts[2] == "svc":
        yield {"to": [namespace(parts[1])]}  # a policy sees the port of the pods, which the Service may not have
        return
    try:
        address = ipaddress.ip_address(url.hostname)
        network = f"{address}/{address.max_prefixlen}"
    except ValueError:
        network = EVERYWHERE
    yield {"to": [{"ipBlock": {"cidr": network}}], "ports": [port]}


def opened_by(opening: Egress) -> Value:
    """What an opening of a spec lets through."""
    to = namespace(opening.namespace) if opening.namespace is not None else {"ipBlock": {"cidr": opening.cidr}}
    ports = [{"port": port, "protocol": "TCP"} for port in opening.ports]
    return {"to": [to], **({"ports": ports} if ports else {})}


def namespace(name: str) -> dict[str, Value]:
    """A namespace of the cluster, as a peer of a policy."""
    return {"namespaceSelector": {"matchLabels": {_NAME: name}}}


def environment(catalog: Catalog) -> dict[str, Value]:
    """A selector of the environment's namespaces; where the platform keeps them, Trueup's label may be missing, and all are meant."""
    if not naming.cluster(catalog).namespaces.manage:
        return {}
    return {"matchLabels": {naming.ENVIRONMENT: catalog.environment}}


def budget(selector: dict[str, str]) -> tuple[str, dict[str, Value]]:
    """The PodDisruptionBudget: one replica at a time leaves a drained node, and a broken one holds up no drain."""
    pods = {"matchLabels": selector}
    spec = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": pods}
    return tokens.DISRUPTION_BUDGET, {"spec": spec}
