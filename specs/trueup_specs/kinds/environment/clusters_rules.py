"""Rules of an Environment over several clusters (TRU1142 to TRU1147): one or several, each once, shares that add up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_HEAD = "kind: Environment\nmetadata: {name: prod}\nspec:\n  target: kubernetes\n"
_GOOD = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu, region: eu-central-1, provider: aws, weight: 60, movedFrom: cluster}}
    - {{name: virginia, context: us, region: us-east-1, provider: aws, weight: 40, whenUnreachable: skip}}
    - {{name: paris, context: dr, region: europe-west9, provider: gcp, priority: 1}}"""


class ClusterAndClusters(SpecRule[EnvironmentSpec]):
    """An environment must have `cluster` or `clusters`, not both, also where one of them is of the environment that it extends."""

    code = "TRU1142"
    about = ("spec.cluster", "spec.clusters")
    reason = "It could not be told whether the one stands beside the others, or is one of them."
    good = _GOOD
    bad = f"{_HEAD}  cluster: {{context: eu}}\n  clusters: [{{name: virginia, context: us}}]\n# ^"

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        if whole.cluster is None or not whole.clusters:
            return
        field = "clusters" if spec.clusters else "cluster"
        other = "" if spec.cluster is not None and spec.clusters else f" (by `extends: {spec.extends}`)"
        yield Finding(
            ("spec", field),
            f"The environment has both `cluster` and `clusters`{other}.",
            at_key=True,
            fix="Make `cluster` one of `clusters`, with a `name` and `movedFrom: cluster`; where it is inherited, write `cluster: null`.",
        )


class ClusterTwice(SpecRule[EnvironmentSpec]):
    """Each of several clusters must have a name of its own, and be another cluster or have another `namespacePrefix`."""

    code = "TRU1143"
    about = ("spec.clusters",)
    reason = "What is applied by one name would overwrite, and delete, what is applied by the other."
    good = _GOOD
    bad = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu}}
    - {{name: virginia, context: eu}}
#     ^"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(m.name for m in spec.clusters):
            yield Finding(
                ("spec", "clusters", position, "name"),
                f"Two clusters are called {name!r}.",
                fix="Give one of them another name.",
                related=((None, ("spec", "clusters", first, "name"), "The first one."),),
            )
        places = ((m.kubeconfig, m.context, m.namespace_prefix) for m in spec.clusters)
        for position, first, _ in repeated(places):
            yield Finding(
                ("spec", "clusters", position),
                f"{spec.clusters[position].name!r} is the cluster {spec.clusters[first].name!r} once more.",
                fix="Write another `context` (or `kubeconfig`), or another `namespacePrefix`.",
                related=((None, ("spec", "clusters", first), "The first one."),),
            )


class SharesNotWhole(SpecRule[EnvironmentSpec]):
    """The weights of the clusters of one priority must add to 100, where any of them has one."""

    code = "TRU1144"
    about = ("spec.clusters",)
    reason = "They are percent of the requests; another sum is, as a rule, a mistake in one of them."
    good = _GOOD
    bad = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu, weight: 60}}
#                                            ^
    - {{name: virginia, context: us, weight: 30}}"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        placed = sorted((m.priority, n) for n, m in enumerate(spec.clusters) if not m.drain)
        for priority, group in groupby(placed, key=lambda item: item[0]):
            positions = [n for _, n in group]
            weights = {n: spec.clusters[n].weight for n in positions}
            if all(w is None for w in weights.values()):
                continue
            total = sum(w or 0 for w in weights.values())
            lacking = [n for n, w in weights.items() if w is None]
            if lacking:
                yield Finding(
                    ("spec", "clusters", lacking[0]),
                    f"The cluster {spec.clusters[lacking[0]].name!r} has no weight, and others of the priority {priority} have.",
                    fix=f"Add `weight: {max(0, 100 - total)}`, or remove the others'.",
                )
            elif total != 100:
                yield Finding(
                    ("spec", "clusters", positions[0], "weight"),
                    f"The weights of the clusters of the priority {priority} add to {total}, not to 100.",
                    fix=f"{'Take' if total > 100 else 'Add'} {abs(total - 100)} {'from' if total > 100 else 'to'} one of them.",
                )


class MovedTwice(SpecRule[EnvironmentSpec]):
    """Only one of several clusters can have been `cluster` before."""

    code = "TRU1145"
    about = ("spec.clusters",)
    reason = "Two clusters cannot have the same stacks."
    good = _GOOD
    bad = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu, movedFrom: cluster}}
    - {{name: virginia, context: us, movedFrom: cluster}}
#                                              ^"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        moved = [n for n, m in enumerate(spec.clusters) if m.moved_from is not None]
        for position in moved[1:]:
            yield Finding(
                ("spec", "clusters", position, "movedFrom"),
                f"The cluster {spec.clusters[moved[0]].name!r} was the environment's `cluster` already.",
                fix="Remove `movedFrom` from one of them.",
                related=((None, ("spec", "clusters", moved[0], "movedFrom"), "The other one."),),
            )


class AllDrained(SpecRule[EnvironmentSpec]):
    """At least one of several clusters must not be drained."""

    code = "TRU1146"
    about = ("spec.clusters",)
    reason = "Nothing of the environment could stand anywhere: `trueup destroy` is for that."
    good = _GOOD
    bad = f"""{_HEAD}  clusters:
# ^
    - {{name: frankfurt, context: eu, drain: true}}"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.clusters and all(m.drain for m in spec.clusters):
            yield Finding(
                ("spec", "clusters"),
                "Every cluster is drained.",
                at_key=True,
                fix="End the drain of one, or delete the environment with `trueup destroy`.",
            )


class ClustersElsewhere(SpecRule[EnvironmentSpec]):
    """`clusters` belongs to an environment whose target is kubernetes."""

    code = "TRU1147"
    about = ("spec.clusters",)
    reason = "No other target puts anything on them."
    good = _GOOD
    bad = (
        "kind: Environment\nmetadata: {name: prod}\nspec:\n  target: local\n"
        "  clusters: [{name: virginia, context: us}]\n# ^"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        if spec.clusters and whole.target != "kubernetes":
            yield Finding(
                ("spec", "clusters"),
                f"The environment's target is {whole.target}, which has no clusters.",
                at_key=True,
                fix="Write `target: kubernetes`, or remove `clusters`.",
            )


RULES: tuple[type[Rule], ...] = (
    ClusterAndClusters,
    ClusterTwice,
    SharesNotWhole,
    MovedTwice,
    AllDrained,
    ClustersElsewhere,
)
