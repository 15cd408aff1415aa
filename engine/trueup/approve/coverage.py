"""Whether approvals cover a plan. Called before every apply; reads signatures and nothing else.

An approval is bound to effects, not to a commit: it holds over a squash merge and over someone else's merge, and covers no
effect that its signer did not see, nor a more severe way to it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.approve import seals, signatures
from trueup.plan.values import Plan, SealEntry
from trueup_specs.kinds.environment.spec import Approvals
from trueup_specs.kinds.team.spec import Member, TeamSpec

MOST_SHOWN = 5


@dataclass(frozen=True)
class Covered:
    """What is missing, as sentences, and the ids of the approvals that a plan rests on."""

    missing: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def judge(
    plan: Plan,
    approvals: Iterable[Mapping[str, Any]],
    teams: Mapping[str, TeamSpec],
    settings: Approvals,
    repository: Path,
    since: str = "",
) -> Covered:
    """Whether each effect of the plan was approved by enough members of the teams that may, its authors not counted.

    `since` is the commit that was applied last: whoever changed one of the plan's specs after it is an author.
    """
    if settings.required == 0 or not plan.seal:
        return Covered()
    allowed = {n: t for n, t in teams.items() if not settings.teams or n in settings.teams}
    given = _valid(plan, approvals, allowed, authors(repository, plan, since))
    missing = [e for e in plan.seal if len(_approvers(e, given)) < settings.required]
    used = tuple(sorted({a.id for _, a in given if any(_covers(a, e) for e in plan.seal)}))
    return Covered(tuple(_sentences(missing, given, settings, len(plan.seal))), used)


Given = list[tuple[Member, seals.Approval]]


def _valid(
    plan: Plan, approvals: Iterable[Mapping[str, Any]], teams: Mapping[str, TeamSpec], authors: frozenset[str]
) -> Given:
    found: Given = []
    for stored in approvals:
        approval = seals.parse(stored)
        if approval is None or (approval.workspace, approval.environment) != (plan.workspace, plan.environment):
            continue
        data = seals.payload(approval.workspace, approval.environment, approval.entries, approval.time)
        member = signatures.verified(approval.format, approval.signature, data, teams)
        # A member without an address cannot be told from the author, so that nobody could rule out a self-approval.
        if member is not None and member.email and member.email.lower() not in authors:
            found.append((member, approval))
    return found


def authors(repository: Path, plan: Plan, since: str) -> frozenset[str]:
    """The addresses of those who wrote what is planned: the plan's commit, and the commits after `since` that changed its specs.

    Co-authors that a squash merge names count as well.
    """
    if not plan.commit:
        return frozenset()
    files = sorted({c.location.file for c in plan.changes if c.location and c.location.file})
    found = _written(repository, "-1", plan.commit, "--")
    if since and files:
        found |= _written(repository, f"{since}..{plan.commit}", "--", *(f":(top,literal){f}" for f in files))
    return found


def _written(repository: Path, *arguments: str) -> frozenset[str]:
    form = "--format=%ae%n%(trailers:key=Co-authored-by,valueonly)"
    command = ["git", "-C", str(repository), "log", form, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = (line.partition("<")[2].rstrip(">") if "<" in line else line for line in said.splitlines())
    return frozenset(address.strip().lower() for address in found if address.strip())


def _approvers(entry: SealEntry, given: Given) -> frozenset[str]:
    return frozenset(member.user for member, approval in given if _covers(approval, entry))


def _covers(approval: seals.Approval, entry: SealEntry) -> bool:
    return seals.severity(entry) <= severities(approval).get(seals.effect(entry), -1)


def severities(approval: seals.Approval) -> dict[str, int]:
    """The most severe way in which an approval allows each effect."""
    found: dict[str, int] = {}
    for entry in approval.entries:
        effect = seals.effect(entry)
        found[effect] = max(found.get(effect, -1), int(seals.severity(entry)))
    return found


def _sentences(missing: list[SealEntry], given: Given, settings: Approvals, total: int) -> Iterable[str]:
    if not missing:
        return
    who = f"of {' or '.join(settings.teams)}" if settings.teams else "of a team"
    known = ", ".join(sorted({m.user for m, _ in given})) or "nobody"
    shown = "; ".join(_worded(e) for e in missing[:MOST_SHOWN])
    more = f"; and {len(missing) - MOST_SHOWN} more" if len(missing) > MOST_SHOWN else ""
    yield (
        f"{len(missing)} of {total} effects are not approved by {settings.required} {who} (approved by {known} so far): {shown}{more}."
    )


def _worded(entry: SealEntry) -> str:
    _, _, kind_and_name = entry.urn.partition(f"{entry.stack}::")
    name = kind_and_name.partition("::")[2].replace("::", " ")
    return f"{entry.action} {name} {entry.path}".strip()
