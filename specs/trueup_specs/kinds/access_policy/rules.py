"""Rules of `kind: AccessPolicy` (TRU1830 to TRU1859)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.access_policy.spec import AccessPolicySpec
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.team.spec import Member, TeamSpec

_FIELD = re.compile(r"^(?:spec|metadata)(?:\.[A-Za-z_][\w-]*(?:\[\d+\])?)*$")
_GOOD = """
    kind: Team
    metadata: {name: growth}
    spec: {members: [{user: ada, email: ada@example.com, signingKeys: [0123456789ABCDEF0123456789ABCDEF01234567]}]}
    ---
    kind: AccessPolicy
    metadata: {name: capacity}
    spec:
      match: {kinds: [Endpoint], fields: [spec.predictor.minReplicas]}
      teams: [growth]
      users: [jobs@example.com]
      requireSignature: true
    """


def _members(index: Index) -> Iterator[tuple[str, Member]]:
    for team in index.of_kind("Team"):
        assert isinstance(team.spec, TeamSpec)
        yield from ((team.key.name, member) for member in team.spec.members)


class AccessForNobody(SpecRule[AccessPolicySpec]):
    """An AccessPolicy must name `teams` or `users`."""

    code = "TRU1830"
    reason = "Nobody could change what it is about, not even the policy itself."
    good = _GOOD
    bad = """
        kind: AccessPolicy
        metadata: {name: capacity}
        spec: {match: {kinds: [Endpoint]}}
        #     ^
        """

    def find(self, spec: AccessPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if not spec.teams and not spec.users:
            yield Finding(("spec",), "The policy names nobody.", fix="Add `teams: [TEAM]`.")


class AccessKindUnknown(SpecRule[AccessPolicySpec]):
    """`match.kinds` must name kinds."""

    code = "TRU1831"
    reason = "No document is of another kind, so the policy would guard nothing."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        ---
        kind: AccessPolicy
        metadata: {name: capacity}
        spec: {match: {kinds: [Endpiont]}, teams: [growth]}
        #                      ^
        """

    def find(self, spec: AccessPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        from trueup_specs.kinds import KINDS

        for position, kind in enumerate(spec.match.kinds):
            if kind not in KINDS:
                path = ("spec", "match", "kinds", position)
                yield Finding(path, f"There is no kind {kind!r}.", fix=instead(kind, list(KINDS)))


class AccessFieldMalformed(SpecRule[AccessPolicySpec]):
    """`match.fields` must be dotted paths that begin with `spec` or `metadata`."""

    code = "TRU1832"
    reason = "Another path is no document's, so the policy would guard nothing."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        ---
        kind: AccessPolicy
        metadata: {name: capacity}
        spec: {match: {fields: [predictor.minReplicas]}, teams: [growth]}
        #                       ^
        """

    def find(self, spec: AccessPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, field in enumerate(spec.match.fields):
            if not _FIELD.match(field):
                yield Finding(
                    ("spec", "match", "fields", position),
                    f"{field!r} is no path of a document.",
                    fix=f"Write it from the top, such as `spec.{field.strip('.') or 'predictor'}`.",
                )


class AccessUserUnknown(SpecRule[AccessPolicySpec]):
    """`users` must be members of a Team, or addresses."""

    code = "TRU1833"
    reason = "Commits have addresses, and only a Team says whose they are."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        ---
        kind: AccessPolicy
        metadata: {name: capacity}
        spec: {match: {kinds: [Endpoint]}, users: [adda]}
        #                                          ^
        """

    def find(self, spec: AccessPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        known = {member.user.lower() for _, member in _members(index)}
        for position, user in enumerate(spec.users):
            if "@" not in user and user.lower() not in known:
                yield Finding(
                    ("spec", "users", position),
                    f"{user!r} is a member of no Team.",
                    fix=instead(user.lower(), sorted(known)) if known else "Add them to a Team.",
                )


class AccessWithoutKeys(SpecRule[AccessPolicySpec]):
    """With `requireSignature`, someone whom the policy names must have a signing key."""

    code = "TRU1834"
    reason = "No signature could be verified, so nobody could change anything."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        ---
        kind: AccessPolicy
        metadata: {name: capacity}
        spec: {match: {kinds: [Endpoint]}, teams: [growth], requireSignature: true}
        #                                                   ^
        """

    def find(self, spec: AccessPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if not spec.require_signature or not (spec.teams or spec.users):
            return
        if any(index.get(Key("Team", "", name)) is None for name in spec.teams):
            return
        users = {user.lower() for user in spec.users}
        named = (m for team, m in _members(index) if team in spec.teams or m.user.lower() in users)
        if not any(member.signing_keys for member in named):
            yield Finding(
                ("spec", "requireSignature"),
                "Nobody whom the policy names has a signing key.",
                at_key=True,
                fix="Add `signingKeys` to the members of the Team.",
            )


class ApplyOfDocuments(SpecRule[AccessPolicySpec]):
    """Kinds, namespaces and fields belong to policies on `change`."""

    code = "TRU1835"
    severity = Severity.WARNING
    reason = "An environment is applied as a whole, so that they would do nothing."
    good = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        ---
        kind: AccessPolicy
        metadata: {name: who-applies}
        spec: {on: [apply], teams: [growth]}
        """
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        ---
        kind: AccessPolicy
        metadata: {name: who-applies}
        spec: {on: [apply], match: {kinds: [Endpoint]}, teams: [growth]}
        #                           ^
        """

    def find(self, spec: AccessPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if "change" in spec.on:
            return
        for name, value in (
            ("kinds", spec.match.kinds),
            ("namespaces", spec.match.namespaces),
            ("fields", spec.match.fields),
        ):
            if value:
                yield Finding(
                    ("spec", "match", name),
                    f"A policy on `apply` makes nothing of `match.{name}`.",
                    at_key=True,
                    fix="Remove it, or add `change` to `on`.",
                )


RULES: tuple[type[Rule], ...] = (
    AccessForNobody,
    AccessKindUnknown,
    AccessFieldMalformed,
    AccessUserUnknown,
    AccessWithoutKeys,
    ApplyOfDocuments,
)
