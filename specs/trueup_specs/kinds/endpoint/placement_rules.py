"""Rules of an endpoint's placement (TRU1760, TRU1761): that it agrees with itself, and with the clusters of each environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup_specs.core.envelope import Document
from trueup_specs.core.patches import merge
from trueup_specs.core.placement import Placement, unmet
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples
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
        - {name: virginia, context: us, region: us-east-1, provider: aws}
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
        for environment in _judged(document, spec.placement, index):
            members = derived(index, _members).get(environment, ())
            for found in unmet(spec.placement, members) if members else ():
                yield Finding(
                    ("spec", "placement", *found.path),
                    f"It cannot be placed in environment {environment!r}: {found.summary}.",
                    fix=found.fix,
                )


def _members(index: Index) -> Mapping[str, tuple[MemberCluster, ...]]:
    """The clusters of each environment that has several."""
    found = {d.key.name: settings(d.key.name, index) for d in index.of_kind("Environment")}
    return {name: spec.clusters for name, spec in found.items() if spec is not None and spec.clusters}


def _judged(document: Document, placement: Placement, index: Index) -> Iterator[str]:
    """The environments in which the placement holds as it is.

    Overlays are judged as the document that they make (`validate.crossing`): it holds in their environments, and what was written without
    them in the others.
    """
    limits = document.metadata.environments
    patches = _patches(document, index)
    patched = {name for name, patch in patches.items() if _applied(placement, patch)}
    for environment in sorted(derived(index, _members)):
        if limits is not None and environment not in limits:
            continue
        if environment in patched or not (patched or environment in patches):
            yield environment


def _patches(document: Document, index: Index) -> dict[str, Any]:
    """What overlays say of the document's placement, by environment."""
    found: dict[str, Any] = {}
    for overlay in index.of_kind("Overlay"):
        spec = overlay.spec
        if not isinstance(spec, OverlaySpec) or "placement" not in spec.patch or spec.target.kind != document.key.kind:
            continue
        namespace = spec.target.namespace or overlay.key.namespace
        if (namespace, spec.target.name) == (document.key.namespace, document.key.name):
            found |= dict.fromkeys(spec.environments, spec.patch["placement"])
    return found


def _applied(placement: Placement, patch: Any) -> bool:
    """Whether the placement has what a patch would make of it."""
    written = {"placement": placement.model_dump(by_alias=True, exclude_unset=True, mode="json")}
    return merge(written, {"placement": patch}) == written


RULES: tuple[type[Rule], ...] = (PlacementContradicts, PlacementUnmet)
