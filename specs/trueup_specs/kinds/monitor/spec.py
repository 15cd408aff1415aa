"""`kind: Monitor`: what is measured of an endpoint, a pipeline or a dataset, and when somebody is told.

Terms of Prometheus, and Sloth's for SLOs.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, SpecModel
from trueup_specs.core.references import DatasetRef, EndpointRef, PipelineRef

Severity = Literal["critical", "warning", "info"]
"""From the gravest down: somebody is woken, somebody looks at it on a working day, nobody is told."""


class Threshold(SpecModel):
    """A value of the alert's expression from which on it fires, by how grave it is."""

    severity: Severity
    value: int | float
    for_: Duration | None = Field(default=None, alias="for")
    """By default the alert's."""


class Alert(SpecModel):
    """A rule that fires. Terms of Prometheus' alerting rules."""

    alert: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The alert's name (`alertname`), such as `SlowAnswers`."""
    expr: str = Field(min_length=1)
    """In PromQL. `${{ namespace }}` is the cluster's namespace of the monitor, and `${{ name }}` the name of what is monitored."""
    operator: Literal[">", ">=", "<", "<="] | None = None
    """With `thresholds`: how the expression's value is compared with each."""
    thresholds: Items[Threshold] = ()
    """An alert for each severity; without any, the expression itself compares."""
    for_: Duration = Field(default="0s", alias="for")
    """How long the expression must hold before the alert fires."""
    keep_firing_for: Duration | None = None
    """How long it goes on after the expression last held."""
    severity: Severity | None = None
    """The label `severity` of an alert without `thresholds`; by default `warning`."""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    """For people: `summary`, `description`, `runbook_url`. Templates of Prometheus, such as `{{ $value }}`."""


class Record(SpecModel):
    """A series that is computed ahead. Terms of Prometheus' recording rules."""

    record: str = Field(min_length=1)
    """Its name, as `level:metric:operations`."""
    expr: str = Field(min_length=1)
    """In PromQL, as that of an alert."""
    labels: dict[str, str] = Field(default_factory=dict)


class Events(SpecModel):
    """An indicator that is counted by queries of one's own. Terms of Sloth."""

    error_query: str = Field(min_length=1)
    """The events that went wrong, over `[${{ window }}]`."""
    total_query: str = Field(min_length=1)
    """All events, over `[${{ window }}]`."""


class Slo(SpecModel):
    """A service level objective: series for each window, and alerts by how quickly the error budget is spent.

    Windows and burn rates are those of the Site Reliability Workbook, chapter 5, for 2 %, 5 % (page) and 10 % (ticket) of the budget.
    """

    name: Name
    objective: float = Field(gt=0, lt=100)
    """Percent of the events that must be good."""
    window: Literal["28d", "30d", "90d"] = "30d"
    """The time over which they are counted."""
    indicator: Literal["availability", "latency", "events"]
    """Good are: answers that are no error of the server's, answers within `threshold`, or what `events` counts."""
    threshold: Duration | None = None
    """Of `latency`. A bound of the histogram's buckets, since nothing between them is known."""
    events: Events | None = None
    page: Severity = "critical"
    """The severity of the alert that the budget is spent within days."""
    ticket: Severity = "warning"
    """The severity of the alert that it is spent before the window ends."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Added to those of both alerts, such as `runbook_url`."""


class Exporter(SpecModel):
    """Pods of the monitor's namespace that export metrics and are no endpoint's. Terms of the Prometheus operator."""

    name: Name
    match_labels: dict[str, str] = Field(min_length=1)
    """The labels of the pods or, by `service`, of the Service in front of them."""
    via: Literal["pod", "service"] = "pod"
    """Whether pods are found by themselves (a PodMonitor) or through a Service (a ServiceMonitor)."""
    port: Name = "metrics"
    """The name of the port of the pods or of the Service."""
    path: str = Field(default="/metrics", pattern=r"^/\S*$")
    scheme: Literal["http", "https"] = "http"
    metrics: Items[str] = ()
    """What it exports, so that expressions may name it."""


class MonitorSpec(SpecModel):
    """What is measured of an endpoint, a pipeline or a dataset, and when somebody is told."""

    endpoint: EndpointRef | None = None
    """What is monitored: one of these three, or none where `exporters` are."""
    pipeline: PipelineRef | None = None
    dataset: DatasetRef | None = None
    interval: Duration = "30s"
    """How often rules are evaluated."""
    scrape_interval: Duration | None = None
    """How often the metrics of the endpoint and of `exporters` are read; by default as Prometheus is configured."""
    scrape_timeout: Duration | None = None
    exporters: Items[Exporter] = ()
    metrics: Items[str] = ()
    """Further metrics that the cluster's Prometheus has, so that expressions may name them."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of all alerts, beside `severity`, `monitor`, `namespace`, `team` (the owner), `subject` and `subject_kind`."""
    record: Items[Record] = ()
    alerts: Items[Alert] = ()
    slos: Items[Slo] = ()
    description: str = ""
