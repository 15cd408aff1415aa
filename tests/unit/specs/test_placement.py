"""Which clusters a placement chooses, and what it says where it cannot."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup_specs.core.placement import Placement, SpreadConstraint, chosen, unmet
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
