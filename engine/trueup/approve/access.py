"""Access policies: who may change what, and who may apply. Called by `planning` (changes) and `permitting` (applies).

The policies and teams are the base branch's. A policy forbids to all but those whom it names; of several that match, each must allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from trueup.approve.attribution import Attributed
from trueup.approve.people import Person, by_address, people
from trueup.plan.values import Verdict
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.kinds.access_policy.spec import AccessPolicySpec
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_specs.kinds.team.spec import TeamSpec

LEVEL = "mandatory"


@dataclass(frozen=True)
class Signed:
    """Whose key signed a commit."""

    user: str = ""
    """A member's login; empty where it is no member's, or not valid."""
    forge: bool = False
    """Whether it is a key of the forge that the policy names."""


Signer = Callable[[str, tuple[str, ...]], Signed]
"""Who signed a commit, given its id and the forge's keys."""


@dataclass(frozen=True)
class Subject:
    """What a change is about: a document, with the fields and the environments that it reaches."""

    key: Key
    paths: tuple[str, ...]
    environments: frozenset[str] | None
    """None for all."""


def judge(
    policies: Iterable[Document],
    changes: Iterable[Attributed],
    teams: Mapping[str, TeamSpec],
    environment: str,
    chain: Iterable[str],
    signer: Signer,
) -> tuple[Verdict, ...]:
    """What each policy says of each document that was changed. `chain` are the environment and those that it extends."""
    found: dict[tuple[str, Key], list[str]] = {}
    within = frozenset(chain)
    listed = list(changes)
    for document in policies:
        spec = document.spec
        assert isinstance(spec, AccessPolicySpec)
        if "change" not in spec.on or (spec.match.environments and environment not in spec.match.environments):
            continue
        for change in listed:
            if any(_matches(spec, s, environment) for s in subjects(change, environment, within)):
                refused = found.setdefault((document.key.name, change.key), [])
                refused += _refused(spec, change, teams, signer)
    return tuple(
        Verdict(name, LEVEL, not why, str(key), " ".join(dict.fromkeys(why))) for (name, key), why in found.items()
    )


def acting(
    policies: Iterable[Document],
    teams: Mapping[str, TeamSpec],
    environment: str,
    actor: str,
    signed: Callable[[], str],
) -> tuple[str, ...]:
    """Why an actor (an address) may not apply, as sentences. `signed` makes a signature and gives the login whose key it is."""
    found = []
    for document in policies:
        spec = document.spec
        assert isinstance(spec, AccessPolicySpec)
        matches = not spec.match.environments or environment in spec.match.environments
        if "apply" not in spec.on or not matches:
            continue
        if not _named(spec, actor, teams):
            found.append(
                f"{document.key}: {_who(actor, teams)} applies {environment}, which only {_allowed(spec)} may.{_said(spec)}"
            )
        elif spec.require_signature and not _is(signed(), actor, teams):
            found.append(
                f"{document.key}: whoever applies {environment} must sign with a key of their Team, and {actor} did not.{_said(spec)}"
            )
    return tuple(found)


def subjects(change: Attributed, environment: str, chain: frozenset[str]) -> Iterator[Subject]:
    """The documents that a change is about: an overlay is about its target as well."""
    key, document = change.key, change.document
    limits = document.metadata.environments
    environments = frozenset(limits) if limits is not None else None
    if key.kind == "Environment":
        environments = frozenset({key.name, environment} if key.name in chain else {key.name})
    if isinstance(document.spec, OverlaySpec):
        overlay = document.spec
        environments = frozenset(overlay.environments)
        namespace = overlay.target.namespace or key.namespace
        patched = tuple(f"spec.{p}" for p in _leaves(overlay.patch))
        yield Subject(Key(overlay.target.kind, namespace, overlay.target.name), patched, environments)
    yield Subject(key, change.paths, environments)


def _leaves(value: Mapping[str, object], above: str = "") -> Iterator[str]:
    for name, inner in value.items():
        path = f"{above}.{name}" if above else name
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, path)
        else:
            yield path


def _matches(spec: AccessPolicySpec, subject: Subject, environment: str) -> bool:
    match = spec.match
    return (
        (not match.kinds or subject.key.kind in match.kinds)
        and (not match.namespaces or subject.key.namespace in match.namespaces)
        and (subject.environments is None or environment in subject.environments)
        and (not match.fields or not subject.paths or any(_under(p, f) for p in subject.paths for f in match.fields))
    )


def _under(path: str, field: str) -> bool:
    """Whether one of two paths is at or above the other: who replaces a map changes what is in it."""
    short, long = sorted((path, field), key=len)
    return long == short or long.startswith((f"{short}.", f"{short}["))


def _refused(
    spec: AccessPolicySpec, change: Attributed, teams: Mapping[str, TeamSpec], signer: Signer
) -> Iterator[str]:
    where = change.commit[:10] or "the working tree"
    what = f"changed {', '.join(change.paths[:3])}" if change.paths else "changed it"
    for address in sorted(change.authors):
        if not _named(spec, address, teams):
            yield f"{_who(address, teams)} {what} in {where}, which only {_allowed(spec)} may.{_said(spec)}"
    if spec.require_signature and _named(spec, change.author, teams):
        made = signer(change.commit, spec.forge_keys) if change.commit else Signed()
        if not made.forge and not _is(made.user, change.author, teams):
            yield f"{where} is not signed by its author {change.author} with a key of their Team.{_said(spec)}"


def _named(spec: AccessPolicySpec, address: str, teams: Mapping[str, TeamSpec]) -> bool:
    named = {u.lower() for u in spec.users}
    who = by_address(teams, address)
    return address.lower() in named or (
        who is not None and (who.user.lower() in named or bool(who.teams & set(spec.teams)))
    )


def _is(user: str, address: str, teams: Mapping[str, TeamSpec]) -> bool:
    """Whether an address is that of a member."""
    found: Person | None = people(teams).get(user.lower()) if user else None
    return found is not None and found.wrote([address])


def _who(address: str, teams: Mapping[str, TeamSpec]) -> str:
    who = by_address(teams, address)
    return f"{who.user} ({address})" if who is not None else f"{address or 'nobody known'}, who is in no Team,"


def _allowed(spec: AccessPolicySpec) -> str:
    return " or ".join([*spec.teams, *spec.users]) or "nobody"


def _said(spec: AccessPolicySpec) -> str:
    return f" {spec.message}" if spec.message else ""
