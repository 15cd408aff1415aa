"""What a cluster lacked when it was looked at last is asked again by who may ask, before anybody is told that it is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trueup.compile.compilation import compile_catalog
from trueup.observe.inventories import Inventory
from trueup.plan.recorded import Recorded
from trueup.record.events import EventKind
from trueup.resolve.catalog import Catalog, resolve
from trueup.workspace import surveying
from trueup.workspace.opening import Workspace
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS

LACKS = Inventory(datetime(2026, 5, 4, tzinfo=UTC), "v1.36.3", {}, {"PriorityClass": ("low",)})


def catalog(kubeconfig: Path) -> Catalog:
    """An endpoint of a priority that every cluster has."""
    specs: dict[str, Any] = {
        "Environment/prod": {
            "target": "kubernetes",
            "cluster": {"kubeconfig": str(kubeconfig)},
            "registry": {"trackingUri": "http://mlflow.example.com"},
        },
        "Model/churn/churn": {"task": "regression", "version": 1},
        "Endpoint/churn/churn": {
            "model": {"name": "churn"},
            "predictor": {"image": f"example.com/a@sha256:{'0' * 64}", "priorityClass": "system-cluster-critical"},
        },
    }
    documents = {}
    for text, spec in specs.items():
        key = Key.parse(text)
        metadata = Metadata(name=key.name, namespace=key.namespace or None)
        documents[key] = Document(key, metadata, KINDS[key.kind].spec.model_validate(spec), Source("specs.yaml"))
    return resolve("shop", documents, "prod")


def missing(workspace: Workspace, kubeconfig: Path, live: bool, reach: bool) -> tuple[list[str], bool]:
    """What is said, and whether the cluster was looked at."""
    given = catalog(kubeconfig)
    recorded = Recorded(inventories={("prod", ""): LACKS.form})
    said, looked = surveying.missing(workspace, given, compile_catalog(given), recorded, live, reach)
    return [d.summary for d in said], bool(looked)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    import subprocess

    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return Workspace(tmp_path, tmp_path, "shop")


@pytest.mark.slow
def test_who_may_ask_the_cluster_does_so_where_something_was_missing(workspace: Workspace, cluster: Any) -> None:
    (said,), looked = missing(workspace, cluster.kubeconfig, live=False, reach=False)
    assert "PriorityClass 'system-cluster-critical'" in said and "2026-05-04" in said and not looked
    assert missing(workspace, cluster.kubeconfig, live=False, reach=True) == ([], True)
    assert missing(workspace, cluster.kubeconfig, live=True, reach=False) == ([], True)


def test_a_cluster_that_is_away_is_as_it_was_when_it_was_looked_at(workspace: Workspace, tmp_path: Path) -> None:
    (said,), looked = missing(workspace, tmp_path / "no-kubeconfig", live=True, reach=True)
    assert "2026-05-04" in said and not looked


def test_only_news_and_what_was_seen_long_ago_are_recorded(workspace: Workspace) -> None:
    def entries() -> list[EventKind]:
        return [e.event.kind for e in workspace.ledger.entries()]

    first = replace(LACKS, time=datetime.now(UTC))
    surveying.record(workspace, "prod", workspace.ledger.recorded(), {"": first})
    assert Inventory.of(workspace.ledger.recorded("prod").inventories["prod", ""]).classes == LACKS.classes
    for later in (timedelta(hours=1), timedelta(hours=23)):
        surveying.record(workspace, "prod", workspace.ledger.recorded(), {"": replace(first, time=first.time + later)})
    assert entries() == [EventKind.OBSERVED]
    surveying.record(workspace, "prod", workspace.ledger.recorded(), {"": replace(first, version="v1.37.0")})
    surveying.record(workspace, "prod", workspace.ledger.recorded(), {"eu": first})
    assert len(entries()) == 3 and set(workspace.ledger.recorded().inventories) == {("prod", ""), ("prod", "eu")}
    again = replace(first, version="v1.37.0", time=first.time + timedelta(hours=25))
    surveying.record(workspace, "prod", workspace.ledger.recorded(), {"": again})
    assert len(entries()) == 4
