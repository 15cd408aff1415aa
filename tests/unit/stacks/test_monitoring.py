"""Monitors, alert routes and dashboards on Kubernetes: what is read, when somebody is told, and that only metrics are named that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from trueup_test_scenes import catalog, compiled

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.references import Key
from trueup_specs.kinds.monitor import metrics
from trueup_specs.kinds.monitor.promql import Query, of_panel, parsed
from trueup_stacks.core.resources import Resource, Secret, encode

IMAGE = f"example.com/server@sha256:{'0' * 64}"
RECORDED = re.compile(r"slo:[a-z_]+:ratio(_rate\w+)?|model:requests:rate5m")
OWN = {"queue_length", "loader_age_seconds"}
"""What the exporters of the scene export."""


def written(documents: dict[str, Any], **environment: Any) -> Compilation:
    given: dict[str, Any] = {
        "Environment/prod": {
            "target": "kubernetes",
            "registry": {"trackingUri": "http://m"},
            "cluster": {"components": ["prometheus-operator"]},
            **environment,
        },
        "Model/churn/churn": {"task": "regression", "version": 3},
        "Endpoint/churn/churn": {"model": {"name": "churn"}, "predictor": {"image": IMAGE}},
        **documents,
    }
    return compile_catalog(catalog({Key.parse(k): v for k, v in given.items()}))


def found(compilation: Compilation, kind: str) -> list[Resource]:
    return [r for r in compilation.resources() if r.address.type.endswith(f":{kind}")]


def rules(compilation: Compilation) -> list[dict[str, Any]]:
    specs = [r.properties["spec"] for r in found(compilation, "PrometheusRule")]
    return [rule for spec in specs for group in spec["groups"] for rule in group["rules"]]


def burning(slo: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """The windows and bounds of an SLO's alerts, by severity."""
    made = written({"Monitor/churn/churn": {"endpoint": "churn", "slos": [{"name": "answers", **slo}]}})
    alerts = [r for r in rules(made) if r.get("alert") == "ErrorBudgetBurn"]
    return {a["labels"]["severity"]: re.findall(r"ratio_rate(\w+)\{[^}]*\} > ([\d.]+)", a["expr"]) for a in alerts}


def test_an_error_budget_is_watched_by_the_workbooks_windows_and_burn_rates() -> None:
    assert burning({"objective": 99.9, "indicator": "availability"}) == {
        "critical": [("5m", "0.0144"), ("1h", "0.0144"), ("30m", "0.006"), ("6h", "0.006")],
        "warning": [("2h", "0.003"), ("1d", "0.003"), ("6h", "0.001"), ("3d", "0.001")],
    }
    assert burning({"objective": 99, "window": "28d", "indicator": "availability"})["critical"][0] == ("5m", "0.1344")


def test_a_bound_that_no_share_of_errors_can_reach_is_left_out() -> None:
    assert burning({"objective": 90, "indicator": "latency", "threshold": "250ms"}) == {
        "critical": [("30m", "0.6"), ("6h", "0.6")],
        "warning": [("2h", "0.3"), ("1d", "0.3"), ("6h", "0.1"), ("3d", "0.1")],
    }


def test_the_alerts_read_series_that_are_recorded_with_the_same_labels() -> None:
    recorded = {
        r["record"] + "{" + ",".join(f'{k}="{v}"' for k, v in r["labels"].items()) + "}"
        for r in rules(compiled("monitoring"))
        if "record" in r
    }
    read = {
        s for r in rules(compiled("monitoring")) if "alert" in r for s in re.findall(r"slo:[\w:]+\{[^}]*\}", r["expr"])
    }
    assert len(read) == 21  # seven windows of three SLOs
    assert read <= recorded


def test_the_servers_of_an_endpoint_are_read_once_and_as_its_monitor_says() -> None:
    monitors = found(compiled("monitoring"), "PodMonitor")
    servers = {"app.kubernetes.io/name": "churn", "app.kubernetes.io/component": "predictor"}
    reading = [
        r.properties["spec"]
        for r in monitors
        if r.properties["spec"]["selector"]["matchLabels"].items() <= servers.items()
    ]
    assert [m["podMetricsEndpoints"] for m in reading] == [
        [{"port": "http", "path": "/metrics", "scheme": "http", "interval": "15s", "scrapeTimeout": "10s"}]
    ]


def test_thresholds_become_an_alert_each_with_the_labels_that_routes_read() -> None:
    slow = [r for r in rules(compiled("monitoring")) if r.get("alert") == "SlowAnswers"]
    assert [(r["labels"]["severity"], r["expr"].rpartition(" > ")[2], r["for"]) for r in slow] == [
        ("warning", "0.5", "20m"),
        ("critical", "2", "10m"),
    ]
    assert slow[0]["labels"] == {
        "tier": "gold",
        "area": "latency",
        "team": "ml",
        "subject_kind": "Endpoint",
        "subject": "churn",
        "monitor": "churn",
        "namespace": "prod-churn",
        "severity": "warning",
    }
    assert all('namespace="prod-churn"' in r["expr"] and 'model_name="churn"' in r["expr"] for r in slow)


def test_no_placeholder_is_left() -> None:
    assert "${{" not in json.dumps([encode(r.properties) for r in compiled("monitoring").resources()])


def named(expr: str) -> set[str]:
    query = of_panel(expr)
    assert isinstance(query, Query), (expr, query)
    return {s.metric for s in query.selectors}


def known(name: str) -> bool:
    servers = {series for family in metrics.SERVER for series in family.series}
    return name in servers | set(metrics.CLUSTER) | OWN or RECORDED.fullmatch(name) is not None


def test_no_rule_names_a_metric_that_nothing_exports() -> None:
    exprs = [r["expr"] for r in rules(compiled("monitoring"))]
    assert len(exprs) > 40
    assert all(isinstance(parsed(e), Query) for e in exprs)
    assert {n for e in exprs for n in named(e) if not known(n)} == set()


def dashboard() -> dict[str, Any]:
    (made,) = found(compiled("monitoring"), "ConfigMap")
    assert made.properties["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = made.properties["data"].values()
    value: dict[str, Any] = json.loads(text)
    return value


def test_a_dashboard_asks_for_metrics_that_there_are() -> None:
    panels = [p for p in dashboard()["panels"] if p["type"] != "text"]
    exprs = [t["expr"] for p in panels for t in p["targets"]]
    assert len(panels) == 11 and len(exprs) == 13
    assert {n for e in exprs for n in named(e) if not known(n)} == set()
    assert all("NAME" not in e and "SLO" not in e for e in exprs)


def test_a_dashboard_is_one_that_grafana_draws_as_it_is_written() -> None:
    made = dashboard()
    assert (made["title"], made["time"]) == ("Churn", {"from": "now-24h", "to": "now-1h"})
    assert 8 <= len(made["uid"]) <= 40
    assert [p["id"] for p in made["panels"]] == list(range(1, 13))
    cells = [
        (x, y)
        for p in made["panels"]
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    assert max(x for x, _ in cells) == 23
    for panel in made["panels"]:
        if panel["type"] != "text":
            steps = [s["value"] for s in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
            assert steps[0] is None and steps[1:] == sorted(steps[1:])
            refs = [t["refId"] for t in panel["targets"]]
            assert len(refs) == len(set(refs))
    variables = {v["name"]: v["type"] for v in made["templating"]["list"]}
    assert variables == {"datasource": "datasource", "pod": "query", "share": "custom"}


def secrets(value: Any) -> list[Any]:
    """Every reference to a key of a Secret."""
    if isinstance(value, dict):
        return [value] if set(value) == {"name", "key"} else [s for v in value.values() for s in secrets(v)]
    return [s for v in value for s in secrets(v)] if isinstance(value, list) else []


def test_receivers_name_their_secrets_and_hold_none() -> None:
    (config,) = found(compiled("monitoring"), "AlertmanagerConfig")
    (secret,) = (r for r in found(compiled("monitoring"), "Secret") if r.address.name == "growth-alerts")
    receivers = config.properties["spec"]["receivers"]
    assert {s["name"] for s in secrets(receivers)} == {"growth-alerts"}
    assert {s["key"] for s in secrets(receivers)} == set(secret.properties["stringData"])
    assert len(secret.properties["stringData"]) == 6
    assert all(isinstance(v, Secret) for v in secret.properties["stringData"].values())
    assert secret.address in config.depends_on


def test_a_route_asks_for_its_monitors_and_teams() -> None:
    (config,) = found(compiled("monitoring"), "AlertmanagerConfig")
    (route,) = config.properties["spec"]["route"]["routes"]
    assert route["matchers"] == [
        {"name": "severity", "matchType": "=", "value": "critical"},
        {"name": "monitor", "matchType": "=", "value": "churn"},
        {"name": "team", "matchType": "=~", "value": "growth|platform"},
    ]


WATCHED: dict[str, Any] = {
    "Monitor/churn/churn": {"endpoint": "churn", "slos": [{"name": "a", "objective": 99, "indicator": "availability"}]},
    "AlertRoute/churn/growth": {"receiver": "null", "receivers": [{"name": "null"}]},
    "Dashboard/churn/churn": {"panels": [{"title": "Requests", "endpoint": "churn", "preset": "requests"}]},
}


def test_a_cluster_without_the_operator_is_told_what_to_install() -> None:
    made = written(WATCHED, cluster={})
    assert [d.severity for d in made.diagnostics] == 3 * [Severity.ERROR]
    assert {d.fix for d in made.diagnostics} == {
        "Install the Prometheus operator (the Helm chart prometheus-community/kube-prometheus-stack), and add "
        "`prometheus-operator` to spec.cluster.components of Environment/prod."
    }
    assert written(WATCHED).diagnostics == ()


@pytest.mark.parametrize("target", ["local", "aws"])
def test_other_targets_say_that_they_have_no_such_kinds(target: str) -> None:
    documents = {Key.parse(k): v for k, v in {"Environment/dev": {"target": target}, **WATCHED}.items()}
    said = {d.summary for d in compile_catalog(catalog(documents)).diagnostics if d.code == "TRU2004"}
    assert {
        f"{kind}/churn/{name} cannot exist in environment 'dev': the target '{target}' does not support the kind {kind} yet."
        for kind, name in (("Monitor", "churn"), ("AlertRoute", "growth"), ("Dashboard", "churn"))
    } <= said


def test_servers_of_several_processes_are_watched_as_others_are() -> None:
    workers = {"model": {"name": "churn"}, "predictor": {"image": IMAGE, "workers": 2}}
    assert written({**WATCHED, "Endpoint/churn/churn": workers}).diagnostics == ()


def test_what_is_not_there_is_not_watched() -> None:
    monitor = {"pipeline": "train", "alerts": [{"alert": "A", "expr": "up == 0"}]}
    pipeline = {"steps": [{"name": "all", "run": ["true"]}]}
    made = written({"Pipeline/churn/train": pipeline, "Monitor/churn/train": monitor})
    assert [d.detail for d in made.diagnostics if d.severity is Severity.ERROR] == ["It is about spec.pipeline."]
