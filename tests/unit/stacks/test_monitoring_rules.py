"""The rules of the scene before Prometheus' own tool: they are right, and fire when they should and no sooner, on series of a server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from trueup_test_scenes import compiled

from promtool import PROMTOOL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

NAMES = 'namespace="prod-churn",model_name="churn"'
LABELS = {
    "monitor": "churn",
    "namespace": "prod-churn",
    "subject": "churn",
    "subject_kind": "Endpoint",
    "team": "ml",
    "tier": "gold",
}


@pytest.fixture(scope="module")
def promtool() -> Path:
    if not PROMTOOL.built() and "TRUEUP_SOAK" not in os.environ:
        pytest.skip("promtool takes minutes to build; `make soak` builds it")
    try:
        PROMTOOL.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return PROMTOOL.binary()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The groups of the scene's PrometheusRules, as a file of Prometheus."""
    specs = [
        r.properties["spec"] for r in compiled("monitoring").resources() if r.address.type.endswith("PrometheusRule")
    ]
    return dumped(tmp_path / "rules.yaml", {"groups": [group for spec in specs for group in spec["groups"]]})


def dumped(path: Path, value: Any) -> Path:
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(value, file)
    return path


def run(*command: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules_as_they_are(promtool: Path, rules: Path) -> None:
    assert "SUCCESS: 48 rules found" in run(promtool, "check", "rules", "--lint=all", "--lint-fatal", rules)


def tried(promtool: Path, rules: Path, series: dict[str, str], *expected: dict[str, Any]) -> str:
    """What promtool says of it. Judges alerts at moments: those of a name at a moment are exactly these."""
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": list(expected),
            }
        ],
    }
    return run(promtool, "test", "rules", dumped(rules.parent / "test.yaml", test))


def requests(ok: str, error: str) -> dict[str, str]:
    """Answers and errors, counted each minute."""
    counted = {"ok": ok, "error": error, "timeout": "0x1440", "invalid": "0x1440"}
    return {f'trueup_inference_requests_total{{{NAMES},outcome="{o}"}}': values for o, values in counted.items()}


def burn(at: str, **percent: str) -> dict[str, Any]:
    """The alerts of the SLO `answers` at a moment: the share of bad requests that each severity says."""
    soon = {"critical": "days", "warning": "30d"}
    alerts = [
        {
            "exp_labels": {**LABELS, "slo": "answers", "severity": severity},
            "exp_annotations": {
                "summary": f"The error budget of the SLO answers of churn will be spent within {soon[severity]}.",
                "description": f"{share} of the events are bad; 99.9 % of those in 30d must be good.",
                "runbook_url": "https://example.com/budget",
            },
        }
        for severity, share in percent.items()
    ]
    return {"eval_time": at, "alertname": "ErrorBudgetBurn", "exp_alerts": alerts}


def test_who_is_woken_when_one_request_in_twenty_fails_and_not_when_one_in_two_thousand_does(
    promtool: Path, rules: Path
) -> None:
    failing = requests("0+95x1440", "0+5x1440")
    assert "SUCCESS" in tried(promtool, rules, failing, burn("0m"), burn("90m", critical="5%", warning="5%"))
    assert "SUCCESS" in tried(promtool, rules, requests("0+1999x1440", "0+1x1440"), burn("90m"))


def test_who_is_woken_may_sleep_when_it_is_over_and_a_ticket_stays(promtool: Path, rules: Path) -> None:
    hour = requests("0+95x60 5800+100x1380", "0+5x60 300+0x1380")
    assert "SUCCESS" in tried(
        promtool, rules, hour, burn("59m", critical="5%", warning="5%"), burn("180m", warning="1.667%")
    )


@pytest.mark.capability("model-development/performance-alerts", by="trueup_stacks.kubernetes.monitoring:_compared")
def test_slow_answers_are_told_of_when_they_last(promtool: Path, rules: Path) -> None:
    bounds = {"0.5": "0x60", "0.75": "0x60", "1.0": "0+60x60", "+Inf": "0+60x60"}
    series = {f'request_predict_seconds_bucket{{{NAMES},le="{le}"}}': values for le, values in bounds.items()}
    told = {
        "exp_labels": {**LABELS, "area": "latency", "severity": "warning"},
        "exp_annotations": {
            "summary": "One answer in twenty takes 987.5ms.",
            "runbook_url": "https://example.com/slow",
        },
    }
    silent = {"eval_time": "15m", "alertname": "SlowAnswers", "exp_alerts": []}
    assert "SUCCESS" in tried(promtool, rules, series, silent, {**silent, "eval_time": "40m", "exp_alerts": [told]})
