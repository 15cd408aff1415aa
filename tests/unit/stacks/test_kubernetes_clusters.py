"""An environment over several clusters: which of them has what, in which stacks, and what one cluster becomes when others come to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trueup_test_scenes import scene, with_spec

from trueup.compile.compilation import Compilation, compile_catalog
from trueup.observe import away
from trueup.observe.live import Sight
from trueup.plan.planning import Revision, plan
from trueup.plan.recorded import Recorded, RecordedResource, RecordedStack
from trueup.plan.values import Action, Danger
from trueup.resolve.catalog import Catalog
from trueup.views import plans
from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Resources
from trueup_specs.core.placement import Placement
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.clusters import MemberCluster
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import StackId

PROD = Key("Environment", "", "prod")
KUBERNETES = "kubernetes:"


def on(compilation: Compilation, kind: str) -> dict[str, list[str]]:
    """The names of the objects of a kind, by the end of their stack's name."""
    found: dict[str, list[str]] = {}
    for resource in compilation.resources():
        if resource.address.type.endswith(f":{kind}"):
            found.setdefault(resource.address.stack.cluster, []).append(resource.address.name)
    return {cluster: sorted(names) for cluster, names in found.items()}


def changed(given: Catalog, name: str, **fields: Any) -> Catalog:
    """The scene with other fields of one of its clusters."""
    members = tuple(m.model_copy(update=fields) if m.name == name else m for m in given.settings.clusters)
    return with_spec(given, PROD, given.settings.model_copy(update={"clusters": members}))


def placed(given: Catalog, endpoint: str, placement: Placement | None) -> Catalog:
    key = next(d.key for d in given.of_kind("Endpoint") if d.key.name == endpoint)
    return with_spec(given, key, given.documents[key].spec.model_copy(update={"placement": placement}))


def test_endpoints_stand_where_their_placement_says_on_clusters_of_two_clouds() -> None:
    made = compile_catalog(scene("clusters"))
    assert made.diagnostics == ()
    # frankfurt was the only cluster, so that its stacks have no cluster's name.
    assert on(made, "Deployment") == {
        "": ["everywhere", "one", "spread"],
        "virginia": ["everywhere", "spread", "wanders"],
        "paris": ["everywhere"],
    }


def test_a_gateway_stands_beside_the_endpoints_that_it_leads_to_and_leads_to_no_others() -> None:
    made = compile_catalog(placed(scene("clusters"), "everywhere", Placement(clusters=("frankfurt",))))
    assert on(made, "Gateway") == {"": ["door"], "virginia": ["door"]}
    backends = {
        r.address.stack.cluster: [b["name"] for rule in r.properties["spec"]["rules"] for b in rule["backendRefs"]]
        for r in made.resources()
        if r.address.type.endswith(":HTTPRoute") and r.address.name.startswith("door-")
    }
    assert backends == {"": ["spread", "one"], "virginia": ["spread"]}


def test_a_pipeline_runs_on_the_first_cluster_in_the_order_of_priority_only() -> None:
    given = scene("clusters")
    assert on(compile_catalog(given), "CronJob") == {"": ["report-pipeline"]}
    assert on(compile_catalog(changed(given, "frankfurt", priority=2)), "CronJob") == {"virginia": ["report-pipeline"]}


def test_what_stands_on_no_cluster_is_made_once() -> None:
    native = [r.address for r in compile_catalog(scene("clusters")).resources() if r.address.type.startswith("trueup:")]
    assert [str(a) for a in native] == ["prod.churn.model::trueup:registry:Alias::churn-champion"]


def test_a_drained_cluster_has_nothing_and_others_take_its_part() -> None:
    made = compile_catalog(changed(scene("clusters"), "frankfurt", drain=True))
    stacks = [s for s in made.stacks.values() if any(r.address.type.startswith(KUBERNETES) for r in s.resources)]
    assert {s.id.cluster for s in stacks} == {"virginia", "paris"}
    assert on(made, "Deployment")["virginia"] == ["everywhere", "one", "wanders"] and on(made, "CronJob")["virginia"]
    (refused,) = (d for d in made.diagnostics if d.code == "TRU2006")
    assert "Endpoint/shared/spread" in refused.summary and "the cluster 'frankfurt' is drained" in refused.summary


def test_stacks_of_different_clusters_do_not_wait_for_each_other() -> None:
    made = compile_catalog(scene("clusters"))
    for stack in made.stacks.values():
        assert {s.cluster for s in stack.upstream()} <= {stack.id.cluster}


def test_one_cluster_keeps_its_stacks_and_all_that_is_in_them_when_others_come() -> None:
    given = scene("kubernetes")
    before = compile_catalog(given)
    assert given.settings.cluster is not None
    was = MemberCluster.model_validate(
        {**given.settings.cluster.model_dump(by_alias=True, exclude_unset=True), "name": "a", "movedFrom": "cluster"}
    )
    new = MemberCluster(name="b", context="b", priority=1, namespace_prefix="b-", **_components(given.settings))
    settings = given.settings.model_copy(update={"cluster": None, "clusters": (was, new)})
    after = compile_catalog(with_spec(given, PROD, settings))
    assert {id: s.digest for id, s in before.stacks.items()}.items() <= {
        id: s.digest for id, s in after.stacks.items()
    }.items()
    added = after.stacks.keys() - before.stacks.keys()
    assert added and {id.cluster for id in added} == {"b"}
    renamed = replace(
        given, settings=settings.model_copy(update={"clusters": (was.model_copy(update={"moved_from": None}), new)})
    )
    assert StackId("prod", "churn", "serving") not in compile_catalog(renamed).stacks, "the mark is what keeps them"


def _components(settings: EnvironmentSpec) -> dict[str, Any]:
    assert settings.cluster is not None
    return {
        "components": settings.cluster.components,
        "gateway": settings.cluster.gateway,
        "prometheus": settings.cluster.prometheus,
    }


def test_what_cannot_be_placed_is_refused_with_the_reason() -> None:
    given = scene("clusters")
    for placement, reason in (
        (Placement(regions=("eu-west-1",)), "no cluster is in the region 'eu-west-1'"),
        (Placement(min_clusters=4), "4 clusters are asked for, and there are 3 (frankfurt, virginia, paris)"),
    ):
        made = compile_catalog(placed(given, "everywhere", placement))
        (refused,) = (d for d in made.diagnostics if d.code == "TRU2006")
        assert reason in refused.summary
        assert not any("everywhere" in names for names in on(made, "Deployment").values())


def replicas(compilation: Compilation, endpoint: str) -> dict[str, Any]:
    """Of an endpoint on each cluster, by the end of its stack's name: how many, or the least and the most where it is scaled."""
    found: dict[str, Any] = {}
    for resource in compilation.resources():
        if resource.address.name == endpoint and resource.address.type.endswith(":Deployment"):
            found[resource.address.stack.cluster] = resource.properties["spec"].get("replicas")
    for resource in compilation.resources():
        if resource.address.name == endpoint and resource.address.type.endswith(":HorizontalPodAutoscaler"):
            spec = resource.properties["spec"]
            found[resource.address.stack.cluster] = (spec["minReplicas"], spec["maxReplicas"])
    return found


def test_an_endpoint_with_weights_has_a_part_of_its_replicas_on_each_cluster() -> None:
    given = scene("clusters")
    assert replicas(compile_catalog(given), "spread") == {"": 4, "virginia": 2}
    without = compile_catalog(placed(given, "spread", Placement(exclude=("paris",))))
    assert replicas(without, "spread") == {"": 6, "virginia": 6}, "without weights each has all of them"


def test_an_autoscaler_has_its_part_of_the_least_and_of_the_most() -> None:
    given = scene("clusters")
    key = next(d.key for d in given.of_kind("Endpoint") if d.key.name == "spread")
    spec = given.documents[key].spec
    predictor = spec.predictor.model_copy(
        update={"max_replicas": 11, "scale_metric": "cpu", "resources": Resources(cpu="1")}
    )
    made = compile_catalog(with_spec(given, key, spec.model_copy(update={"predictor": predictor})))
    assert replicas(made, "spread") == {"": (4, 7), "virginia": (2, 4)}


def test_a_drained_cluster_leaves_its_part_to_the_others_and_one_without_a_replica_is_refused() -> None:
    weights = Placement(replica_weights={"frankfurt": 2, "virginia": 1, "paris": 1})
    given = placed(scene("clusters"), "spread", weights)
    assert replicas(compile_catalog(given), "spread") == {"": 3, "virginia": 2, "paris": 1}
    assert replicas(compile_catalog(changed(given, "frankfurt", drain=True)), "spread") == {"virginia": 3, "paris": 3}
    few = placed(
        given, "spread", weights.model_copy(update={"replica_weights": {"frankfurt": 9, "virginia": 9, "paris": 1}})
    )
    made = compile_catalog(few)
    (refused,) = (d for d in made.diagnostics if d.code == "TRU2006")
    assert "of 6 replicas the cluster 'paris' would have none" in refused.summary and replicas(made, "spread") == {}


WANDERS = Key("Endpoint", "churn", "wanders")


def known(given: Catalog, *standing: str, away: tuple[str, ...] = (), failback: str = "automatic") -> Catalog:
    """The scene with what is known of clusters, and the endpoint with an order of failover as it may come back."""
    spec = given.documents[WANDERS].spec
    placement = spec.placement.model_copy(update={"failback": failback})
    facts = replace(given.facts, away=frozenset(away), standing={WANDERS: frozenset(standing)} if standing else {})
    return replace(with_spec(given, WANDERS, spec.model_copy(update={"placement": placement})), facts=facts)


def wanders(given: Catalog) -> set[str]:
    """The clusters that the endpoint with an order of failover stands on."""
    made = compile_catalog(given)
    assert not any("wanders" in d.summary for d in made.diagnostics)
    return {cluster for cluster, names in on(made, "Deployment").items() if "wanders" in names}


def test_an_endpoint_with_an_order_of_failover_stands_on_the_next_cluster_while_its_own_is_away_and_comes_back() -> (
    None
):
    given = scene("clusters")
    assert wanders(known(given)) == {"virginia"}
    assert wanders(known(given, away=("virginia",))) == {"paris"}
    assert wanders(known(given, "virginia", away=("virginia",))) == {"paris", "virginia"}, (
        "what is there cannot be taken away now"
    )
    assert wanders(known(given, "virginia", "paris")) == {"virginia"}
    assert wanders(known(given, "virginia", "paris", failback="manual")) == {"paris"}
    assert wanders(changed(known(given), "virginia", drain=True)) == {"paris"}


def test_a_failover_is_one_plan_that_leaves_alone_what_is_on_the_cluster_that_is_away() -> None:
    given = known(scene("clusters"))
    before = recorded(compile_catalog(given))
    moved = known(given, "virginia", away=("virginia",))
    made, forbidden = plan(moved, compile_catalog(moved), before, Revision())
    assert forbidden == () and {(s.address.stack.cluster, s.action) for s in made.steps} == {("paris", Action.CREATE)}
    assert {s.origin for s in made.steps} == {"Endpoint/churn/wanders"}
    both = recorded(compile_catalog(moved))
    back = known(given, "virginia", "paris")
    made, _ = plan(back, compile_catalog(back), both, Revision())
    assert {(s.address.stack.cluster, s.action) for s in made.steps} == {("paris", Action.DELETE)}
    stayed = known(given, "virginia", "paris", failback="manual")
    made, _ = plan(stayed, compile_catalog(stayed), both, Revision())
    assert {(s.address.stack.cluster, s.action) for s in made.steps} == {("virginia", Action.DELETE)}


def test_where_an_endpoint_stands_after_a_failover_is_said() -> None:
    given = scene("clusters")
    assert list(away.notes(known(given), Sight())) == []
    (note,) = away.notes(known(given, "virginia", away=("virginia",)), Sight())
    assert (
        note.code == "TRU2017"
        and "stands on the cluster 'paris', since 'virginia' is away, and is left" in note.summary
    )
    (note,) = away.notes(known(given, "virginia", "paris", failback="manual"), Sight())
    assert "stays on the cluster 'paris', to which it failed over from 'virginia'" in note.summary
    assert note.fix == "It goes back with `failback: automatic`."


def test_an_environment_of_one_cluster_refuses_a_placement() -> None:
    made = compile_catalog(placed(scene("kubernetes"), "other", Placement(min_clusters=1)))
    (refused,) = (d for d in made.diagnostics if d.code == "TRU2006" and "Endpoint/churn/other" in d.summary)
    assert "the environment has one cluster only" in refused.summary


def test_what_one_cluster_lacks_is_said_with_its_name() -> None:
    made = compile_catalog(changed(scene("clusters"), "paris", components=()))
    (refused,) = (d for d in made.diagnostics if d.code == "TRU2006" and "Gateway/churn/door" in d.summary)
    assert "spec.clusters[paris].components" in refused.fix


def test_shares_of_the_requests_are_refused_with_the_reason() -> None:
    made = compile_catalog(changed(scene("clusters"), "virginia", weight=50))
    (refused,) = made.diagnostics
    assert (refused.code, refused.severity) == ("TRU2002", Severity.ERROR)
    assert "sets spec.clusters[].weight" in refused.summary and "weights between clusters" in refused.detail


def recorded(compilation: Compilation) -> Recorded:
    """What a ledger has after it was applied."""
    stacks = {}
    for id, stack in compilation.stacks.items():
        found = {
            r.address: RecordedResource(r.address, str(r.origin), r.digest, r.fingerprint, r.encoded)
            for r in stack.resources
        }
        stacks[id] = RecordedStack(id, resources=found)
    return Recorded(stacks)


def test_a_cluster_that_holds_something_is_not_forgotten_by_leaving_it_out() -> None:
    given = placed(scene("clusters"), "spread", Placement(clusters=("virginia",)))
    before = recorded(compile_catalog(given))
    without = tuple(m for m in given.settings.clusters if m.name != "paris")
    after = with_spec(given, PROD, given.settings.model_copy(update={"clusters": without}))
    made, forbidden = plan(after, compile_catalog(after), before, Revision())
    assert {s.action for s in made.steps} == {Action.DELETE}
    (lost,) = forbidden
    assert lost.code == "TRU2103" and "is on the cluster 'paris'" in lost.summary and "drain: true" in lost.fix
    drained = changed(given, "paris", drain=True)
    made, forbidden = plan(drained, compile_catalog(drained), before, Revision())
    assert forbidden == () and {s.address.stack.cluster for s in made.steps} == {"paris"}


def test_what_a_lost_cluster_had_is_a_category_of_its_own_that_needs_the_approvals_of_a_delete() -> None:
    given = scene("clusters")
    before = recorded(compile_catalog(given))
    lost = changed(given, "paris", drain=True, lost=True)
    made, forbidden = plan(lost, compile_catalog(lost), before, Revision())
    assert forbidden == () and made.steps
    assert {(s.address.stack.cluster, s.action, s.danger) for s in made.steps} == {
        ("paris", Action.GIVE_UP, Danger.DELETE)
    }
    assert {e.action for e in made.seal} == {"give-up"}
    assert f"prod: {len(made.steps)} to give-up." in plans.headline(made)
    assert "it is given up: the cluster is not asked" in plans.text(made)


def test_a_lost_cluster_that_was_the_only_one_gives_up_what_was_on_it_and_nothing_that_is_on_none() -> None:
    given = placed(scene("clusters"), "spread", Placement(clusters=("virginia",)))
    before = recorded(compile_catalog(given))
    lost = changed(given, "frankfurt", drain=True, lost=True)
    made, _ = plan(lost, compile_catalog(lost), before, Revision())
    given_up = {s.address for s in made.steps if s.action is Action.GIVE_UP}
    assert given_up == {
        a for s in before.stacks.values() if not s.id.cluster for a in s.resources if a.type.startswith(KUBERNETES)
    }
    assert not [s for s in made.steps if s.address.type.startswith("trueup:") and s.danger is Danger.DELETE]


def test_an_only_cluster_that_becomes_one_of_several_without_its_mark_is_an_error() -> None:
    given = scene("clusters")
    before = recorded(compile_catalog(given))
    after = changed(given, "frankfurt", moved_from=None)
    _, forbidden = plan(after, compile_catalog(after), before, Revision())
    assert [d.code for d in forbidden] == ["TRU2103"] and "movedFrom: cluster" in forbidden[0].fix


def test_the_name_of_a_stack_says_its_cluster_and_is_read_back() -> None:
    for text in ("prod.churn.serving", "prod.churn.serving.virginia"):
        assert str(StackId.parse(text)) == text
    assert StackId.parse("prod.churn.serving.virginia").cluster == "virginia"
