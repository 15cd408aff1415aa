"""Which clusters answer: one that is away is an error or is skipped, as its environment says, and only its own stacks are held up."""

from __future__ import annotations

from pathlib import Path

import pytest
from trueup_test_clusters import FRANKFURT, VIRGINIA, Api, Somewhere

from trueup.apply.pulumi import DriverError, StackSettings
from trueup.plan.recorded import Recorded, RecordedResource, RecordedStack
from trueup.resolve.catalog import Catalog
from trueup.workspace import drivers
from trueup.workspace.opening import WorkspaceError
from trueup.workspace.reaching import reach
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import Address, Resource, Stack, StackId


def service(stack: StackId, type: str = "kubernetes:core/v1:Service") -> Stack:
    return Stack(stack, (Resource(Address(stack, type, "churn"), {}, Key("Endpoint", "churn", "churn")),))


def test_a_cluster_that_is_away_holds_up_its_own_stacks_alone_where_it_may_be_skipped(place: Somewhere) -> None:
    found = reach(place.workspace, place.settings(whenUnreachable="skip"))
    assert set(found.there) == {""} and set(found.away) == {"virginia"}
    skipped = found.skipped([service(FRANKFURT), service(VIRGINIA)], Recorded())
    assert set(skipped) == {VIRGINIA}
    assert "the cluster 'virginia', which is away and skipped" in skipped[VIRGINIA] and "refused" in skipped[VIRGINIA]


def test_a_cluster_that_is_away_and_may_not_be_is_an_error_with_its_name(place: Somewhere) -> None:
    with pytest.raises(WorkspaceError, match=r"The cluster 'virginia' is away.*whenUnreachable: skip"):
        reach(place.workspace, place.settings())


def test_where_every_cluster_is_away_nothing_is_skipped_but_it_is_an_error(place: Somewhere, dead: int) -> None:
    place.kubeconfig("frankfurt", dead)
    settings = place.settings(whenUnreachable="skip")
    both = tuple(m.model_copy(update={"when_unreachable": "skip"}) for m in settings.clusters)
    with pytest.raises(WorkspaceError, match=r"Every cluster of the environment is away"):
        reach(place.workspace, settings.model_copy(update={"clusters": both}))


def test_what_stands_on_no_cluster_goes_on_though_the_one_without_a_name_in_its_stacks_is_away(
    place: Somewhere, dead: int
) -> None:
    place.kubeconfig("frankfurt", dead)
    place.kubeconfig("virginia", place.port)
    settings = place.settings()
    members = tuple(m.model_copy(update={"when_unreachable": "skip"}) if m.moved_from else m for m in settings.clusters)
    found = reach(place.workspace, settings.model_copy(update={"clusters": members}))
    registry = StackId("prod", "churn", "model")
    alias = service(registry, "trueup:registry:Alias")
    assert set(found.skipped([service(FRANKFURT), alias], Recorded())) == {FRANKFURT}
    before = RecordedResource(Address(registry, "kubernetes:batch/v1:CronJob", "x"), "", "", "", {})
    recorded = Recorded({registry: RecordedStack(registry, resources={before.address: before})})
    assert registry in found.skipped([alias], recorded), "it had something there that is to be deleted"


def test_a_kubeconfig_that_is_not_there_is_a_mistake_and_no_cluster_that_is_away(place: Somewhere) -> None:
    (place.folder / "virginia.json").unlink()
    with pytest.raises(WorkspaceError, match=r"virginia.json cannot be used"):
        reach(place.workspace, place.settings(whenUnreachable="skip"))


def test_an_environment_of_one_cluster_asks_nobody(tmp_path: Path) -> None:
    settings = EnvironmentSpec.model_validate({"target": "kubernetes", "cluster": {"kubeconfig": "none.json"}})
    assert reach(Somewhere(tmp_path).workspace, settings).away == {}


def test_each_stack_is_worked_on_with_the_kubeconfig_and_the_context_of_its_cluster(tmp_path: Path) -> None:
    catalog = Catalog("shop", "prod", Somewhere(tmp_path).settings(), {})
    assert drivers._around(catalog, VIRGINIA, tmp_path) == StackSettings(
        {"KUBECONFIG": str(tmp_path / "virginia.json")}, {"kubernetes:context": "virginia"}
    )
    assert drivers._around(catalog, FRANKFURT, tmp_path).configuration == {"kubernetes:context": "frankfurt"}
    with pytest.raises(DriverError, match=r"the cluster 'paris', which Environment/prod does not name"):
        drivers._around(catalog, StackId("prod", "churn", "serving", "paris"), tmp_path)


LOST = {"drain": True, "lost": True}


def test_a_lost_cluster_that_is_silent_holds_up_nothing_and_what_it_had_is_given_up(place: Somewhere) -> None:
    found = reach(place.workspace, place.settings(**LOST))
    assert set(found.there) == {""} and found.away == {} and found.lost == {"virginia"}
    other = StackId("test", "churn", "serving", "virginia")
    things = {id: Address(id, "kubernetes:core/v1:Service", "churn") for id in (VIRGINIA, FRANKFURT, other)}
    recorded = Recorded(
        {id: RecordedStack(id, resources={a: RecordedResource(a, "", "", "", {})}) for id, a in things.items()}
    )
    assert found.skipped([Stack(VIRGINIA, ())], recorded) == {}
    assert found.given_up(recorded, "prod") == {VIRGINIA: {things[VIRGINIA]}}, "another environment's is not its own"


@pytest.mark.parametrize("status", [200, 503])
def test_a_cluster_that_is_said_to_be_lost_and_answers_is_refused(
    place: Somewhere, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    place.kubeconfig("virginia", place.port)
    monkeypatch.setattr(Api, "status", status)
    with pytest.raises(
        WorkspaceError, match=r"The cluster 'virginia' is said to be lost, and it answers.*`drain: true`"
    ):
        reach(place.workspace, place.settings(**LOST))


def test_a_lost_cluster_that_cannot_be_asked_is_refused_too(place: Somewhere) -> None:
    (place.folder / "virginia.json").unlink()
    with pytest.raises(WorkspaceError, match=r"virginia.json cannot be used"):
        reach(place.workspace, place.settings(**LOST))
