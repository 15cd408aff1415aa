"""Rules of an Environment's cluster (TRU1107 to TRU1109, TRU1156): openings, quantities, the mesh."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.quantities import amount
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.environment.cluster import Cluster, Egress, Namespaces
from trueup_specs.kinds.environment.spec import EnvironmentSpec


def _cluster(rest: str) -> str:
    """An example: an environment on a cluster with these fields."""
    return f"kind: Environment\nmetadata: {{name: prod}}\nspec:\n  target: kubernetes\n  cluster:\n    context: prod\n{rest}"


def clusters(spec: EnvironmentSpec) -> Iterator[tuple[Path, Cluster]]:
    """The clusters that an environment writes down, with their paths."""
    if spec.cluster is not None:
        yield ("spec", "cluster"), spec.cluster
    for position, member in enumerate(spec.clusters):
        yield ("spec", "clusters", position), member


def _openings(spec: EnvironmentSpec) -> Iterator[tuple[Path, tuple[Egress, ...]]]:
    """Every list of openings that an environment writes down: those of its namespaces, and those of its servers."""
    for path, cluster in clusters(spec):
        yield (*path, "namespaces", "egress"), cluster.namespaces.egress
    if spec.registry.server is not None:
        yield ("spec", "registry", "server", "egress"), spec.registry.server.egress
    if spec.feature_store.server is not None:
        yield ("spec", "featureStore", "server", "egress"), spec.feature_store.server.egress


class EgressNowhere(SpecRule[EnvironmentSpec]):
    """An opening of `egress` must have a name of its own, and either a network in CIDR notation or a namespace."""

    code = "TRU1107"
    reason = "A network policy that names nobody opens the way to everybody."
    good = _cluster(
        "    namespaces: {egress: [{name: store, cidr: 10.1.0.0/24, ports: [443]}, {name: mlflow, namespace: mlflow}]}"
    )
    bad = _cluster(
        "    namespaces: {egress: [{name: store, cidr: 10.1.0.300/24}]}\n#                                             ^"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, openings in _openings(spec):
            for place, _, name in repeated(o.name for o in openings):
                yield Finding(
                    (*path, place, "name"), f"Two openings are called {name!r}.", fix="Give each a name of its own."
                )
            for place, opening in enumerate(openings):
                yield from self._judge(opening, (*path, place))

    @staticmethod
    def _judge(opening: Egress, path: Path) -> Iterator[Finding]:
        if (opening.cidr is None) == (opening.namespace is None):
            yield Finding(
                path,
                f"The opening {opening.name!r} names {'both' if opening.cidr else 'neither'} a network and a namespace.",
                fix="Write `cidr: 10.1.0.0/24` or `namespace: NAME`.",
            )
        if opening.cidr is not None and not _network(opening.cidr):
            yield Finding(
                (*path, "cidr"),
                f"{opening.cidr!r} is no network in CIDR notation.",
                fix="Write an address and the length of its prefix, such as `10.1.0.0/24`.",
            )


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text


class QuotaMalformed(SpecRule[EnvironmentSpec]):
    """Quotas and limits of namespaces must be quantities."""

    code = "TRU1108"
    reason = "The cluster would refuse them when the plan is applied."
    good = _cluster(
        "    namespaces: {quota: {requests.cpu: 20, limits.memory: 64Gi}, limits: {default: {memory: 1Gi}}}"
    )
    bad = _cluster("    namespaces: {quota: {limits.memory: 64GB}}\n#                                       ^")

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, cluster in clusters(spec):
            yield from self._judge((*path, "namespaces"), cluster.namespaces)

    @staticmethod
    def _judge(path: Path, kept: Namespaces) -> Iterator[Finding]:
        groups = {
            (*path, "quota"): kept.quota,
            (*path, "limits", "defaultRequest"): kept.limits.default_request,
            (*path, "limits", "default"): kept.limits.default,
            (*path, "limits", "max"): kept.limits.max,
        }
        for place, quantities in groups.items():
            for name, quantity in quantities.items():
                if amount(quantity) is None:
                    yield Finding(
                        (*place, name),
                        f"{quantity!r} is no quantity.",
                        fix="Write it as Kubernetes does: `500m`, `2`, `512Mi`, `4Gi`.",
                    )


class MeshIgnored(SpecRule[EnvironmentSpec]):
    """`mode: ambient` and `revision` of a mesh are Istio's."""

    code = "TRU1156"
    reason = "Linkerd has neither, so that they would do nothing."
    good = _cluster("    mesh: {type: istio, mode: ambient, revision: stable}")
    bad = _cluster("    mesh: {type: linkerd, mode: ambient}\n#                               ^")

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, cluster in clusters(spec):
            mesh = cluster.mesh
            if mesh is None or mesh.type == "istio":
                continue
            given = {"mode": mesh.mode != "sidecar", "revision": mesh.revision is not None}
            for name in (n for n, is_given in given.items() if is_given):
                yield Finding(
                    (*path, "mesh", name),
                    f"Linkerd has no `{name}`.",
                    fix=f"Remove `{name}`, or write `type: istio`.",
                )


RULES: tuple[type[Rule], ...] = (EgressNowhere, QuotaMalformed, MeshIgnored)
