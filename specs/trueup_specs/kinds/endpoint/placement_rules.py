"""Rules of an endpoint's placement (TRU1760 to TRU1763): that it agrees with itself, with the clusters of each environment, and its shares
with the replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from trueup_specs.core.envelope import Document
from trueup_specs.core.patches import merge
from trueup_specs.core.placement import unmet, unshared
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples, repeated
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.environment.clusters import MemberCluster
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.overlay.spec import OverlaySpec

_ENVIRONMENT = """
    kind: Environment
    metadata: {name: prod}
    spec:
      target: kubernetes
      clusters:
        - {name: frankfurt, context: eu, region: eu-central-1, provider: aws}
        - {name: virginia, context: us, region: us-east-1, provider: aws, whenUnreachable: skip}
    """
_MODEL = """
    kind: Model
    metadata: {name: churn}
    spec: {source: {uri: "models:/churn/3"}, task: classification}
    """
_GOOD = examples(
    """
    kind: Endpoint
    metadata: {name: churn}
    spec:
      model: {name: churn}
      placement: {regions: [eu-central-1, us-east-1], minClusters: 2, spreadConstraints: [{spreadByField: region}]}
    """,
    _MODEL,
    _ENVIRONMENT,
)


class PlacementContradicts(SpecRule[EndpointSpec]):
    """A placement must not ask for more than it allows."""

    code = "TRU1760"
    about = ("spec.placement",)
    reason = "No clusters at all could be chosen by it."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec:
          model: {name: churn}
          placement: {minClusters: 3, maxClusters: 2}
        #                                          ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        placement = spec.placement
        if placement is None:
            return
        most = placement.max_clusters
        if most is not None and most < placement.min_clusters:
            yield Finding(
                ("spec", "placement", "maxClusters"),
                f"At least {placement.min_clusters} clusters are asked for, and at most {most}.",
                fix="Raise `maxClusters`, or lower `minClusters`.",
            )
        for position, constraint in enumerate(placement.spread_constraints):
            if most is not None and most < constraint.min_groups:
                yield Finding(
                    ("spec", "placement", "spreadConstraints", position, "minGroups"),
                    f"At most {most} clusters cannot stand in {constraint.min_groups} different {constraint.spread_by_field}s.",
                    fix="Raise `maxClusters`, or lower `minGroups`.",
                )
        for position, name in enumerate(placement.exclude):
            if name in placement.clusters:
                yield Finding(
                    ("spec", "placement", "exclude", position),
                    f"The cluster {name!r} is both chosen and excluded.",
                    fix="Remove it from `clusters` or from `exclude`.",
                )


class PlacementUnmet(SpecRule[EndpointSpec]):
    """A placement must be one that the clusters of each of the endpoint's environments can give."""

    code = "TRU1761"
    about = ("spec.placement",)
    reason = "It would stand nowhere, or in fewer places than it must."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec:
          model: {name: churn}
          placement: {regions: [eu-west-1]}
        #                       ^
        """,
        _MODEL,
        _ENVIRONMENT,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.placement is None:
            return
        for environment, members in _judged(document, spec, index):
            for found in unmet(spec.placement, members):
                yield Finding(
                    ("spec", "placement", *found.path),
                    f"It cannot be placed in environment {environment!r}: {found.summary}.",
                    fix=found.fix,
                )


class SharesUnmet(SpecRule[EndpointSpec]):
    """The weights of a placement must name the clusters that it stands on, and give each at least one replica."""

    code = "TRU1762"
    about = ("spec.placement",)
    reason = "A cluster that has no replica answers nothing, and who sends requests there does not know."
    good = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec:
          model: {name: churn}
          predictor: {minReplicas: 6}
          placement: {replicaWeights: {frankfurt: 2, virginia: 1}}
        """,
        _MODEL,
        _ENVIRONMENT,
    )
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec:
          model: {name: churn}
          predictor: {minReplicas: 3}
          placement: {replicaWeights: {frankfurt: 9, virginia: 1}}
        #                                            ^
        """,
        _MODEL,
        _ENVIRONMENT,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        placement = spec.placement
        if placement is None or not placement.replica_weights:
            return
        for environment, members in _judged(document, spec, index):
            for found in unshared(placement, members, spec.predictor.min_replicas):
                yield Finding(
                    ("spec", "placement", *found.path),
                    f"Its replicas cannot be shared out in environment {environment!r}: {found.summary}.",
                    at_key=len(found.path) > 1,
                    fix=found.fix,
                )


class FailoverAlone(SpecRule[EndpointSpec]):
    """A failover order must have at least two clusters, each once, stand alone, and lead from clusters that may be skipped."""

    code = "TRU1763"
    about = ("spec.placement",)
    reason = "It says by itself where the endpoint stands; and where a cluster may not be away, an apply does nothing without it."
    good = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec:
          model: {name: churn}
          placement: {failoverOrder: [virginia, frankfurt], failback: manual}
        """,
        _MODEL,
        _ENVIRONMENT,
    )
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec:
          model: {name: churn}
          placement: {failoverOrder: [frankfurt, virginia]}
        #                             ^
        """,
        _MODEL,
        _ENVIRONMENT,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        placement = spec.placement
        if placement is None:
            return
        order, where = placement.failover_order, ("spec", "placement")
        if not order:
            if "failback" in placement.model_fields_set:
                yield Finding(
                    (*where, "failback"),
                    "Nothing comes back, since there is no `failoverOrder`.",
                    at_key=True,
                    fix="Add a `failoverOrder`, or remove `failback`.",
                )
            return
        if len(order) == 1:
            yield Finding(
                (*where, "failoverOrder"),
                "There is no other cluster to fail over to.",
                fix="Add one, or write `clusters` instead.",
            )
        for position, first, name in repeated(order):
            yield Finding(
                (*where, "failoverOrder", position),
                f"The cluster {name!r} stands in the order twice.",
                fix="Remove one of them.",
                related=((None, (*where, "failoverOrder", first), "The first one."),),
            )
        for field in sorted(placement.model_fields_set - {"failover_order", "failback"}):
            name = type(placement).model_fields[field].alias or field
            yield Finding(
                (*where, name),
                f"`failoverOrder` says where it stands, and `{name}` says it too.",
                at_key=True,
                fix="Remove one of them.",
            )
        for environment, members in _judged(document, spec, index):
            by_name = {m.name: m for m in members}
            for position, name in enumerate(order[:-1]):
                if name in by_name and by_name[name].when_unreachable != "skip" and not by_name[name].drain:
                    yield Finding(
                        (*where, "failoverOrder", position),
                        f"In environment {environment!r} the cluster {name!r} may not be away, so that nothing fails over from it.",
                        fix=f"Write `whenUnreachable: skip` in the entry of {name!r}.",
                    )


def _members(index: Index) -> Mapping[str, tuple[MemberCluster, ...]]:
    """The clusters of each environment that has several."""
    found = {d.key.name: settings(d.key.name, index) for d in index.of_kind("Environment")}
    return {name: spec.clusters for name, spec in found.items() if spec is not None and spec.clusters}


def _judged(document: Document, spec: EndpointSpec, index: Index) -> Iterator[tuple[str, tuple[MemberCluster, ...]]]:
    """The environments of several clusters in which the placement holds as it is, with their clusters.

    Overlays are judged as the document that they make (`validate.crossing`): it holds in their environments, and what was written without
    them in the others.
    """
    limits = document.metadata.environments
    shared = spec.placement is not None and bool(spec.placement.replica_weights)
    written = _read(spec.model_dump(by_alias=True, exclude_unset=True, mode="json"), shared)
    patches = _patches(document, shared, index)
    patched = {name for name, found in patches.items() if reduce(merge, found, written) == written}
    for environment, members in sorted(derived(index, _members).items()):
        if limits is not None and environment not in limits:
            continue
        if environment in patched or not (patched or environment in patches):
            yield environment, members


def _read(said: Mapping[str, Any], shared: bool) -> dict[str, Any]:
    """Of a spec or a patch what is judged: the placement, and for shares the replicas that are shared out."""
    predictor = said.get("predictor")
    replicas = predictor if shared and isinstance(predictor, Mapping) and "minReplicas" in predictor else {}
    return {
        **({"placement": said["placement"]} if "placement" in said else {}),
        **({"predictor": {"minReplicas": replicas["minReplicas"]}} if replicas else {}),
    }


def _patches(document: Document, shared: bool, index: Index) -> dict[str, list[dict[str, Any]]]:
    """What overlays say of that, by environment."""
    found: dict[str, list[dict[str, Any]]] = {}
    for overlay in index.of_kind("Overlay"):
        spec = overlay.spec
        if not isinstance(spec, OverlaySpec) or spec.target.kind != document.key.kind:
            continue
        namespace = spec.target.namespace or overlay.key.namespace
        said = _read(spec.patch, shared)
        if said and (namespace, spec.target.name) == (document.key.namespace, document.key.name):
            for environment in spec.environments:
                found.setdefault(environment, []).append(said)
    return found


RULES: tuple[type[Rule], ...] = (PlacementContradicts, PlacementUnmet, SharesUnmet, FailoverAlone)
