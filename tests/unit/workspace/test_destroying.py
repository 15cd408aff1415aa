"""Deleting an environment over several clusters: what is on one that is away stays as it is recorded, or nothing is begun."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from trueup_test_clusters import FRANKFURT, VIRGINIA, Somewhere

from trueup.apply.outcome import StackResult, StepResult
from trueup.plan.recorded import RecordedResource
from trueup.record.events import DONE, Event, EventKind
from trueup.record.updates import StackUpdate
from trueup.resolve.catalog import Catalog
from trueup.views import outcomes
from trueup.workspace import destroying
from trueup.workspace.destroying import Destroyed, There
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_stacks.core.resources import Address, StackId

FOUNDATION = StackId("prod", "churn", "foundation", "virginia")
MODEL = StackId("prod", "churn", "model")
SERVICE, ALIAS = "kubernetes:core/v1:Service", "trueup:registry:Alias"


class Driver:
    """Deletes and forgets, and remembers what."""

    def __init__(self) -> None:
        self.gone: list[StackId] = []
        self.forgotten: list[StackId] = []

    def destroy(self, stack: StackId, _on_event: Any) -> StackResult:
        self.gone.append(stack)
        return StackResult(stack, ok=True)

    def forget(self, stack: StackId, types: str, _on_event: Any) -> StackResult:
        self.forgotten.append(stack)
        address = Address(stack, f"{types}core/v1:Service", "churn")
        return StackResult(stack, ok=True, steps=(StepResult(address, "give-up", "done"),))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setattr(destroying, "driver_of", lambda *_: made)
    return made


@pytest.fixture
def workspace(place: Somewhere, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """With a ledger that says what is on both clusters and in the registry."""
    monkeypatch.setenv("TRUEUP_HOME", str(place.folder / "home"))
    subprocess.run(["git", "init", "-q", str(place.folder)], check=True)
    found = Workspace(place.folder, place.folder, "shop")
    for stack, kind in ((FOUNDATION, SERVICE), (VIRGINIA, SERVICE), (MODEL, ALIAS), (FRANKFURT, SERVICE)):
        thing = RecordedResource(Address(stack, kind, "churn"), "Endpoint/churn/churn", "", "", {})
        found.ledger.append(Event(EventKind.STEP, "prod", stack=str(stack)), StackUpdate(stack, resources=(thing,)))
    return found


Destroy = Callable[..., Destroyed]


@pytest.fixture
def destroy(workspace: Workspace, place: Somewhere, driver: Driver) -> Destroy:
    def run(**virginia: Any) -> Destroyed:
        what = There(Catalog("shop", "prod", place.settings(**virginia), {}), workspace.ledger.recorded("prod"))
        return destroying.destroy(workspace, what, lambda _event: None)

    return run


def test_a_cluster_that_is_away_and_may_be_skipped_keeps_its_stacks_and_a_later_destroy_finishes(
    destroy: Destroy, driver: Driver, workspace: Workspace, place: Somewhere
) -> None:
    done = destroy(whenUnreachable="skip")
    assert driver.gone == [FRANKFURT, MODEL] and done.outcome == "partly"
    assert set(done.away) == {VIRGINIA, FOUNDATION} and "'virginia', which is away" in done.away[VIRGINIA]
    assert set(workspace.ledger.recorded("prod").stacks) == {VIRGINIA, FOUNDATION}
    last = workspace.ledger.last("prod", EventKind.DESTROYED, outcome=DONE)
    assert last is not None and last.event.stack == str(MODEL), "nothing says that the whole environment is gone"
    place.kubeconfig("virginia", place.port)
    later = destroy(whenUnreachable="skip")
    assert later.outcome == "done" and driver.gone[2:] == [VIRGINIA, FOUNDATION]
    last = workspace.ledger.last("prod", EventKind.DESTROYED)
    assert workspace.ledger.recorded("prod").stacks == {} and last is not None and not last.event.stack


def test_where_the_cluster_that_is_away_may_not_be_nothing_is_begun(
    destroy: Destroy, driver: Driver, workspace: Workspace
) -> None:
    with pytest.raises(
        WorkspaceError, match=r"The cluster 'virginia' is away.*Nothing was done.*whenUnreachable: skip"
    ):
        destroy()
    assert driver.gone == [] and len(workspace.ledger.recorded("prod").stacks) == 4


def test_a_cluster_that_holds_nothing_may_be_away(destroy: Destroy, driver: Driver, workspace: Workspace) -> None:
    for stack in (VIRGINIA, FOUNDATION):
        workspace.ledger.append(Event(EventKind.STEP, "prod", stack=str(stack)), StackUpdate(stack, destroyed=True))
    assert destroy().outcome == "done" and driver.gone == [FRANKFURT, MODEL]


def test_where_only_what_is_away_holds_something_it_is_an_error(
    destroy: Destroy, driver: Driver, workspace: Workspace
) -> None:
    for stack in (FRANKFURT, MODEL):
        workspace.ledger.append(Event(EventKind.STEP, "prod", stack=str(stack)), StackUpdate(stack, destroyed=True))
    with pytest.raises(WorkspaceError, match=r"Every cluster that holds something of it is away"):
        destroy(whenUnreachable="skip")
    assert driver.gone == []


def test_a_cluster_that_the_environment_does_not_name_stops_it_before_it_begins(
    destroy: Destroy, driver: Driver, workspace: Workspace
) -> None:
    paris = StackId("prod", "churn", "serving", "paris")
    thing = RecordedResource(Address(paris, SERVICE, "churn"), "Endpoint/churn/churn", "", "", {})
    workspace.ledger.append(Event(EventKind.STEP, "prod", stack=str(paris)), StackUpdate(paris, resources=(thing,)))
    with pytest.raises(WorkspaceError, match=r"the cluster 'paris', which Environment/prod does not name"):
        destroy(whenUnreachable="skip")
    assert driver.gone == []


def test_what_was_on_a_lost_cluster_is_dropped_even_if_protected_and_no_provider_is_asked(
    destroy: Destroy, driver: Driver, workspace: Workspace
) -> None:
    address = Address(VIRGINIA, "kubernetes:core/v1:PersistentVolumeClaim", "data")
    held = RecordedResource(address, "Endpoint/churn/churn", "", "", {}, protect=True, retain=True)
    workspace.ledger.append(
        Event(EventKind.STEP, "prod", stack=str(VIRGINIA)), StackUpdate(VIRGINIA, resources=(held,))
    )
    with pytest.raises(WorkspaceError, match="Protected"):
        destroy(whenUnreachable="skip")
    done = destroy(drain=True, lost=True)
    assert done.outcome == "done" and done.away == {} and done.kept == ()
    assert driver.gone == [FRANKFURT, MODEL] and driver.forgotten == [VIRGINIA, FOUNDATION]
    assert workspace.ledger.recorded("prod").stacks == {}
    said = outcomes.destroyed("prod", done.outcome, done.results, done.skipped, done.kept)
    assert f"GIVEN UP {VIRGINIA}: 1 resource, with the cluster that is lost" in said
