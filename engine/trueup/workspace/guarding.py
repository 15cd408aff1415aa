"""Access policies on a plan and on an apply: what is asked of Git for `approve/access.py`. Called by `planning` and `permitting`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from trueup.approve import access, attribution, signatures
from trueup.approve.access import Signed
from trueup.approve.attribution import Attributed
from trueup.load.trees import Tree
from trueup.plan.values import Verdict
from trueup.resolve.catalog import Catalog
from trueup.workspace.opening import Workspace
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.team.spec import TeamSpec

KIND = "AccessPolicy"
RULING = frozenset({"Workspace", "Environment", "Policy", KIND, "Team"})
"""Kinds that say who may do what: whoever changes them is judged by the rules that held before as well."""


def verdicts(
    workspace: Workspace, ruling: Catalog, former: Iterable[Document], changes: Iterable[Attributed]
) -> tuple[Verdict, ...]:
    """What access policies say of changes. `former` are the rules as they were applied last, which judge changes of rules as well."""
    before = list(former)
    listed = list(changes)
    found = _judged(workspace, ruling.environment, ruling.documents.values(), listed)
    again = _judged(workspace, ruling.environment, before, [c for c in listed if c.key.kind in RULING])
    known = {(v.policy, v.object) for v in found if not v.allowed}
    new = tuple(v for v in again if not v.allowed and (v.policy, v.object) not in known)
    replaced = {(v.policy, v.object) for v in new}
    return (*(v for v in found if (v.policy, v.object) not in replaced), *new)


def unknown(environment: str) -> Verdict:
    """The verdict where the history that would tell who changed what is not in the clone."""
    text = "Who changed what cannot be told: the commit that was applied last is not in this clone. Fetch it: `git fetch --unshallow`."
    return Verdict(KIND, access.LEVEL, False, f"plan of {environment}", text)


def changes(workspace: Workspace, base: Tree | None, head: Tree, dirty: bool) -> tuple[Attributed, ...]:
    """Who changed each document between two trees."""
    local = workspace.ledger.git.identity.email if dirty else ""
    return tuple(attribution.attributed(base, head, base.commit if base is not None else "", local))


def acting(workspace: Workspace, ruling: Catalog) -> tuple[str, ...]:
    """Why whoever works here may not apply the environment, as sentences."""
    teams = _teams(ruling.documents.values())
    actor = workspace.ledger.git.identity.email
    return access.acting(
        _policies(ruling.documents.values()), teams, ruling.environment, actor, lambda: signed(workspace, ruling)
    )


def signed(workspace: Workspace, ruling: Catalog) -> str:
    """The login of the member whose key signs here; empty where there is none."""
    try:
        member = signatures.who(
            workspace.repository, f"trueup apply {ruling.environment}", _teams(ruling.documents.values())
        )
    except signatures.SignatureError:
        return ""
    return member.user if member is not None else ""


def _judged(
    workspace: Workspace, environment: str, rules: Iterable[Document], changes: list[Attributed]
) -> tuple[Verdict, ...]:
    documents = list(rules)
    policies = _policies(documents)
    if not policies or not changes:
        return ()
    teams = _teams(documents)

    @cache
    def signer(commit: str, keys: tuple[str, ...]) -> Signed:
        member = signatures.committer(workspace.repository, commit, teams)
        forge = bool(keys) and member is None and signatures.committed_with(workspace.repository, commit, keys)
        return Signed(member.user if member is not None else "", forge)

    return access.judge(policies, changes, teams, environment, _chain(documents, environment), signer)


def _policies(documents: Iterable[Document]) -> list[Document]:
    return [d for d in documents if d.key.kind == KIND]


def _teams(documents: Iterable[Document]) -> dict[str, TeamSpec]:
    return {d.key.name: d.spec for d in documents if isinstance(d.spec, TeamSpec)}


def _chain(documents: Iterable[Document], environment: str) -> Iterator[str]:
    """The environment and those that it extends."""
    there = {d.key: d.spec for d in documents if isinstance(d.spec, EnvironmentSpec)}
    seen: set[str] = set()
    current: str | None = environment
    while current is not None and current not in seen:
        seen.add(current)
        yield current
        spec = there.get(Key("Environment", "", current))
        current = spec.extends if spec is not None else None
