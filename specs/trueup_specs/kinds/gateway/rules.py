"""Rules of `kind: Gateway` (TRU1800 to TRU1829)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.positions import Path
from trueup_specs.core.references import qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples, repeated
from trueup_specs.kinds.endpoint.routes import routes
from trueup_specs.kinds.envelope.hosts import host_findings
from trueup_specs.kinds.gateway.spec import GatewaySpec, RetryPolicy

_ENDPOINTS = """
    kind: Model
    metadata: {name: churn}
    spec: {source: {uri: "models:/churn/3"}, task: classification}
    ---
    kind: Endpoint
    metadata: {name: old}
    spec: {model: {name: churn}}
    ---
    kind: Endpoint
    metadata: {name: new}
    spec: {model: {name: churn}}
    """


def _gateway(rest: str) -> str:
    """An example: a gateway with these fields, and two endpoints."""
    return examples(f"kind: Gateway\nmetadata: {{name: door}}\nspec:\n{rest}", _ENDPOINTS)


_GOOD = _gateway("""\
  listeners: [{name: http, port: 8080}, {name: inner, port: 8081}]
  routes:
    - path: /churn
      hosts: [api.example.com]
      backends: [{endpoint: old, weight: 90}, {endpoint: new, weight: 10}]
      timeout: 10s
      retries: {attempts: 2, perTryTimeout: 3s}""")


class WeightsNotWhole(SpecRule[GatewaySpec]):
    """The weights of a route's backends must add to 100."""

    code = "TRU1800"
    reason = "They are percent of the requests; another sum is, as a rule, a mistake in one of them."
    good = _GOOD
    bad = _gateway("""\
  routes:
    - path: /churn
      backends: [{endpoint: old, weight: 90}, {endpoint: new, weight: 20}]
#               ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, route in enumerate(spec.routes):
            total = sum(backend.weight for backend in route.backends)
            if total != 100:
                yield Finding(
                    ("spec", "routes", position, "backends"),
                    f"The weights of the route {route.path!r} add to {total}, not to 100.",
                    fix=f"{'Take' if total > 100 else 'Add'} {abs(total - 100)} {'from' if total > 100 else 'to'} one of them.",
                )


class BackendTwice(SpecRule[GatewaySpec]):
    """A route must name each endpoint once."""

    code = "TRU1801"
    reason = "Its share would be the sum, which nobody reads there."
    good = _GOOD
    bad = _gateway("""\
  routes:
    - path: /churn
      backends: [{endpoint: old, weight: 90}, {endpoint: old, weight: 10}]
#                                                        ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, route in enumerate(spec.routes):
            keys = [qualified(backend.endpoint, document.key.namespace) for backend in route.backends]
            for place, _, (_, name) in repeated(keys):
                yield Finding(
                    ("spec", "routes", position, "backends", place, "endpoint"),
                    f"The endpoint {name!r} is a backend of the route {route.path!r} twice.",
                    fix="Remove one of them, and give the other its weight.",
                )


class ListenerTwice(SpecRule[GatewaySpec]):
    """Listeners must have different names, and different addresses and ports."""

    code = "TRU1802"
    reason = "Only one of them could listen there."
    good = _GOOD
    bad = _gateway(
        "  listeners: [{name: http, port: 8080}, {name: inner, port: 8080}]\n#                                                           ^"
    )

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for place, _, name in repeated(listener.name for listener in spec.listeners):
            path: Path = ("spec", "listeners", place, "name")
            yield Finding(path, f"Two listeners are called {name!r}.", fix="Give each a name of its own.")
        fixed = [position for position, listener in enumerate(spec.listeners) if listener.port is not None]
        places = [(spec.listeners[p].address, spec.listeners[p].port) for p in fixed]
        for number, _, (address, port) in repeated(places):
            yield Finding(
                ("spec", "listeners", fixed[number], "port"),
                f"Two listeners use port {port} of {address}.",
                fix="Give each a port of its own, or leave `port` out for a free one.",
            )


class ListenerNone(SpecRule[GatewaySpec]):
    """A gateway must have a listener."""

    code = "TRU1803"
    reason = "Nobody could reach it."
    good = _GOOD
    bad = _gateway("  listeners: []\n#            ^")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        if not spec.listeners:
            yield Finding(
                ("spec", "listeners"),
                "The gateway listens nowhere.",
                fix="Leave `listeners` out for a free port of this machine, or add one.",
            )


class AddressMalformed(SpecRule[GatewaySpec]):
    """A listener's `address` must be an IP address."""

    code = "TRU1804"
    reason = "Envoy binds to addresses, not to names."
    good = _GOOD
    bad = _gateway("  listeners: [{address: localhost, port: 8080}]\n#                       ^")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, listener in enumerate(spec.listeners):
            try:
                ipaddress.ip_address(listener.address)
            except ValueError:
                yield Finding(
                    ("spec", "listeners", position, "address"),
                    f"{listener.address!r} is no IP address.",
                    fix="Write `127.0.0.1` for this machine, or `0.0.0.0` for all its networks.",
                )


def _ports(index: Index) -> dict[tuple[str, int], list[tuple[Document, int]]]:
    found: dict[tuple[str, int], list[tuple[Document, int]]] = {}
    for gateway in index.of_kind("Gateway"):
        assert isinstance(gateway.spec, GatewaySpec)
        for position, listener in enumerate(gateway.spec.listeners):
            if listener.port is not None:
                found.setdefault((listener.address, listener.port), []).append((gateway, position))
    return found


class PortTaken(SpecRule[GatewaySpec]):
    """Two gateways of an environment must not listen at the same address and port."""

    code = "TRU1805"
    reason = "Only the first could start."
    good = _GOOD
    bad = """
        kind: Gateway
        metadata: {name: door}
        spec: {listeners: [{port: 8080}]}
        #                         ^
        ---
        kind: Gateway
        metadata: {name: gate}
        spec: {listeners: [{port: 8080}]}
        #                         ^
        """

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, listener in enumerate(spec.listeners):
            if listener.port is None:
                continue
            for other, place in derived(index, _ports)[(listener.address, listener.port)]:
                if other.key != document.key and _meet(document, other):
                    yield Finding(
                        ("spec", "listeners", position, "port"),
                        f"{other.key} also listens at port {listener.port} of {listener.address}.",
                        fix="Choose another port, or leave `port` out for a free one.",
                        related=((other.key, ("spec", "listeners", place, "port"), "The other listener."),),
                    )


def _meet(one: Document, other: Document) -> bool:
    first, second = one.metadata.environments, other.metadata.environments
    return first is None or second is None or bool(set(first) & set(second))


class RouteTaken(SpecRule[GatewaySpec]):
    """Two routes of a gateway must not match the same requests."""

    code = "TRU1806"
    reason = "Only the first of them would be given requests."
    good = _GOOD
    bad = _gateway("""\
  routes:
    - {path: /churn, backends: [{endpoint: old}]}
#            ^
    - {path: /churn, backends: [{endpoint: new}]}
#            ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for mine in routes(document, index):
            for other in mine.rivals(index):
                yield Finding(
                    mine.path,
                    f"{mine.words()} is also the route of {'another entry' if other.key == mine.key else other.key}.",
                    fix="Give one of them another path or other hosts.",
                    related=((other.key, other.path, "The other route."),),
                )


class RouteHost(SpecRule[GatewaySpec]):
    """`hosts` of a route must be host names, each once."""

    code = "TRU1807"
    reason = "No request would ever match another text."
    good = _GOOD
    bad = _gateway("""\
  routes: [{path: /churn, hosts: ["api.example.com:8080"], backends: [{endpoint: old}]}]
#                                 ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, route in enumerate(spec.routes):
            yield from host_findings(route.hosts, ("spec", "routes", position, "hosts"))


class TryLongerThanAll(SpecRule[GatewaySpec]):
    """`perTryTimeout` must be more than nothing and below the route's timeout."""

    code = "TRU1808"
    reason = "The first try would take all the time, and nothing would be tried again."
    good = _GOOD
    bad = _gateway("""\
  routes: [{path: /churn, backends: [{endpoint: old}], timeout: 5s, retries: {perTryTimeout: 5s}}]
#                                                                                            ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, route in enumerate(spec.routes):
            each, whole = route.retries.per_try_timeout, route.timeout
            if each is not None and not 0 < seconds(each) < seconds(whole):
                yield Finding(
                    ("spec", "routes", position, "retries", "perTryTimeout"),
                    f"A try may take {each}, and the whole request {whole}.",
                    fix="Lower `perTryTimeout`, or raise `timeout`.",
                )


def _policies(spec: GatewaySpec) -> Iterator[tuple[Path, RetryPolicy]]:
    yield ("spec", "retries"), spec.retries
    for position, route in enumerate(spec.routes):
        yield ("spec", "routes", position, "retries"), route.retries


class RetryOnNothing(SpecRule[GatewaySpec]):
    """`retries.on` must name at least one reason, each once, where there are attempts."""

    code = "TRU1809"
    reason = "Without a reason no request is sent again."
    good = _GOOD
    bad = _gateway("  retries: {attempts: 3, on: []}\n#                            ^")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, policy in _policies(spec):
            if policy.attempts > 0 and not policy.on:
                yield Finding(
                    (*path, "on"),
                    f"There are {policy.attempts} attempts and no reason for any.",
                    fix="Name a reason such as `connect-failure`, or write `attempts: 0`.",
                )
            for place, _, name in repeated(policy.on):
                yield Finding((*path, "on", place), f"The reason {name!r} stands twice.", fix="Remove one of them.")


class TimeoutZero(SpecRule[GatewaySpec]):
    """A route's `timeout` must be more than nothing."""

    code = "TRU1810"
    reason = "Envoy reads 0 as no limit, so a stuck request would stay for ever."
    good = _GOOD
    bad = _gateway("""\
  routes: [{path: /churn, backends: [{endpoint: old}], timeout: 0s}]
#                                                               ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, route in enumerate(spec.routes):
            if seconds(route.timeout) == 0:
                yield Finding(
                    ("spec", "routes", position, "timeout"),
                    f"The route {route.path!r} has no time for a request.",
                    fix="Write the longest time that a request may take, such as `30s`.",
                )


class HealthTimes(SpecRule[GatewaySpec]):
    """A health check's interval and timeout must be more than nothing, and the timeout at most the interval."""

    code = "TRU1811"
    reason = "A check would begin before the last one ended, or never be answered in time."
    good = _GOOD
    bad = _gateway("  healthCheck: {interval: 1s, timeout: 5s}\n#                                      ^")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        check = spec.health_check
        interval, timeout = seconds(check.interval), seconds(check.timeout)
        zero = next((f for f, value in (("interval", interval), ("timeout", timeout)) if value == 0), None)
        if zero is not None:
            path: Path = ("spec", "healthCheck", zero)
            yield Finding(path, f"The {zero} of the health check is no time.", fix="Write a time such as `2s`.")
        elif timeout > interval:
            yield Finding(
                ("spec", "healthCheck", "timeout" if "timeout" in check.model_fields_set else "interval"),
                f"The health check may take {check.timeout} and is made every {check.interval}.",
                fix="Lower `timeout`, or raise `interval`.",
            )


class HealthPath(SpecRule[GatewaySpec]):
    """The path of the health check must begin with `/`."""

    code = "TRU1812"
    reason = "Servers answer paths only; all of them would count as ill."
    good = _GOOD
    bad = _gateway("  healthCheck: {path: v2/health/ready}\n#                     ^")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        path = spec.health_check.path
        if not path.startswith("/") or any(char.isspace() for char in path):
            yield Finding(
                ("spec", "healthCheck", "path"),
                f"{path!r} is no path of a server.",
                fix="Write `/v2/health/ready`; that is also the default.",
            )


class CertificateMissing(SpecRule[GatewaySpec]):
    """A listener of the protocol HTTPS needs `tls`, no other has it, and who asks an issuer for a certificate names a host."""

    code = "TRU1813"
    reason = "Without a certificate nobody could connect, and without HTTPS nobody would be shown it."
    good = _gateway("""\
  listeners:
    - {name: web}
    - {name: secure, protocol: HTTPS, hostname: api.example.com, tls: {secretName: door-tls, clusterIssuer: letsencrypt}}""")
    bad = _gateway("""\
  listeners: [{name: secure, protocol: HTTPS}]
#                                      ^""")

    def find(self, spec: GatewaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, listener in enumerate(spec.listeners):
            place: Path = ("spec", "listeners", position)
            if listener.protocol == "HTTPS" and listener.tls is None:
                yield Finding(
                    (*place, "protocol"),
                    f"The listener {listener.name!r} has no certificate.",
                    fix="Add `tls: {secretName: NAME}`, a Secret of the type `kubernetes.io/tls`.",
                )
            if listener.tls is None:
                continue
            if listener.protocol != "HTTPS":
                yield Finding(
                    (*place, "tls"),
                    f"The listener {listener.name!r} is of the protocol {listener.protocol}, which shows no certificate.",
                    at_key=True,
                    fix="Write `protocol: HTTPS`, or remove `tls`.",
                )
            if listener.tls.cluster_issuer is not None and listener.hostname is None:
                yield Finding(
                    (*place, "tls", "clusterIssuer"),
                    f"The listener {listener.name!r} does not say for which host its certificate is.",
                    fix="Add `hostname: api.example.com` to the listener.",
                )


RULES: tuple[type[Rule], ...] = (
    CertificateMissing,
    WeightsNotWhole,
    BackendTwice,
    ListenerTwice,
    ListenerNone,
    AddressMalformed,
    PortTaken,
    RouteTaken,
    RouteHost,
    TryLongerThanAll,
    RetryOnNothing,
    TimeoutZero,
    HealthTimes,
    HealthPath,
)
