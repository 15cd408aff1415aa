"""`kind: Dashboard`: what people look at. Terms of Grafana."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, SpecModel
from trueup_specs.core.references import EndpointRef, MonitorRef

Preset = Literal[
    "requests", "errors", "latency", "concurrency", "cpu", "memory", "replicas", "burnRate", "errorBudget", "alerts"
]


class PanelTarget(SpecModel):
    """A query of a panel."""

    expr: str = Field(min_length=1)
    """In PromQL. `${{ namespace }}` is the cluster's namespace of the dashboard (of its endpoint's, where the panel has one), `${{ name }}`
    the endpoint's or the monitor's name; `$NAME` a variable, `$__rate_interval` Grafana's own."""
    legend_format: str = ""
    """Such as `{{pod}}`."""


class PanelThreshold(SpecModel):
    """The colour from a value on."""

    value: int | float | None = None
    """None for the first, which is below all others."""
    color: Literal["green", "yellow", "orange", "red", "blue", "purple"]


class GridPos(SpecModel):
    """Where a panel stands, on 24 columns."""

    x: int = Field(ge=0, le=23)
    y: int = Field(ge=0)
    w: int = Field(ge=1, le=24)
    h: int = Field(ge=1, le=100)


class Panel(SpecModel):
    """A part of a dashboard: queries of one's own, or a preset over an endpoint or an SLO."""

    title: str = Field(min_length=1)
    type: Literal["timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "text"] = "timeseries"
    description: str = ""
    endpoint: EndpointRef | None = None
    monitor: MonitorRef | None = None
    slo: Name | None = None
    """An SLO of `monitor`."""
    preset: Preset | None = None
    """Of an `endpoint`: its rate, errors and duration of requests, and what its servers use. Of an `slo`: how its budget is spent. Of a
    `monitor`: its alerts that are pending or fire."""
    targets: Items[PanelTarget] = ()
    content: str | None = None
    """Markdown of a `text`."""
    unit: str | None = None
    """Grafana's name of a unit, such as `s`, `reqps`, `percentunit`, `bytes`; a preset has its own."""
    decimals: int | None = Field(default=None, ge=0, le=10)
    min: int | float | None = None
    max: int | float | None = None
    thresholds: Items[PanelThreshold] = ()
    grid_pos: GridPos | None = None
    """By default two in a row, below those that have a place."""


class Variable(SpecModel):
    """A choice at the top: the values of a label, or a list."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    label: str | None = None
    query: str | None = None
    """Such as `label_values(up, pod)`."""
    options: Items[str] = ()
    multi: bool = False
    include_all: bool = False


class DashboardTime(SpecModel):
    """What is shown at first, such as `now-6h` to `now`."""

    from_: str = Field(default="now-6h", alias="from", pattern=r"^now(?:-\d+[smhdwMy])?$")
    to: str = Field(default="now", pattern=r"^now(?:-\d+[smhdwMy])?$")


class DashboardSpec(SpecModel):
    """What people look at."""

    title: str | None = None
    """By default the name."""
    tags: Items[str] = ()
    folder: str | None = None
    """The folder of Grafana's sidecar (its annotation `grafana_folder`)."""
    refresh: Duration | None = "1m"
    time: DashboardTime = Field(default_factory=DashboardTime)
    timezone: Literal["browser", "utc"] = "browser"
    variables: Items[Variable] = ()
    panels: Items[Panel] = Field(min_length=1)
    description: str = ""
