"""Rights on the cluster from `Team` and `AccessPolicy`: who looks, who acts in an emergency, who applies.

What is on the cluster is changed by applies, so that an owner only looks. Roles stand in each namespace; bindings go with the documents
that say who.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.access_policy.spec import AccessPolicySpec
from trueup_specs.kinds.team.spec import TeamSpec
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled
from trueup_stacks.kubernetes import naming, tokens
from trueup_stacks.kubernetes.foundation import inside, namespaces_in_use

VIEW, OPERATE, APPLY = "trueup-view", "trueup-operate", "trueup-apply"
_GROUP = "rbac.authorization.k8s.io"
_LOOK = ["get", "list", "watch"]
_WRITE = [*_LOOK, "create", "update", "patch", "delete"]
_WORKLOADS = {
    "apps": ["deployments", "replicasets"],
    "argoproj.io": ["rollouts", "analysistemplates", "analysisruns", "workflowtemplates", "cronworkflows", "workflows"],
    "batch": ["cronjobs", "jobs"],
    "autoscaling": ["horizontalpodautoscalers"],
    "gateway.networking.k8s.io": ["gateways", "httproutes", "referencegrants"],
    "keda.sh": ["scaledobjects"],
    "monitoring.coreos.com": ["podmonitors", "servicemonitors", "prometheusrules", "alertmanagerconfigs"],
    "networking.k8s.io": ["networkpolicies"],
    "policy": ["poddisruptionbudgets"],
    "ray.io": ["rayjobs"],
}
"""What endpoints, gateways, pipelines and monitors are made of, by API group."""


def roles() -> Iterator[tuple[str, str, Mapping[str, Value]]]:
    """The Roles of a namespace: token, name, properties."""
    core = ["configmaps", "events", "pods", "pods/log", "serviceaccounts", "services", "resourcequotas", "limitranges"]
    seen = [_rule("", core, _LOOK), *(_rule(group, found, _LOOK) for group, found in _WORKLOADS.items())]
    acted = [
        _rule("", ["pods"], ["delete"]),
        _rule("", ["pods/eviction"], ["create"]),
        _rule("apps", ["deployments/scale"], ["patch", "update"]),
        _rule("argoproj.io", ["rollouts", "rollouts/status"], ["patch"]),
    ]
    made = [
        _rule("", ["configmaps", "secrets", "serviceaccounts", "services"], _WRITE),
        *(_rule(group, found, _WRITE) for group, found in _WORKLOADS.items()),
    ]
    for name, rules in ((VIEW, seen), (OPERATE, acted), (APPLY, made)):
        yield tokens.ROLE, name, {"rules": rules}


def _rule(group: str, resources: list[str], verbs: list[str]) -> Value:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def emit_team(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """An owner looks at its namespaces; one with `breakGlass` may restart, scale and promote there too."""
    spec = document.spec
    assert isinstance(spec, TeamSpec)
    for namespace in _kept(catalog):
        if namespace in spec.owns:
            yield _binding(document, catalog, namespace, VIEW, _subjects_of(spec))
            if spec.break_glass:
                yield _binding(document, catalog, namespace, OPERATE, _subjects_of(spec))


def emit_access_policy(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """Who may apply may write on the cluster what an apply writes. Of several policies, each must allow."""
    for namespace in _kept(catalog):
        if not _governs(document, catalog, namespace):
            continue
        policies = [p for p in catalog.of_kind("AccessPolicy") if _governs(p, catalog, namespace)]
        people = frozenset.intersection(*(_people(p, catalog) for p in policies))
        if people:
            subjects = [_subject("User", name) for name in sorted(people)]
            yield _binding(document, catalog, namespace, APPLY, subjects)


def _kept(catalog: Catalog) -> list[str]:
    """The namespaces in use, where Trueup keeps them."""
    return namespaces_in_use(catalog) if naming.cluster(catalog).namespaces.manage else []


def _governs(document: Document, catalog: Catalog, namespace: str) -> bool:
    """Whether the policy says who applies whatever is in the namespace; one about some kinds or fields is more than a Role can say."""
    spec = document.spec
    assert isinstance(spec, AccessPolicySpec)
    match = spec.match
    return (
        "apply" in spec.on
        and (not match.environments or catalog.environment in match.environments)
        and (not match.namespaces or namespace in match.namespaces)
        and not match.kinds
        and not match.fields
    )


def _people(document: Document, catalog: Catalog) -> frozenset[str]:
    """The users that a policy names, as the cluster knows them."""
    spec = document.spec
    assert isinstance(spec, AccessPolicySpec)
    teams = [d.spec for d in catalog.of_kind("Team")]
    known = {m.user: m.email or m.user for team in teams if isinstance(team, TeamSpec) for m in team.members}
    found = {known.get(user, user) for user in spec.users}
    for name in spec.teams:
        team = catalog.bound(document, "Team", name).spec
        assert isinstance(team, TeamSpec)
        found |= {m.email or m.user for m in team.members}
    return frozenset(found)


def _subjects_of(team: TeamSpec) -> list[Value]:
    if team.groups:
        return [_subject("Group", name) for name in team.groups]
    return [_subject("User", member.email or member.user) for member in team.members]


def _subject(kind: str, name: str) -> Value:
    return {"apiGroup": _GROUP, "kind": kind, "name": name}


def _binding(document: Document, catalog: Catalog, namespace: str, role: str, subjects: list[Value]) -> Resource:
    properties = {"roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": role}, "subjects": subjects}
    return inside(document, catalog, namespace, tokens.ROLE_BINDING, f"{role}-{document.key.name}", properties)
