"""What a plan that does not look takes for the clusters that are away: what the last apply found, where something fails over."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from trueup_test_clusters import VIRGINIA, Somewhere

from trueup.observe.facts import facts
from trueup.plan.recorded import Recorded, RecordedResource, RecordedStack
from trueup.record.events import Event, EventKind
from trueup.resolve.catalog import Catalog
from trueup.workspace import planning
from trueup.workspace.opening import Workspace
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_stacks.core.resources import Address, StackId

CHURN = Key("Endpoint", "churn", "churn")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return Workspace(tmp_path, tmp_path, "shop")


def catalog(folder: Path, **placement: Any) -> Catalog:
    spec = EndpointSpec.model_validate({"model": {"name": "churn"}, "placement": placement})
    document = Document(CHURN, Metadata(name="churn", namespace="churn"), spec, Source("endpoint.yaml"))
    return Catalog("shop", "prod", Somewhere(folder).settings(whenUnreachable="skip"), {CHURN: document})


def test_the_last_apply_says_which_clusters_were_away_whatever_it_came_to(workspace: Workspace, tmp_path: Path) -> None:
    given = catalog(tmp_path, failoverOrder=["virginia", "frankfurt"])
    assert list(planning._away(workspace, given)) == []
    found = {planning.AWAY: ["virginia"]}
    workspace.ledger.append(Event(EventKind.APPLIED, "prod", outcome="partly", details=found))
    assert list(planning._away(workspace, given)) == ["virginia"]
    assert list(planning._away(workspace, catalog(tmp_path, clusters=["virginia"]))) == [], "nothing fails over"
    workspace.ledger.append(Event(EventKind.APPLIED, "prod", outcome="done"))
    assert list(planning._away(workspace, given)) == []


class NoTree:
    """A tree that nothing is asked of."""

    def tree_oid(self, path: str) -> str | None:
        raise AssertionError(path)


def test_where_an_endpoint_stands_is_what_the_ledger_records_of_its_environment(tmp_path: Path) -> None:
    service, alias = "kubernetes:core/v1:Service", "trueup:registry:Alias"
    other = StackId("test", "churn", "serving", "paris")
    recorded = {}
    for stack, kind, origin in (
        (VIRGINIA, service, CHURN),
        (StackId("prod", "churn", "model"), alias, CHURN),
        (StackId("prod", "churn", "serving", "oslo"), service, Key("Endpoint", "churn", "else")),
        (other, service, CHURN),
    ):
        thing = RecordedResource(Address(stack, kind, "churn"), str(origin), "", "", {})
        recorded[stack] = RecordedStack(stack, resources={thing.address: thing})
    given = catalog(tmp_path, failoverOrder=["virginia", "frankfurt"])
    found = facts(given.documents, NoTree(), Recorded(recorded), "prod", away=["frankfurt"])
    assert found.standing == {CHURN: {"virginia"}} and found.away == {"frankfurt"}
    fixed = catalog(tmp_path, clusters=["virginia"])
    assert facts(fixed.documents, NoTree(), Recorded(recorded), "prod").standing == {}
