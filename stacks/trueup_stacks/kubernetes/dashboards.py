"""A `Dashboard` as a ConfigMap with Grafana's JSON, which Grafana's sidecar finds by its label. Panels are made by `panels`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.dashboard.spec import DashboardSpec, GridPos, Panel, Variable
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal
from trueup_stacks.kubernetes import components, naming, panels, tokens
from trueup_stacks.kubernetes.monitoring import duration

SUFFIX = "-dashboard"
_COMPONENT = "dashboard"
_LONGEST = 63 - len(SUFFIX)
_SCHEMA = 41
"""The version of Grafana's dashboard schema (Grafana 11)."""
_LABEL = "grafana_dashboard"
_FOLDER = "grafana_folder"
"""What the sidecar of Grafana's Helm chart looks for."""


def refuse_dashboard(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What a dashboard needs of the cluster."""
    yield from components.needed(
        catalog, "prometheus-operator", "spec", "dashboards are shown by the Grafana of the kube-prometheus-stack"
    )
    if len(document.key.name) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"at most {_LONGEST} characters leave room for endings",
            "Rename the dashboard, with metadata.movedFrom.",
        )


def emit_dashboard(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The ConfigMap."""
    spec = document.spec
    assert isinstance(spec, DashboardSpec)
    text = json.dumps(_dashboard(document, spec, catalog), indent=1, ensure_ascii=False, sort_keys=True)
    properties: dict[str, Value] = {"data": {f"{naming.namespace(document, catalog)}-{document.key.name}.json": text}}
    if spec.folder is not None:
        properties["metadata"] = {"annotations": {_FOLDER: spec.folder}}
    made = naming.resource(document, catalog, tokens.CONFIG_MAP, properties, suffix=SUFFIX, component=_COMPONENT)
    metadata = made.properties["metadata"]
    labelled = {**metadata, "labels": {**metadata["labels"], _LABEL: "1"}}
    yield replace(made, properties={**made.properties, "metadata": labelled})


def _dashboard(document: Document, spec: DashboardSpec, catalog: Catalog) -> dict[str, Any]:
    return {
        "uid": _uid(document, catalog),
        "title": spec.title or document.key.name,
        "description": spec.description,
        "tags": ["trueup", *spec.tags],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "graphTooltip": 1,
        "refresh": duration(spec.refresh) if spec.refresh is not None else "",
        "time": {"from": spec.time.from_, "to": spec.time.to},
        "timezone": spec.timezone,
        "templating": {"list": [_SOURCE, *map(_variable, spec.variables)]},
        "annotations": {"list": []},
        "links": [],
        "panels": [
            panels.panel(number, panel, place, document, catalog)
            for number, (panel, place) in enumerate(_placed(spec.panels), 1)
        ],
    }


def _uid(document: Document, catalog: Catalog) -> str:
    """Grafana's name of it, at most 40 characters, that stays the same and is no other environment's."""
    whole = "\n".join((catalog.project, catalog.environment, document.key.namespace, document.key.name))
    return hashlib.sha256(whole.encode()).hexdigest()[:20]


_SOURCE: dict[str, Any] = {
    "name": panels.SOURCE,
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "options": [],
    "refresh": 1,
    "regex": "",
}
"""Which Prometheus is asked: the first there is, or another that is chosen at the top."""


def _variable(variable: Variable) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": variable.name,
        "label": variable.label or variable.name,
        "hide": 0,
        "multi": variable.multi,
        "includeAll": variable.include_all,
        "current": {},
        "options": [],
    }
    if variable.query is None:
        return {**found, "type": "custom", "query": ",".join(variable.options)}
    query = {"query": variable.query, "refId": variable.name}
    return {**found, "type": "query", "datasource": panels.DATA_SOURCE, "query": query, "refresh": 2, "sort": 1}


def _placed(given: tuple[Panel, ...]) -> Iterator[tuple[Panel, GridPos]]:
    """Each panel with its place; those that have none stand two in a row below the others."""
    x, y = 0, max((p.grid_pos.y + p.grid_pos.h for p in given if p.grid_pos is not None), default=0)
    for panel in given:
        if panel.grid_pos is not None:
            yield panel, panel.grid_pos
            continue
        yield panel, GridPos(x=x, y=y, w=12, h=8)
        x, y = (12, y) if x == 0 else (0, y + 8)
