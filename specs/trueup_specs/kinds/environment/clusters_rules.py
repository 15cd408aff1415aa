"""Rules of an Environment over several clusters (TRU1142 to TRU1147, TRU1158): one or several, each once, shares that add up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_HEAD = "kind: Environment\nmetadata: {name: prod}\nspec:\n  target: kubernetes\n"
_GOOD = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu, region: eu-central-1, provider: aws, movedFrom: cluster}}
    - {{name: virginia, context: us, region: us-east-1, provider: aws, whenUnreachable: skip}}
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
        members = (settings(document.key.name, index) or spec).clusters
        for second, first, _ in repeated((m.kubeconfig, m.context, m.namespace_prefix) for m in members):
            two = [members[n].name for n in (second, first)]
            mine = [n for name in two for n, m in enumerate(spec.clusters) if m.name == name]
            if mine:
                yield Finding(
                    ("spec", "clusters", mine[0]),
                    f"{two[0]!r} is the cluster {two[1]!r} once more.",
                    fix="Write another `context` (or `kubeconfig`), or another `namespacePrefix`.",
                )


class SharesNotWhole(SpecRule[EnvironmentSpec]):
    """The weights of the clusters of one priority must add to 100, where any of them has one."""

    code = "TRU1144"
    about = ("spec.clusters",)
    reason = "They are percent of the requests; another sum is, as a rule, a mistake in one of them."
    good = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu, weight: 60}}
    - {{name: virginia, context: us, weight: 40}}"""
    bad = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu, weight: 60}}
#                                            ^
    - {{name: virginia, context: us, weight: 30}}"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        members = (settings(document.key.name, index) or spec).clusters
        own = {m.name: n for n, m in reversed(list(enumerate(spec.clusters)))}
        placed = sorted((m for m in members if not m.drain), key=lambda m: m.priority)
        for priority, group in groupby(placed, key=lambda m: m.priority):
            weights = {m.name: m.weight for m in group}
            mine = [name for name in weights if name in own]
            if not mine or all(w is None for w in weights.values()):
                continue
            total = sum(w or 0 for w in weights.values())
            lacking = [name for name in mine if weights[name] is None]
            if lacking:
                yield Finding(
                    ("spec", "clusters", own[lacking[0]]),
                    f"The cluster {lacking[0]!r} has no weight, and others of the priority {priority} have.",
                    fix=f"Add `weight: {max(0, 100 - total)}`, or remove the others'.",
                )
            elif total != 100:
                yield Finding(
                    ("spec", "clusters", own[mine[0]], "weight"),
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
        whole = settings(document.key.name, index) or spec
        moved = [m.name for m in whole.clusters if m.moved_from is not None]
        for position, member in enumerate(spec.clusters):
            if member.moved_from is not None and member.name in moved[1:]:
                yield Finding(
                    ("spec", "clusters", position, "movedFrom"),
                    f"The cluster {moved[0]!r} was the environment's `cluster` already.",
                    fix="Remove `movedFrom` from one of them.",
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
        whole = settings(document.key.name, index) or spec
        if spec.clusters and all(m.drain for m in whole.clusters):
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


class LostNotDrained(SpecRule[EnvironmentSpec]):
    """A cluster that is lost must be drained too."""

    code = "TRU1158"
    about = ("spec.clusters",)
    reason = "Two words have to agree before what is recorded of a whole cluster is given up."
    good = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu}}
    - {{name: virginia, context: us, drain: true, lost: true}}"""
    bad = f"""{_HEAD}  clusters:
    - {{name: frankfurt, context: eu}}
    - {{name: virginia, context: us, lost: true}}
#                                         ^"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, member in enumerate(spec.clusters):
            if member.lost and not member.drain:
                yield Finding(
                    ("spec", "clusters", position, "lost"),
                    f"The cluster {member.name!r} is lost, and something is to stand on it.",
                    fix="Add `drain: true`, or remove `lost`.",
                )


RULES: tuple[type[Rule], ...] = (
    ClusterAndClusters,
    ClusterTwice,
    SharesNotWhole,
    MovedTwice,
    AllDrained,
    ClustersElsewhere,
    LostNotDrained,
)
