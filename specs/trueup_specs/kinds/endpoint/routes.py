"""Which requests go where: the routes of all endpoints and gateways. Called by the rules of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Index, derived
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.gateway.spec import GatewaySpec

_IMPLICIT = "gateway"
"""The name of the gateway that is made for a namespace without one."""


@dataclass(frozen=True, slots=True)
class RouteUse:
    """One host of one route: which document says so, and where."""

    gateway: Key
    host: str
    prefix: str
    key: Key
    path: Path
    environments: frozenset[str] | None

    def rivals(self, index: Index) -> list[RouteUse]:
        """The other routes that match the same requests in the same environment."""
        found = derived(index, _by_match).get((self.gateway, self.host, self.prefix), ())
        return [use for use in found if (use.key, use.path) != (self.key, self.path) and self._meets(use)]

    def _meets(self, other: RouteUse) -> bool:
        if self.environments is None or other.environments is None:
            return True
        return bool(self.environments & other.environments)

    def words(self) -> str:
        """The route as a person would say it."""
        return f"{self.prefix!r}{f' at {self.host!r}' if self.host != '*' else ''} of {self.gateway}"


def _by_match(index: Index) -> dict[tuple[Key, str, str], list[RouteUse]]:
    found: dict[tuple[Key, str, str], list[RouteUse]] = {}
    for kind in ("Endpoint", "Gateway"):
        for document in index.of_kind(kind):
            for use in routes(document, index):
                found.setdefault((use.gateway, use.host, use.prefix), []).append(use)
    return found


def _first_gateways(index: Index) -> dict[str, Key]:
    """The gateway of each namespace that endpoints without one are bound to."""
    found: dict[str, Key] = {}
    for key in sorted(document.key for document in index.of_kind("Gateway")):
        found.setdefault(key.namespace, key)
    return found


def routes(document: Document, index: Index) -> Iterator[RouteUse]:
    """The routes that an endpoint or a gateway declares, one for each host."""
    spec = document.spec
    limits = document.metadata.environments
    environments = frozenset(limits) if limits is not None else None
    if isinstance(spec, EndpointSpec):
        gateway = _gateway_of(spec, document, index)
        prefix = _normal(spec.route.path or f"/{document.key.name}")
        for host in spec.route.hosts or ("*",):
            yield RouteUse(gateway, host.lower(), prefix, document.key, ("spec", "route", "path"), environments)
    elif isinstance(spec, GatewaySpec):
        for position, route in enumerate(spec.routes):
            for host in route.hosts or ("*",):
                path: Path = ("spec", "routes", position, "path")
                yield RouteUse(document.key, host.lower(), _normal(route.path), document.key, path, environments)


def _gateway_of(spec: EndpointSpec, document: Document, index: Index) -> Key:
    namespace = document.key.namespace
    if spec.route.gateway is not None:
        return Key("Gateway", *qualified(spec.route.gateway, namespace))
    return derived(index, _first_gateways).get(namespace) or Key("Gateway", namespace, _IMPLICIT)


def _normal(path: str) -> str:
    return path.rstrip("/") or "/"
