"""What each cluster of an environment has of its documents. Called by compile, before anything is emitted; pure.

Where there is one `cluster`, the catalog is compiled as it is, and its stacks have the names that they always had. Of several clusters each
gets the catalog with its own settings: the functions that emit know of one cluster only, and one that is away holds up its own stacks.
Endpoints stand where their placement says, with their part of the replicas where it has weights; gateways stand beside the endpoints that
they lead to, and pipelines on the first cluster in the order of priority: on all of them, each schedule would fire several times.

Shares of the requests between clusters (`weight`) are refused. No open standard says them: a ServiceImport of the Multi-Cluster Services
API (KEP-1645), which a route of the Gateway API can name, joins the servers of all clusters without weights, and reaches them past the
closed networks of their namespaces only where every cluster knows the others' addresses; weights and failover in DNS are each provider's
own record types, and SRV records (RFC 2782), which have both, are read by few HTTP clients. What stands before the clusters shares the
requests out, and `priority` says which comes first. What has a `failoverOrder` stands on one cluster, and on the next while that is away:
the workload moves, and what sends requests has to follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from trueup_specs.core.envelope import Document
from trueup_specs.core.failover import Known
from trueup_specs.core.placement import chosen, ranked, shares, unmet, unshared
from trueup_specs.core.references import Key, qualified
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.environment.cluster import Cluster
from trueup_specs.kinds.environment.clusters import MemberCluster
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.gateway.spec import GatewaySpec
from trueup_stacks.core.resources import Address
from trueup_stacks.core.targets import Catalog, Facts, Places, Refusal

NO_SHARES = (
    "neither the Gateway API nor the Multi-Cluster Services API has weights between clusters; what stands before them, such as a "
    "global load balancer or weighted records of DNS, shares the requests out (`placement.replicaWeights` of an Endpoint shares replicas)"
)


@dataclass(frozen=True)
class OnCluster:
    """The catalog as one of several clusters has it (`trueup_stacks.core.targets.Catalog`)."""

    of: Catalog
    cluster: str
    settings: EnvironmentSpec
    """The environment's, with this cluster as its only one."""
    placed: Mapping[Key, frozenset[str]]
    """The names of the clusters of each document that does not stand on all."""
    name: str = ""
    """The cluster's; empty for what stands on none."""
    shares: Mapping[Key, Document] = field(default_factory=dict)
    """Endpoints of which this cluster has a part of the replicas, as it has them."""

    @property
    def project(self) -> str:
        return self.of.project

    @property
    def environment(self) -> str:
        return self.of.environment

    @property
    def facts(self) -> Facts:
        return self.of.facts

    def of_kind(self, kind: str) -> Iterable[Document]:
        found = (d for d in self.of.of_kind(kind) if not self.name or self.name in self.placed.get(d.key, {self.name}))
        return [self.shares.get(d.key, d) for d in found]

    def bound(self, document: Document, kind: str, text: str) -> Document:
        found = self.of.bound(document, kind, text)
        return self.shares.get(found.key, found)

    def fingerprint(self, key: Key) -> str:
        return self.of.fingerprint(key)


def places(catalog: Catalog) -> Places:
    """The catalog as each cluster has it."""
    members = catalog.settings.clusters
    if not members:
        return Places((catalog,), catalog, dict(_refused(catalog, (), "the environment has one cluster only")))
    placed = _placed(catalog, members)
    views = tuple(
        OnCluster(
            catalog,
            stacks_of(member),
            _settings(catalog, member),
            placed,
            member.name,
            dict(_shares(catalog, member.name)),
        )
        for member in members
        if not member.drain
    )
    whole = OnCluster(catalog, "", _settings(catalog, home(catalog.settings)), placed)
    return Places(views, whole, dict(_refused(catalog, members)))


def places_of(document: Document, catalog: Catalog) -> tuple[MemberCluster, ...]:
    """The clusters that an endpoint stands on, of several."""
    assert isinstance(document.spec, EndpointSpec)
    members, facts = catalog.settings.clusters, catalog.facts
    there = facts.standing.get(document.key, frozenset())
    standing = frozenset(m.name for m in members if stacks_of(m) in there)
    return chosen(document.spec.placement, members, Known(facts.away, standing))


def stacks_of(member: MemberCluster) -> str:
    """What the names of a cluster's stacks end with; nothing where it was the only one before."""
    return "" if member.moved_from == "cluster" else member.name


def clusters(settings: EnvironmentSpec) -> dict[str, Cluster]:
    """The clusters of an environment, by what the names of their stacks end with."""
    if not settings.clusters:
        return {"": settings.cluster or Cluster()}
    return {stacks_of(member): member for member in settings.clusters}


def names(settings: EnvironmentSpec) -> dict[str, str]:
    """The names of an environment's several clusters, by what the names of their stacks end with."""
    return {stacks_of(member): member.name for member in settings.clusters}


def home(settings: EnvironmentSpec) -> MemberCluster:
    """The cluster of what must stand on one only: the first in the order of priority."""
    return (ranked(settings.clusters) or list(settings.clusters))[0]


def on_lost(settings: EnvironmentSpec, address: Address) -> bool:
    """Whether something stood on a cluster that is lost: on one, not in the stacks of what stands on none."""
    lost = {stacks_of(member) for member in settings.clusters if member.lost}
    return address.stack.cluster in lost and address.on_kubernetes


def has_share(catalog: Catalog) -> bool:
    """Whether the cluster is to have a share of the requests, of several."""
    return isinstance(catalog.settings.cluster, MemberCluster) and catalog.settings.cluster.weight is not None


def _settings(catalog: Catalog, member: MemberCluster) -> EnvironmentSpec:
    update: dict[str, object] = {"cluster": member, "clusters": ()}
    if member.name != home(catalog.settings).name:
        # The platform's own servers stand on one cluster; from the others they are reached as from anywhere.
        for field in ("registry", "feature_store"):
            update[field] = getattr(catalog.settings, field).model_copy(update={"server": None})
    return catalog.settings.model_copy(update=update)


def _placed(catalog: Catalog, members: tuple[MemberCluster, ...]) -> dict[Key, frozenset[str]]:
    """The names of the clusters of each document that may not stand on all."""
    found: dict[Key, frozenset[str]] = {}
    for document in catalog.of_kind("Endpoint"):
        assert isinstance(document.spec, EndpointSpec)
        found[document.key] = frozenset(m.name for m in places_of(document, catalog))
    for document in catalog.of_kind("Gateway"):
        if beside := frozenset[str]().union(*(found[key] for key in _leads_to(document, catalog))):
            found[document.key] = beside
    first = frozenset({home(catalog.settings).name})
    return found | {document.key: first for document in catalog.of_kind("Pipeline")}


def _shares(catalog: Catalog, cluster: str) -> Iterator[tuple[Key, Document]]:
    """The endpoints whose replicas are shared out, with the part of a cluster in place of all."""
    members = catalog.settings.clusters
    for document in catalog.of_kind("Endpoint"):
        assert isinstance(document.spec, EndpointSpec)
        predictor, placement = document.spec.predictor, document.spec.placement
        least = shares(placement, members, predictor.min_replicas)
        if least is None or cluster not in least:
            continue
        most = shares(placement, members, predictor.max_replicas) if predictor.max_replicas is not None else None
        part = {"min_replicas": least[cluster], "max_replicas": most[cluster] if most is not None else None}
        spec = document.spec.model_copy(update={"predictor": predictor.model_copy(update=part)})
        yield document.key, replace(document, spec=spec)


def _leads_to(gateway: Document, catalog: Catalog) -> set[Key]:
    """The endpoints that are reached through a gateway: those of its routes, and those that name it or have no other."""
    assert isinstance(gateway.spec, GatewaySpec)
    routes = (b.endpoint for route in gateway.spec.routes for b in route.backends)
    named = {Key("Endpoint", *qualified(text, gateway.key.namespace)) for text in routes}
    there = set()
    for document in catalog.of_kind("Endpoint"):
        assert isinstance(document.spec, EndpointSpec)
        wanted, namespace = document.spec.route.gateway, document.key.namespace
        by_name = wanted is not None and Key("Gateway", *qualified(wanted, namespace)) == gateway.key
        if document.key in named or by_name or (wanted is None and namespace == gateway.key.namespace):
            there.add(document.key)
    return there


def _refused(
    catalog: Catalog, members: tuple[MemberCluster, ...], why: str = ""
) -> Iterator[tuple[Key, tuple[Refusal, ...]]]:
    """What cannot stand anywhere. Validation says it too, with the place; overlays and settings of another branch come here only."""
    for document in catalog.of_kind("Endpoint"):
        assert isinstance(document.spec, EndpointSpec)
        placement = document.spec.placement
        if placement is None:
            continue
        if not members:
            fix = f"Write `clusters` in Environment/{catalog.environment}, or set it in an Overlay of environments that have several."
            yield document.key, (Refusal("spec.placement", why, fix),)
            continue
        replicas = document.spec.predictor.min_replicas
        if found := (*unmet(placement, members), *unshared(placement, members, replicas)):
            yield document.key, tuple(Refusal(_dotted(u.path), u.summary, u.fix) for u in found)


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(("spec", "placement", *(str(part) for part in path if not isinstance(part, int))))
