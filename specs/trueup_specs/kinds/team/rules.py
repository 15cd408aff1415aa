"""Rules of `kind: Team` (TRU1200 to TRU1229)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, repeated
from trueup_specs.kinds.envelope.rules import owners
from trueup_specs.kinds.team.spec import TeamSpec

_FINGERPRINT = re.compile(r"^(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$")
_ADDRESS = re.compile(r"^[^@\s]+@[^@\s]+$")
_SSH = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-")
_GOOD = """
    kind: Team
    metadata: {name: growth}
    spec:
      members:
        - user: ada
          email: ada@example.com
          signingKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl]
        - {user: bob}
      owns: [churn]
    """


class NamespaceOwnedTwice(SpecRule[TeamSpec]):
    """A namespace must be owned by one team."""

    code = "TRU1200"
    reason = "With two owners nobody knows who must agree; a team that both belong to can own it."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}], owns: [churn]}
        #                                     ^
        ---
        kind: Team
        metadata: {name: pricing}
        spec: {members: [{user: bob}], owns: [churn]}
        #                                     ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        owned = derived(index, owners)
        for position, namespace in enumerate(spec.owns):
            for other in owned.get(namespace, ()):
                if other.key != document.key:
                    yield Finding(
                        ("spec", "owns", position),
                        f"The teams {document.key.name!r} and {other.key.name!r} both own the namespace {namespace!r}.",
                        fix="Remove it from one of them.",
                        related=((other.key, ("spec", "owns"), "The other team."),),
                    )
                    break


class OwnedTwiceHere(SpecRule[TeamSpec]):
    """`owns` must name each namespace once."""

    code = "TRU1201"
    reason = "A repeated name is, as a rule, another namespace that was meant."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}], owns: [churn, churn]}
        #                                            ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(spec.owns):
            yield Finding(
                ("spec", "owns", position), f"The namespace {name!r} is listed twice.", fix="Remove one of them."
            )


class MemberTwice(SpecRule[TeamSpec]):
    """Each person must stand once in a team; forges do not tell capitals apart."""

    code = "TRU1202"
    reason = "One person must not count as two approvals."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}, {user: Ada}]}
        #                                    ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(member.user.lower() for member in spec.members):
            yield Finding(
                ("spec", "members", position, "user"),
                f"The person {name!r} stands twice in the team.",
                fix="Make one entry of the two.",
                related=((None, ("spec", "members", first), "The first one."),),
            )


class SigningKeyMalformed(SpecRule[TeamSpec]):
    """A signing key must be an SSH public key or the whole fingerprint of a GPG key."""

    code = "TRU1203"
    reason = "No signature could be compared with it; a short key id of GPG can be forged."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada, signingKeys: [ssh-ed25519 ABCD]}]}
        #                                          ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, member in enumerate(spec.members):
            for number, key in enumerate(member.signing_keys):
                wrong = key_problem(key)
                if wrong:
                    yield Finding(
                        ("spec", "members", position, "signingKeys", number),
                        f"A signing key of {member.user!r} {wrong}.",
                        fix="Write the line of `~/.ssh/id_ed25519.pub`, or the 40 digits that `gpg --fingerprint` shows.",
                    )


def key_problem(key: str) -> str | None:
    """Why `key` is no public key or fingerprint, as the end of a sentence; None where it is one."""
    if "PRIVATE KEY" in key:
        return "is a private key: remove it, and make a new pair, for this one is known now"
    if not key.startswith(_SSH):
        return (
            None if _FINGERPRINT.match(key.replace(" ", "")) else "is neither an SSH public key nor a GPG fingerprint"
        )
    kind, _, rest = key.partition(" ")
    try:
        blob = base64.b64decode(rest.partition(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return "is no SSH public key: what follows the type is not Base64"
    length = int.from_bytes(blob[:4], "big")
    return None if blob[4 : 4 + length] == kind.encode() and len(blob) > 4 + length else "is no whole SSH public key"


def _keys(index: Index) -> dict[str, set[str]]:
    """The people of each signing key."""
    found: dict[str, set[str]] = {}
    for team in index.of_kind("Team"):
        assert isinstance(team.spec, TeamSpec)
        for member in team.spec.members:
            for key in member.signing_keys:
                found.setdefault(_core(key), set()).add(member.user.lower())
    return found


def _core(key: str) -> str:
    """A key without its comment, so that two spellings of one are equal."""
    return " ".join(key.split()[:2]) if key.startswith(_SSH) else key.replace(" ", "").upper()


class SigningKeyShared(SpecRule[TeamSpec]):
    """A signing key must belong to one person."""

    code = "TRU1204"
    reason = "One signature would count as the approval of two people."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec:
          members:
            - {user: ada, signingKeys: [0123456789ABCDEF0123456789ABCDEF01234567]}
        #                               ^
            - {user: bob, signingKeys: [0123456789abcdef0123456789abcdef01234567]}
        #                               ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        shared = derived(index, _keys)
        for position, member in enumerate(spec.members):
            for number, key in enumerate(member.signing_keys):
                people = shared.get(_core(key), set())
                if len(people) > 1:
                    yield Finding(
                        ("spec", "members", position, "signingKeys", number),
                        f"The same signing key belongs to {' and '.join(sorted(people))}.",
                        fix="Give each person a key of their own.",
                    )


class AddressMalformed(SpecRule[TeamSpec]):
    """`email` must be an address."""

    code = "TRU1205"
    severity = Severity.WARNING
    reason = "It is compared with the author of commits, so that nobody approves their own change."
    good = _GOOD
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada, email: ada.example.com}]}
        #                                   ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, member in enumerate(spec.members):
            if member.email is not None and not _ADDRESS.match(member.email):
                yield Finding(
                    ("spec", "members", position, "email"),
                    f"{member.email!r} is no address.",
                    fix="Write the address of `git config user.email`.",
                )


class BreakGlassWithoutKeys(SpecRule[TeamSpec]):
    """A team with `breakGlass` must have a member with a signing key."""

    code = "TRU1206"
    reason = "Whoever breaks the glass is known by their key only, so that nobody of the team could."
    good = """
        kind: Team
        metadata: {name: on-call}
        spec: {members: [{user: ada, signingKeys: [0123456789ABCDEF0123456789ABCDEF01234567]}], breakGlass: true}
        """
    bad = """
        kind: Team
        metadata: {name: on-call}
        spec: {members: [{user: ada}], breakGlass: true}
        #                              ^
        """

    def find(self, spec: TeamSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.break_glass and not any(member.signing_keys for member in spec.members):
            yield Finding(
                ("spec", "breakGlass"),
                "No member of the team has a signing key.",
                at_key=True,
                fix="Add `signingKeys` to its members, or remove `breakGlass`.",
            )


RULES: tuple[type[Rule], ...] = (
    NamespaceOwnedTwice,
    OwnedTwiceHere,
    MemberTwice,
    SigningKeyMalformed,
    SigningKeyShared,
    AddressMalformed,
    BreakGlassWithoutKeys,
)
