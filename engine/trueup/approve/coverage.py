"""Whether approvals cover a plan. Called before every apply; reads signatures and nothing else.

An approval is bound to effects, not to a commit: it holds over a squash merge and over someone else's merge, and covers no
effect that its giver did not see, nor a more severe way to it. It is a signature in the ledger, or a review that the forge holds now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup.approve import requirements, seals, signatures
from trueup.approve.authorship import authors
from trueup.approve.people import Person, person
from trueup.approve.requirements import Ownership, Scene
from trueup.approve.reviews import Found
from trueup.plan.values import Plan, SealEntry
from trueup_specs.kinds.environment.spec import ApprovalRule, Approvals
from trueup_specs.kinds.team.spec import TeamSpec

MOST_SHOWN = 5


@dataclass(frozen=True)
class Covered:
    """What is missing, as sentences, and the ids of the approvals that a plan rests on."""

    missing: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    overridden: bool = False
    """Whether those who may pass over soft policies approved all of the plan."""


@dataclass(frozen=True)
class Agreement:
    """That someone agreed to effects, each up to a severity."""

    id: str
    user: str
    """The login, in lower case."""
    effects: Mapping[str, int]

    def covers(self, entry: SealEntry) -> bool:
        """Whether an entry is among the effects, in a way that is no more severe."""
        return seals.severity(entry) <= self.effects.get(seals.effect(entry), -1)


@dataclass(frozen=True)
class Given:
    """What was given: signed approvals as the ledger keeps them, and reviews that count."""

    signed: tuple[Mapping[str, Any], ...] = ()
    reviewed: Found = field(default_factory=Found)


def judge(
    plan: Plan,
    approvals: Iterable[Mapping[str, Any]],
    teams: Mapping[str, TeamSpec],
    settings: Approvals,
    repository: Path,
    since: str = "",
    *,
    reviewed: Found | None = None,
    ownership: Ownership | None = None,
) -> Covered:
    """Whether each effect of the plan was approved by enough of those who may, its authors not counted.

    `since` is the commit that was applied last: whoever changed one of the plan's specs after it is an author. `reviewed` are the
    forge's reviews that count; their authors were judged with them.
    """
    rules, overriding = requirements.rules(settings), requirements.rules(settings, override=True)
    if not plan.seal or not (rules or overriding):
        return Covered()
    given = [*_signed(plan, approvals, teams, authors(repository, plan, since)), *_reviewed(reviewed or Found())]
    scene = Scene(plan, teams, ownership or Ownership())
    missing = [text for rule in rules for text in _missing(rule, plan.seal, given, scene)]
    used = tuple(sorted({a.id for a in given if any(a.covers(e) for e in plan.seal)}))
    overridden = any(_overrides(rule, plan.seal, given, scene) for rule in overriding)
    return Covered(tuple(missing), used, overridden)


def _signed(
    plan: Plan, approvals: Iterable[Mapping[str, Any]], teams: Mapping[str, TeamSpec], authors: frozenset[str]
) -> Iterable[Agreement]:
    for stored in approvals:
        approval = seals.parse(stored)
        if approval is None or (approval.workspace, approval.environment) != (plan.workspace, plan.environment):
            continue
        data = seals.payload(approval.workspace, approval.environment, approval.entries, approval.time)
        member = signatures.verified(approval.format, approval.signature, data, teams)
        who: Person | None = person(teams, member.user) if member is not None else None
        # A member without an address cannot be told from the author, so that nobody could rule out a self-approval.
        if member is not None and who is not None and member.email and not who.wrote(authors):
            yield Agreement(approval.id, who.user.lower(), severities(approval.entries))


def _reviewed(found: Found) -> Iterable[Agreement]:
    return (Agreement(c.id, c.person.user.lower(), severities(c.seen.entries)) for c in found.counted)


def severities(entries: Iterable[SealEntry]) -> dict[str, int]:
    """The most severe way in which entries allow each effect."""
    found: dict[str, int] = {}
    for entry in entries:
        effect = seals.effect(entry)
        found[effect] = max(found.get(effect, -1), int(seals.severity(entry)))
    return found


def _approvers(rule: ApprovalRule, entry: SealEntry, given: list[Agreement], scene: Scene) -> frozenset[str]:
    may = requirements.may_approve(rule, entry, scene)
    return frozenset(a.user for a in given if a.user in may and a.covers(entry))


def _met(rule: ApprovalRule, entries: Iterable[SealEntry], given: list[Agreement], scene: Scene) -> bool:
    return all(len(_approvers(rule, e, given, scene)) >= rule.required for e in entries)


def _overrides(rule: ApprovalRule, entries: tuple[SealEntry, ...], given: list[Agreement], scene: Scene) -> bool:
    """Whether those who may pass over soft policies approved everything, and may for everything."""
    return all(requirements.concerns(rule, e, scene) for e in entries) and _met(rule, entries, given, scene)


def _missing(rule: ApprovalRule, entries: tuple[SealEntry, ...], given: list[Agreement], scene: Scene) -> Iterable[str]:
    about = [e for e in entries if requirements.concerns(rule, e, scene)]
    missing = [e for e in about if not _met(rule, [e], given, scene)]
    if not missing:
        return
    might = {u for e in missing for u in requirements.may_approve(rule, e, scene)}
    known = ", ".join(sorted({a.user for a in given if a.user in might})) or "nobody"
    shown = "; ".join(_worded(e) for e in missing[:MOST_SHOWN])
    more = f"; and {len(missing) - MOST_SHOWN} more" if len(missing) > MOST_SHOWN else ""
    yield (
        f"{len(missing)} of {len(about)} effects are not approved by {requirements.worded(rule)} (approved by {known} so far): "
        f"{shown}{more}."
    )


def _worded(entry: SealEntry) -> str:
    _, _, kind_and_name = entry.urn.partition(f"{entry.stack}::")
    name = kind_and_name.partition("::")[2].replace("::", " ")
    return f"{entry.action} {name} {entry.path}".strip()
