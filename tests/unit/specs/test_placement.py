"""Which clusters a placement chooses, and what it says where it cannot."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trueup_specs.core.failover import Known
from trueup_specs.core.placement import Placement, SpreadConstraint, chosen, shares, unmet, unshared
from trueup_specs.core.shares import divided, fewest
from trueup_specs.kinds.environment.clusters import MemberCluster

CLUSTERS = (
    MemberCluster(name="frankfurt", provider="aws", region="eu-central-1", zones=("a", "b"), priority=1),
    MemberCluster(name="virginia", provider="aws", region="us-east-1", zones=("c",)),
    MemberCluster(name="paris", provider="gcp", region="europe-west9", priority=1),
    MemberCluster(name="sydney", provider="gcp", region="australia-southeast1", priority=2, drain=True),
)


def names(placement: Placement | None) -> list[str]:
    return [m.name for m in chosen(placement, CLUSTERS)]


@pytest.mark.parametrize(
    ("placement", "found"),
    [
        (None, ["virginia", "frankfurt", "paris"]),
        ({}, ["virginia", "frankfurt", "paris"]),
        ({"providers": ["aws"]}, ["virginia", "frankfurt"]),
        ({"regions": ["eu-central-1", "europe-west9"]}, ["frankfurt", "paris"]),
        ({"exclude": ["virginia"], "maxClusters": 1}, ["frankfurt"]),
        ({"maxClusters": 2}, ["virginia", "frankfurt"]),
        ({"maxClusters": 2, "spreadConstraints": [{"spreadByField": "provider"}]}, ["virginia", "paris"]),
        ({"maxClusters": 1, "spreadConstraints": [{"spreadByField": "zone", "minGroups": 2}]}, ["frankfurt"]),
    ],
)
def test_the_first_in_the_order_of_priority_are_chosen_that_stand_apart_as_asked(
    placement: dict[str, object] | None, found: list[str]
) -> None:
    assert names(None if placement is None else Placement.model_validate(placement)) == found


@pytest.mark.parametrize(
    ("placement", "path", "summary"),
    [
        ({"clusters": ["frankfrut"]}, ("clusters", 0), "there is no cluster 'frankfrut'"),
        ({"exclude": ["london"]}, ("exclude", 0), "there is no cluster 'london'"),
        ({"regions": ["us-east-1", "us-west-2"]}, ("regions", 1), "no cluster is in the region 'us-west-2'"),
        ({"providers": ["azure"]}, ("providers", 0), "no cluster is of the provider 'azure'"),
        ({"clusters": ["sydney"]}, ("clusters", 0), "the cluster 'sydney' is drained"),
        ({"regions": ["australia-southeast1"]}, (), "no cluster is all of that at once"),
        (
            {"providers": ["aws"], "minClusters": 3},
            ("minClusters",),
            "3 clusters are asked for, and there are 2 (virginia, frankfurt)",
        ),
        (
            {"providers": ["aws"], "spreadConstraints": [{"spreadByField": "provider"}]},
            ("spreadConstraints", 0, "minGroups"),
            "2 different providers are asked for, and there is 1 among 2 (virginia, frankfurt)",
        ),
        (
            {"maxClusters": 2, "spreadConstraints": [{"spreadByField": "zone", "minGroups": 3}, {"spreadByField": "provider"}]},
            ("spreadConstraints", 1, "minGroups"),
            "2 clusters at most were not found in 2 different providers",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_with_its_place(
    placement: dict[str, object], path: tuple[str | int, ...], summary: str
) -> None:
    asked = Placement.model_validate(placement)
    (found,) = unmet(asked, CLUSTERS)
    assert (found.path, found.summary) == (path, summary) and found.fix[-1] in ".?"
    assert names(asked) == []


REGIONS, PROVIDERS = st.sampled_from(["r1", "r2", "r3"]), st.sampled_from(["aws", "gcp"])
MEMBERS = st.lists(
    st.builds(
        MemberCluster,
        name=st.just("c"),
        region=REGIONS,
        provider=PROVIDERS,
        priority=st.integers(0, 2),
        drain=st.booleans(),
    ),
    min_size=1,
    max_size=6,
).map(lambda found: tuple(m.model_copy(update={"name": f"c{n}"}) for n, m in enumerate(found)))
PLACEMENTS = st.builds(
    Placement,
    regions=st.lists(REGIONS, max_size=2, unique=True).map(tuple),
    providers=st.lists(PROVIDERS, max_size=1).map(tuple),
    min_clusters=st.integers(1, 3),
    max_clusters=st.none() | st.integers(3, 4),
    spread_constraints=st.lists(
        st.builds(
            SpreadConstraint, spread_by_field=st.sampled_from(["region", "provider"]), min_groups=st.integers(1, 3)
        ),
        max_size=2,
    ).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLACEMENTS, MEMBERS)
def test_what_is_chosen_is_all_that_was_asked_for_or_something_is_said(
    placement: Placement, members: tuple[MemberCluster, ...]
) -> None:
    found = chosen(placement, members)
    assert bool(found) != any(unmet(placement, members))
    if not found:
        return
    assert placement.min_clusters <= len(found) <= (placement.max_clusters or len(members))
    assert not any(m.drain for m in found) and len({m.name for m in found}) == len(found)
    assert all(m.region in placement.regions for m in found if placement.regions)
    assert all(m.provider in placement.providers for m in found if placement.providers)
    for constraint in placement.spread_constraints:
        assert len({getattr(m, constraint.spread_by_field) for m in found}) >= constraint.min_groups


WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (6, {"a": 2, "b": 1}, {"a": 4, "b": 2}),
        (0, {"a": 2, "b": 1}, {"a": 0, "b": 0}),
        (3, {"a": 1, "b": 1}, {"a": 2, "b": 1}),
        (7, {"a": 50, "b": 30, "c": 20}, {"a": 4, "b": 2, "c": 1}),
        # By the largest remainder the last would have 2 of ten, and 1 of eleven.
        (10, {"a": 6, "b": 6, "c": 2}, {"a": 5, "b": 4, "c": 1}),
        (11, {"a": 6, "b": 6, "c": 2}, {"a": 5, "b": 5, "c": 1}),
    ],
)
def test_replicas_are_divided_by_weights(total: int, weights: dict[str, int], shares: dict[str, int]) -> None:
    assert divided(total, weights) == shares


@settings(deadline=None)
@given(WEIGHTS, st.integers(0, 60), st.integers(0, 3))
def test_shares_add_up_are_exact_where_they_can_be_and_never_less_of_more(
    weights: dict[str, int], total: int, times: int
) -> None:
    found, whole = divided(total, weights), sum(weights.values())
    assert sum(found.values()) == total and found.keys() == weights.keys()
    assert divided(times * whole, weights) == {name: times * weight for name, weight in weights.items()}
    more = divided(total + 1, weights)
    assert all(found[name] <= more[name] for name in weights)
    assert all(found[a] >= found[b] for a in weights for b in weights if weights[a] > weights[b])


@settings(deadline=None)
@given(WEIGHTS)
def test_the_fewest_are_the_first_number_of_which_each_has_one(weights: dict[str, int]) -> None:
    least = fewest(weights)
    assert all(divided(least, weights).values()) and not all(divided(least - 1, weights).values())


def weighted(**weights: int) -> Placement:
    return Placement.model_validate({"providers": ["aws", "gcp"], "replicaWeights": weights})


def test_clusters_have_their_shares_of_all_replicas_and_one_that_is_drained_leaves_its_own_to_the_others() -> None:
    placement = weighted(virginia=2, frankfurt=1, paris=1, sydney=4)
    assert shares(placement, CLUSTERS, 8) == {"virginia": 4, "frankfurt": 2, "paris": 2}
    assert list(unshared(placement, CLUSTERS, 8)) == []
    back = tuple(m.model_copy(update={"drain": False}) for m in CLUSTERS)
    assert shares(placement, back, 8) == {"virginia": 2, "frankfurt": 1, "paris": 1, "sydney": 4}
    assert shares(Placement(), CLUSTERS, 8) is None and shares(None, CLUSTERS, 8) is None


@pytest.mark.parametrize(
    ("weights", "replicas", "path", "summary"),
    [
        ({"virginia": 1, "frankfurt": 1, "paris": 1, "london": 1}, 9, ("replicaWeights", "london"), "there is no cluster 'london'"),
        ({"virginia": 1, "frankfurt": 1}, 9, ("replicaWeights",), "the cluster 'paris' has no weight"),
        ({"virginia": 9, "frankfurt": 9, "paris": 1}, 2, ("replicaWeights", "paris"), "of 2 replicas the cluster 'paris' would have none"),
        ({"virginia": 1, "frankfurt": 1, "paris": 1}, 2, ("replicaWeights", "paris"), "of 2 replicas the cluster 'paris' would have none"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_out_is_said_with_its_place(
    weights: dict[str, int], replicas: int, path: tuple[str, ...], summary: str
) -> None:
    (found,) = unshared(weighted(**weights), CLUSTERS, replicas)
    assert (found.path, found.summary) == (path, summary) and found.fix[-1] in ".?"


def test_a_weight_of_nothing_is_no_weight() -> None:
    with pytest.raises(ValidationError, match=r"greater than or equal to 1"):
        weighted(virginia=0)


ORDER = {"failoverOrder": ["paris", "sydney", "virginia"]}
BOTH = frozenset({"paris", "virginia"})


@pytest.mark.parametrize(
    ("more", "known", "found"),
    [
        ({}, Known(), ["paris"]),
        ({}, Known(away=frozenset({"paris"})), ["virginia"]),
        ({}, Known(frozenset({"paris"}), frozenset({"paris"})), ["paris", "virginia"]),
        ({}, Known(frozenset({"paris"}), BOTH), ["paris", "virginia"]),
        ({}, Known(standing=BOTH), ["paris"]),
        ({"failback": "manual"}, Known(standing=BOTH), ["virginia"]),
        ({"failback": "manual"}, Known(standing=frozenset({"paris"})), ["paris"]),
        ({"failback": "manual"}, Known(frozenset({"virginia"}), BOTH), ["paris", "virginia"]),
        ({}, Known(BOTH), ["paris"]),
        ({}, Known(BOTH, BOTH), ["paris", "virginia"]),
    ],
)
def test_of_an_order_of_failover_the_first_that_answers_is_chosen_beside_what_cannot_be_taken_away_now(
    more: dict[str, str], known: Known, found: list[str]
) -> None:
    placement = Placement.model_validate({**ORDER, **more})
    assert [m.name for m in chosen(placement, CLUSTERS, known)] == found


@pytest.mark.parametrize(
    ("order", "path", "summary"),
    [
        (["paris", "london"], ("failoverOrder", 1), "there is no cluster 'london'"),
        (["sydney"], ("failoverOrder",), "every cluster of it is drained"),
    ],
)
def test_an_order_that_leads_nowhere_is_said_with_its_place(
    order: list[str], path: tuple[str | int, ...], summary: str
) -> None:
    asked = Placement.model_validate({"failoverOrder": order})
    (found,) = unmet(asked, CLUSTERS)
    assert (found.path, found.summary) == (path, summary) and found.fix[-1] in ".?"
    assert chosen(asked, CLUSTERS) == ()
