"""What reads metrics and judges them: PodMonitors of endpoints, and a `Monitor` as a PrometheusRule with what reads its exporters.

An endpoint's servers are read by the one PodMonitor that goes with the endpoint, whoever monitors it, so that nothing is counted twice.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.references import qualified
from trueup_specs.kinds.monitor import series
from trueup_specs.kinds.monitor.promql import filled
from trueup_specs.kinds.monitor.spec import Alert, Exporter, MonitorSpec, Threshold
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal
from trueup_stacks.kubernetes import components, naming, networking, pipeline, slos, tokens

SUFFIX = "-monitor"
"""Keeps a monitor's objects apart from those of an endpoint of the same name."""
_COMPONENT = "monitor"
_LONGEST = 63 - len(SUFFIX) - 1 - 20


def monitor(document: Document, catalog: Catalog) -> Iterator[tuple[str, dict[str, Value]]]:
    """The token and the properties of what reads an endpoint's servers."""
    if components.has(catalog, "prometheus-operator"):
        endpoint = {"port": "http", "path": "/metrics", "scheme": "http", **_pace(_paced(document, catalog))}
        spec = {"selector": {"matchLabels": naming.selector(document)}, "podMetricsEndpoints": [endpoint]}
        yield tokens.POD_MONITOR, {"spec": spec}


def _paced(endpoint: Document, catalog: Catalog) -> MonitorSpec | None:
    """The monitor that says how often an endpoint is read; a rule keeps them from saying different things."""
    for document in catalog.of_kind("Monitor"):
        spec = document.spec
        assert isinstance(spec, MonitorSpec)
        if spec.endpoint is None or (spec.scrape_interval is None and spec.scrape_timeout is None):
            continue
        if qualified(spec.endpoint, document.key.namespace) == (endpoint.key.namespace, endpoint.key.name):
            return spec
    return None


def _pace(spec: MonitorSpec | None) -> dict[str, Value]:
    given = {"interval": spec.scrape_interval, "scrapeTimeout": spec.scrape_timeout} if spec is not None else {}
    return {name: duration(value) for name, value in given.items() if value is not None}


def refuse_monitor(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What a monitor needs of the cluster and of what it monitors."""
    spec = document.spec
    assert isinstance(spec, MonitorSpec)
    yield from components.needed(catalog, "prometheus-operator", "spec", "a monitor is made of its PrometheusRule")
    if len(document.key.name) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"at most {_LONGEST} characters leave room for endings",
            "Rename the monitor, with metadata.movedFrom.",
        )
    if spec.pipeline is not None:
        watched_pipeline = catalog.bound(document, "Pipeline", spec.pipeline)
        if why := pipeline.elsewhere(watched_pipeline, catalog):
            yield Refusal(
                "spec.pipeline",
                f"{watched_pipeline.key} becomes nothing here: {why}",
                "Limit the monitor to other environments with metadata.environments, or write `runner: {type: jobs}`.",
            )


def emit_monitor(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The rules, and what reads the exporters."""
    spec = document.spec
    assert isinstance(spec, MonitorSpec)
    if groups := list(_groups(document, spec, catalog)):
        yield _resource(document, catalog, tokens.PROMETHEUS_RULE, {"spec": {"groups": groups}}, SUFFIX)
    for exporter in spec.exporters:
        suffix = f"{SUFFIX}-{exporter.name}"
        token, properties = _reader(exporter, spec)
        yield _resource(document, catalog, token, properties, suffix)
        if exporter.via == "pod":
            yield _resource(document, catalog, tokens.NETWORK_POLICY, _opened(exporter, catalog), suffix)


def _resource(
    document: Document, catalog: Catalog, token: str, properties: Mapping[str, Value], suffix: str
) -> Resource:
    return naming.resource(document, catalog, token, properties, suffix=suffix, component=_COMPONENT)


def _groups(document: Document, spec: MonitorSpec, catalog: Catalog) -> Iterator[dict[str, Value]]:
    """Recordings before the alerts that read them; the rules of a group are evaluated in order, at one moment."""
    fill = functools.partial(filled, values=places(document, spec, catalog))
    labels = {**series.own_labels(document, spec), "namespace": naming.namespace(document, catalog)}
    own = {k: labels[k] for k in ("monitor", "namespace")}
    rules: list[Value] = [
        *({"record": r.record, "expr": fill(r.expr), "labels": {**own, **r.labels}} for r in spec.record),
        *(rule for alert in spec.alerts for rule in _alerts(alert, fill, labels)),
    ]
    every = duration(spec.interval)
    if rules:
        yield {"name": f"{document.key.name}.rules", "interval": every, "rules": rules}
    for slo in spec.slos:
        for name, interval, of in slos.groups(slo, document, labels, fill):
            yield {"name": f"{document.key.name}.{name}", "interval": interval or every, "rules": of}


def places(document: Document, spec: MonitorSpec, catalog: Catalog) -> dict[str, str]:
    """The values of placeholders: where what is monitored stands, and its name."""
    watched = series.subject(spec)
    at = catalog.bound(document, *watched) if watched is not None else document
    return {"namespace": naming.namespace(at, catalog), "name": at.key.name}


def _alerts(alert: Alert, fill: functools.partial[str], labels: Mapping[str, str]) -> Iterator[dict[str, Value]]:
    expr = fill(alert.expr)
    if not alert.thresholds:
        yield _alert(alert, expr, alert.for_, {**labels, **alert.labels, "severity": alert.severity or "warning"})
    for threshold in alert.thresholds:
        found = {**labels, **alert.labels, "severity": threshold.severity}
        yield _alert(alert, _compared(expr, alert, threshold), threshold.for_ or alert.for_, found)


def _compared(expr: str, alert: Alert, threshold: Threshold) -> str:
    """The condition of a threshold."""
    return f"({expr}) {alert.operator} {number(threshold.value)}"


def _alert(alert: Alert, expr: str, held: str, labels: Mapping[str, str]) -> dict[str, Value]:
    found: dict[str, Value] = {"alert": alert.alert, "expr": expr, "labels": dict(labels)}
    if seconds(held):
        found["for"] = duration(held)
    if alert.keep_firing_for is not None:
        found["keep_firing_for"] = duration(alert.keep_firing_for)
    if alert.annotations:
        found["annotations"] = dict(alert.annotations)
    return found


def number(value: float) -> str:
    """A number as PromQL reads it, without an exponent."""
    return format(Decimal(str(value)).normalize(), "f")


def duration(text: str) -> str:
    """A length of time with units that fall, as Prometheus reads it: `1h30m`, and no unit twice."""
    left, parts = round(seconds(text) * 1000), []
    for unit, size in (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(left, size)
        if count and (unit != "w" or not rest):
            parts.append(f"{count}{unit}")
            left = rest
    return "".join(parts) or "0s"


def _reader(exporter: Exporter, spec: MonitorSpec) -> tuple[str, dict[str, Value]]:
    """What reads an exporter's pods, by themselves or through a Service."""
    endpoint = {"port": exporter.port, "path": exporter.path, "scheme": exporter.scheme, **_pace(spec)}
    selector = {"matchLabels": dict(exporter.match_labels)}
    if exporter.via == "service":
        return tokens.SERVICE_MONITOR, {"spec": {"selector": selector, "endpoints": [endpoint]}}
    return tokens.POD_MONITOR, {"spec": {"selector": selector, "podMetricsEndpoints": [endpoint]}}


def _opened(exporter: Exporter, catalog: Catalog) -> dict[str, Value]:
    """The way for Prometheus to the pods: what is not opened is closed."""
    rule = {"from": [networking.prometheus(catalog)], "ports": [{"port": exporter.port, "protocol": "TCP"}]}
    pods = {"matchLabels": dict(exporter.match_labels)}
    return {"spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [rule]}}
