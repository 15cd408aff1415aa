"""What expressions of a namespace may name, and which alerts its monitors give. Called by rules of Monitor, AlertRoute and Dashboard.

Both are of one namespace only: Alertmanager and the operator keep namespaces apart too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Index
from trueup_specs.kinds.monitor import metrics
from trueup_specs.kinds.monitor.spec import Alert, MonitorSpec

BURN = "ErrorBudgetBurn"
"""The name of the alerts of SLOs."""
OWN_LABELS = ("alertname", "severity", "monitor", "namespace", "team", "subject", "subject_kind", "slo")
"""The labels that Trueup gives to alerts."""


@dataclass(frozen=True, slots=True)
class Fired:
    """The labels of an alert that are known before it fires, and where it is written."""

    labels: Mapping[str, str]
    document: Document
    path: tuple[str | int, ...]


def monitors(namespace: str, index: Index) -> Iterator[tuple[Document, MonitorSpec]]:
    """The monitors of a namespace."""
    for document in index.of_kind("Monitor"):
        if document.key.namespace == namespace:
            assert isinstance(document.spec, MonitorSpec)
            yield document, document.spec


def known(namespace: str, index: Index) -> frozenset[str]:
    """Every series that expressions of a namespace may name."""
    found = set(metrics.CLUSTER) | set(metrics.server_labels())
    for _, spec in monitors(namespace, index):
        found.update(spec.metrics)
        found.update(name for exporter in spec.exporters for name in exporter.metrics)
        found.update(record.record for record in spec.record)
        found.update(name for slo in spec.slos for name in metrics.slo_series(slo.window))
    return frozenset(found)


def subject(spec: MonitorSpec) -> tuple[str, str] | None:
    """The kind and the written name of what is monitored."""
    for kind, text in (("Endpoint", spec.endpoint), ("Pipeline", spec.pipeline), ("Dataset", spec.dataset)):
        if text is not None:
            return kind, text
    return None


def own_labels(document: Document, spec: MonitorSpec) -> dict[str, str]:
    """The labels of all alerts of a monitor that do not depend on where it is."""
    found = dict(spec.labels)
    if document.metadata.owner is not None:
        found["team"] = document.metadata.owner
    if (watched := subject(spec)) is not None:
        found |= {"subject_kind": watched[0], "subject": watched[1].rpartition("/")[2]}
    return {**found, "monitor": document.key.name}


def severities(alert: Alert) -> Iterator[str]:
    """Those that it fires with."""
    if alert.thresholds:
        yield from (t.severity for t in alert.thresholds)
    else:
        yield alert.severity or "warning"


def fired(namespace: str, index: Index) -> Iterator[Fired]:
    """Every alert that the monitors of a namespace can give."""
    for document, spec in monitors(namespace, index):
        labels = own_labels(document, spec)
        for position, alert in enumerate(spec.alerts):
            for severity in severities(alert):
                found = {**labels, **alert.labels, "severity": severity, "alertname": alert.alert}
                yield Fired(found, document, ("spec", "alerts", position))
        for position, slo in enumerate(spec.slos):
            for severity in (slo.page, slo.ticket):
                found = {**labels, "severity": severity, "alertname": BURN, "slo": slo.name}
                yield Fired(found, document, ("spec", "slos", position))
