"""Where something stands of several clusters: what a spec asks for, which clusters that chooses, and what of it cannot be.

Terms of Karmada's PropagationPolicy: `exclude`, `spreadConstraints`, `spreadByField`, `minGroups`, `provider`; `replicaWeights` is its
`staticWeightList` as a map. Read by rules and by targets; pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import Field

from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.envelope import Items, Name, SpecModel
from trueup_specs.core.failover import NOTHING_KNOWN, Failback, Known, standing
from trueup_specs.core.positions import Path
from trueup_specs.core.shares import divided, fewest

Weight = Annotated[int, Field(ge=1, le=1000)]


class SpreadConstraint(SpecModel):
    """Over how many different places it must stand."""

    spread_by_field: Literal["region", "zone", "provider"]
    min_groups: int = Field(default=2, ge=1)
    """How many different ones at least."""


class Placement(SpecModel):
    """On which of the environment's clusters it stands: on all that every field here lets in."""

    clusters: Items[Name] = ()
    """By name; by default any."""
    exclude: Items[Name] = ()
    """Clusters that it never stands on."""
    regions: Items[str] = ()
    """By default any."""
    providers: Items[str] = ()
    """By default any."""
    min_clusters: int = Field(default=1, ge=1)
    """How many there must be at least, else it is not placed at all."""
    max_clusters: int | None = Field(default=None, ge=1)
    """How many it stands on at most: the first by priority, then as they are written. By default all."""
    spread_constraints: Items[SpreadConstraint] = ()
    replica_weights: dict[Name, Weight] = Field(default_factory=dict)
    """Shares of the replicas, by the clusters' names: with it, `minReplicas` and `maxReplicas` are those of all clusters together. By
    default each cluster has as many as the predictor says. Requests are shared out by what stands before the clusters, not by this."""
    failover_order: Items[Name] = ()
    """It stands on one cluster: the first of these that answers when an apply or a turn of the loop looks. All but the last are to have
    `whenUnreachable: skip`. What sends requests there has to follow by itself."""
    failback: Failback = "automatic"
    """Whether it goes back once a cluster that comes first is there again; `manual`: when this is set to `automatic`."""


class Member(Protocol):
    """A cluster, as far as placing needs it (`MemberCluster`)."""

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def zones(self) -> Sequence[str]: ...
    @property
    def priority(self) -> int: ...
    @property
    def drain(self) -> bool: ...


M = TypeVar("M", bound=Member)


@dataclass(frozen=True, slots=True)
class Unmet:
    """Something that is asked for and that the clusters do not have. `path` begins at the placement."""

    path: Path
    summary: str
    """A clause without its full stop."""
    fix: str


def ranked(members: Iterable[M]) -> list[M]:
    """Those that take anything, in the order of priority; of one priority, as they are written."""
    return sorted((m for m in members if not m.drain), key=lambda m: m.priority)


def chosen(placement: Placement | None, members: Sequence[M], known: Known = NOTHING_KNOWN) -> tuple[M, ...]:
    """The clusters that something stands on, in the order of priority or of failover; none where `unmet` finds something."""
    if placement is None:
        return tuple(ranked(members))
    if any(unmet(placement, members)):
        return ()
    if placement.failover_order:
        return tuple(standing(placement.failover_order, placement.failback, members, known))
    return tuple(_picked(placement, _candidates(placement, members)))


def _picked(placement: Placement, candidates: list[M]) -> list[M]:
    """As many as may be, in the order of priority: first those that stand in the most places that are still asked for."""
    most = placement.max_clusters or len(candidates)
    picked: list[M] = []
    while len(picked) < min(most, len(candidates)):
        there = [(c, _groups(picked, c)) for c in placement.spread_constraints]
        lacking = [(c, groups) for c, groups in there if len(groups) < c.min_groups]
        left = [m for m in candidates if m not in picked]
        gains = [sum(len(_groups([m], c) - groups) for c, groups in lacking) for m in left]
        picked.append(left[gains.index(max(gains))])
    return [m for m in candidates if m in picked]


def unmet(placement: Placement, members: Sequence[Member]) -> Iterator[Unmet]:
    """Everything that the clusters of an environment cannot give."""
    found = list(_unknown(placement, members))
    yield from found
    if found:
        return
    if placement.failover_order:
        if not standing(placement.failover_order, placement.failback, members, NOTHING_KNOWN):
            yield Unmet(
                ("failoverOrder",), "every cluster of it is drained", "Add one that takes something, or end a drain."
            )
        return
    candidates = _candidates(placement, members)
    if not candidates:
        yield Unmet((), "no cluster is all of that at once", "Ask for less, or take a cluster out of its drain.")
    elif len(candidates) < placement.min_clusters:
        yield Unmet(
            ("minClusters",),
            f"{placement.min_clusters} clusters are asked for, and there are {_counted(candidates)}",
            f"Write `minClusters: {len(candidates)}`, or add clusters.",
        )
    for position, constraint in enumerate(placement.spread_constraints):
        field, asked = constraint.spread_by_field, constraint.min_groups
        there, reached = len(_groups(candidates, constraint)), len(_groups(_picked(placement, candidates), constraint))
        if candidates and there < asked:
            yield Unmet(
                ("spreadConstraints", position, "minGroups"),
                f"{asked} different {field}s are asked for, and there {'is' if there == 1 else 'are'} {there} among {_counted(candidates)}",
                f"Write `minGroups: {max(1, there)}`, or add clusters of other {field}s.",
            )
        elif candidates and reached < asked:
            yield Unmet(
                ("spreadConstraints", position, "minGroups"),
                f"{placement.max_clusters} clusters at most were not found in {asked} different {field}s",
                "Raise `maxClusters`, or lower `minGroups`.",
            )


def shares(placement: Placement | None, members: Sequence[Member], replicas: int) -> dict[str, int] | None:
    """How many of an endpoint's replicas each of its clusters has; None where each has all of them."""
    if placement is None or not placement.replica_weights:
        return None
    return divided(replicas, {m.name: placement.replica_weights[m.name] for m in chosen(placement, members)})


def unshared(placement: Placement, members: Sequence[Member], replicas: int) -> Iterator[Unmet]:
    """Why so many replicas, its least, cannot be shared out by the placement's weights. Nothing where `unmet` finds something."""
    weights, there = placement.replica_weights, chosen(placement, members)
    if not weights or not there:
        return
    names = [m.name for m in members]
    drained = {m.name for m in members if m.drain}
    taking = {m.name for m in there} | drained | {m.name for m in _candidates(placement, members)}
    found = False
    for name in weights:
        if name not in taking:
            found, close = True, nearest(name, names)
            why = f"it never stands on the cluster {name!r}" if name in names else f"there is no cluster {name!r}"
            fix = f"Did you mean `{close}`?" if close and name not in names else "Remove its weight."
            yield Unmet(("replicaWeights", name), why, fix)
    for member in there:
        if member.name not in weights:
            found = True
            yield Unmet(
                ("replicaWeights",),
                f"the cluster {member.name!r} has no weight",
                f"Add `{member.name}: 1`, or leave it out by `exclude`.",
            )
    if found:
        return
    given = {m.name: weights[m.name] for m in there}
    lacking = [name for name, share in divided(replicas, given).items() if not share]
    if lacking:
        yield Unmet(
            ("replicaWeights", lacking[0]),
            f"of {replicas} replicas the cluster {lacking[0]!r} would have none",
            f"Raise `minReplicas` of the predictor to at least {fewest(given)}, or leave the cluster out by `exclude`.",
        )


def _unknown(placement: Placement, members: Sequence[Member]) -> Iterator[Unmet]:
    """Names, regions and providers that no cluster has."""
    names = [m.name for m in members]
    regions = [m.region for m in members if m.region]
    providers = [m.provider for m in members if m.provider]
    drained = {m.name for m in members if m.drain}
    asked = (
        ("clusters", placement.clusters, names, "there is no cluster {!r}"),
        ("exclude", placement.exclude, names, "there is no cluster {!r}"),
        ("failoverOrder", placement.failover_order, names, "there is no cluster {!r}"),
        ("regions", placement.regions, regions, "no cluster is in the region {!r}"),
        ("providers", placement.providers, providers, "no cluster is of the provider {!r}"),
    )
    for field, values, known, text in asked:
        for position, value in enumerate(values):
            if value not in known:
                close = nearest(value, known)
                there = ", ".join(dict.fromkeys(known)) or "none is named"
                fix = f"Did you mean `{close}`?" if close else f"There {'are' if known else 'is'}: {there}."
                yield Unmet((field, position), text.format(value), fix)
            elif field == "clusters" and value in drained:
                yield Unmet((field, position), f"the cluster {value!r} is drained", "Name another, or end its `drain`.")


def _candidates(placement: Placement, members: Iterable[M]) -> list[M]:
    return [
        m
        for m in ranked(members)
        if (not placement.clusters or m.name in placement.clusters)
        and m.name not in placement.exclude
        and (not placement.regions or m.region in placement.regions)
        and (not placement.providers or m.provider in placement.providers)
    ]


def _groups(members: Iterable[Member], constraint: SpreadConstraint) -> set[str]:
    """The different regions, zones or providers of some clusters."""
    match constraint.spread_by_field:
        case "region":
            found = {m.region for m in members}
        case "zone":
            found = {zone for m in members for zone in m.zones}
        case _:
            found = {m.provider for m in members}
    return {name for name in found if name}


def _counted(members: Sequence[Member]) -> str:
    return f"{len(members)} ({', '.join(m.name for m in members)})"
