"""The panels of a dashboard in Grafana's JSON: queries as they are written, and the presets over endpoints, SLOs and monitors."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.dashboard.spec import GridPos, Panel, PanelTarget, PanelThreshold
from trueup_specs.kinds.monitor import metrics
from trueup_specs.kinds.monitor.promql import filled
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import naming

SOURCE = "datasource"
DATA_SOURCE = {"type": "prometheus", "uid": f"${{{SOURCE}}}"}


@dataclass(frozen=True, slots=True)
class _Preset:
    """Queries with `NAMESPACE` and so on in them, and the unit of what they give."""

    targets: tuple[tuple[str, str], ...]
    unit: str = "short"
    min: float | None = None
    max: float | None = None


_PODS = 'namespace="NAMESPACE",model_name="NAME"'
_JOB = 'job="NAMESPACE/NAME"'
"""What a PodMonitor is called as a job: the endpoint's servers, whatever they export."""
_SLO = '{slo="SLO",monitor="MONITOR",namespace="NAMESPACE"}'
_OVER = "[$__rate_interval]"
_QUANTILES = ("0.5", "0.95", "0.99")

_PRESETS: dict[str, _Preset] = {
    "requests": _Preset(
        ((f"sum by (outcome) (rate({metrics.REQUESTS}{{{_PODS}}}{_OVER}))", "{{outcome}}"),), "reqps", min=0
    ),
    "errors": _Preset(
        (
            (
                f'sum(rate({metrics.REQUESTS}{{{_PODS},outcome=~"{"|".join(metrics.FAILED)}"}}{_OVER}))'
                f" / sum(rate({metrics.REQUESTS}{{{_PODS}}}{_OVER}))",
                "errors",
            ),
        ),
        "percentunit",
        min=0,
    ),
    "latency": _Preset(
        tuple(
            (
                f"histogram_quantile({q}, sum by (le) (rate({metrics.PREDICT}_bucket{{{_PODS}}}{_OVER})))",
                f"p{float(q) * 100:g}",
            )
            for q in _QUANTILES
        ),
        "s",
        min=0,
    ),
    "concurrency": _Preset(((f"sum by (pod) (rate({metrics.PREDICT}_sum{{{_PODS}}}{_OVER}))", "{{pod}}"),), min=0),
    "cpu": _Preset(((f"sum by (pod) (rate(process_cpu_seconds_total{{{_JOB}}}{_OVER}))", "{{pod}}"),), min=0),
    "memory": _Preset(((f"sum by (pod) (process_resident_memory_bytes{{{_JOB}}})", "{{pod}}"),), "bytes", min=0),
    "replicas": _Preset(((f"sum(up{{{_JOB}}})", "up"),), min=0),
    "burnRate": _Preset(((f"{metrics.BURN_RATE}{_SLO}", "burn rate"),), min=0),
    "errorBudget": _Preset(((f"{metrics.REMAINING}{_SLO}", "left"),), "percentunit", max=1),
    "alerts": _Preset((('ALERTS{monitor="MONITOR",namespace="NAMESPACE"}', "{{alertname}} {{severity}}"),)),
}


def preset(name: str, values: dict[str, str]) -> list[PanelTarget]:
    """The queries of a preset."""
    found = []
    for expr, legend in _PRESETS[name].targets:
        for word, value in values.items():
            expr = expr.replace(word, value)
        found.append(PanelTarget(expr=expr, legend_format=legend))
    return found


def panel(number: int, given: Panel, place: GridPos, document: Document, catalog: Catalog) -> dict[str, Any]:
    """A panel as Grafana reads it."""
    found: dict[str, Any] = {
        "id": number,
        "title": given.title,
        "description": given.description,
        "type": given.type,
        "gridPos": place.model_dump(),
    }
    if given.type == "text":
        return {**found, "options": {"mode": "markdown", "content": given.content or ""}}
    return {
        **found,
        "datasource": DATA_SOURCE,
        "targets": [_target(n, t, given) for n, t in enumerate(_targets(given, document, catalog))],
        "fieldConfig": {"defaults": _defaults(given), "overrides": []},
        "options": _options(given),
    }


def _targets(given: Panel, document: Document, catalog: Catalog) -> list[PanelTarget]:
    at, name = document, document.key.name
    if given.endpoint is not None:
        at = catalog.bound(document, "Endpoint", given.endpoint)
        name = at.key.name
    elif given.monitor is not None:
        at = catalog.bound(document, "Monitor", given.monitor)
        name = at.key.name
    namespace = naming.namespace(at, catalog)
    if given.preset is not None:
        monitor = catalog.bound(document, "Monitor", given.monitor).key.name if given.monitor is not None else ""
        words = {"NAMESPACE": namespace, "NAME": name, "SLO": given.slo or "", "MONITOR": monitor}
        return preset(given.preset, words)
    places = {"namespace": namespace, "name": name}
    return [t.model_copy(update={"expr": filled(t.expr, places)}) for t in given.targets]


def _target(number: int, target: PanelTarget, given: Panel) -> dict[str, Any]:
    table = given.type == "table"
    return {
        "refId": string.ascii_uppercase[number],
        "datasource": DATA_SOURCE,
        "editorMode": "code",
        "expr": target.expr,
        "legendFormat": target.legend_format or "__auto",
        "format": {"table": "table", "heatmap": "heatmap"}.get(given.type, "time_series"),
        "instant": table,
        "range": not table,
    }


def _defaults(given: Panel) -> dict[str, Any]:
    own = _PRESETS[given.preset] if given.preset is not None else _Preset((), "short")
    limits = {"min": own.min if given.min is None else given.min, "max": own.max if given.max is None else given.max}
    steps = given.thresholds or (PanelThreshold(color="green"),)
    return {
        "unit": given.unit or own.unit,
        **({"decimals": given.decimals} if given.decimals is not None else {}),
        **{name: value for name, value in limits.items() if value is not None},
        "color": {"mode": "palette-classic" if given.type == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [{"color": s.color, "value": s.value} for s in steps]},
        **({"custom": _custom(given)} if given.type == "timeseries" else {}),
    }


def _custom(given: Panel) -> dict[str, Any]:
    shown = "line" if given.thresholds else "off"
    return {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "thresholdsStyle": {"mode": shown}}


def _options(given: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match given.type:
        case "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "stat":
            return {"reduceOptions": last, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
        case "gauge" | "bargauge":
            return {"reduceOptions": last}
        case "heatmap":
            return {"calculate": False, "yAxis": {"unit": given.unit or "s"}}
        case _:
            return {}
