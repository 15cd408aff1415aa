"""Approvals that people gave as reviews on a forge: which count, and why the others do not. Pure.

The forge at the moment of the apply is the source: what it says now is judged, never what the ledger kept of it. A review names a
commit; `seen` (of `workspace/reviewing.py`, which converts the forge's values and is what the jobs call) gives what that commit
would have done to what was recorded as applied when the review was given. Those entries are what the reviewer agreed to, so that a push
or a merge that changes no effect keeps the approval, and one that does leaves exactly the new effects without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trueup.approve.people import Person, person
from trueup.plan.values import SealEntry
from trueup_specs.kinds.team.spec import TeamSpec

APPROVED, CHANGES, DISMISSED, COMMENTED = "approved", "changes_requested", "dismissed", "commented"


@dataclass(frozen=True, slots=True)
class Review:
    """What one person said of one commit."""

    id: str
    user: str
    commit: str
    verdict: str
    """`approved`, `changes_requested`, `commented` or `dismissed`."""
    time: datetime
    stale: bool = False
    """Whether the forge says that there was a push after it. That alone refuses nothing: the effects decide."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A pull request that was merged since the environment was applied last."""

    number: int
    author: str
    """The login of who opened it."""
    reviews: tuple[Review, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reviewer could see of a commit."""

    entries: tuple[SealEntry, ...]
    authors: frozenset[str]
    """The addresses of those who wrote it."""
    base: str
    """The commit that was applied at that time; empty where none was."""
    recorded: str
    """The ledger's entry of that time; empty where there was none."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A review that counts as an approval of its entries."""

    id: str
    """Its own in the ledger: of letters, digits and `-`."""
    person: Person
    number: int
    review: Review
    seen: Seen


@dataclass(frozen=True, slots=True)
class Passed:
    """A review that does not count, and why, as a sentence."""

    number: int
    review: Review
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the reviews come to."""

    counted: tuple[Counted, ...] = ()
    passed: tuple[Passed, ...] = ()


Look = Callable[[Review], Seen | str]
"""What a reviewer could see; a sentence where it cannot be told."""


def judge(
    merges: Iterable[Merge], seen: Look, teams: Mapping[str, TeamSpec], may_write: Callable[[str], bool]
) -> Found:
    """Which reviews count. `may_write` asks the forge whether a login still belongs to the project."""
    counted: list[Counted] = []
    passed: list[Passed] = []
    for merge in merges:
        last = {r.user.lower(): r for r in _decisive(merge)}
        for review in merge.reviews:
            found = _counted(merge, review, last, seen, teams, may_write)
            if isinstance(found, Counted):
                counted.append(found)
            elif found:
                passed.append(Passed(merge.number, review, found))
    return Found(tuple(counted), tuple(passed))


def _decisive(merge: Merge) -> list[Review]:
    """The reviews that say yes or no, oldest first."""
    return sorted((r for r in merge.reviews if r.verdict != COMMENTED), key=lambda r: r.time)


def _counted(
    merge: Merge,
    review: Review,
    last: Mapping[str, Review],
    seen: Look,
    teams: Mapping[str, TeamSpec],
    may_write: Callable[[str], bool],
) -> Counted | str:
    """The approval, or why the review is none; empty for one that does not claim to be."""
    user = review.user
    if review.verdict == DISMISSED:
        return f"The review of {user} was dismissed."
    if review.verdict != APPROVED:
        return ""
    newest = last[user.lower()]
    if newest is not review:
        word = "asked for changes later" if newest.verdict == CHANGES else "reviewed again later"
        return f"{user} {word}."
    who = person(teams, user)
    if who is None:
        return f"{user} is a member of no Team of the base branch (`members[].user` is the login)."
    if user.lower() == merge.author.lower():
        return f"{user} opened the pull request, and nobody approves a change of their own."
    if not who.addresses:
        return f"{user} has no `email` in their Team, so that nobody can tell whether a commit is their own."
    if not may_write(user):
        return f"{user} may not write to the project any more."
    looked = seen(review)
    if isinstance(looked, str):
        return looked
    if who.wrote(looked.authors):
        return f"{user} wrote commits of {review.commit[:10]}, and nobody approves a change of their own."
    return Counted(_mark(merge, review, looked), who, merge.number, review, looked)


def _mark(merge: Merge, review: Review, seen: Seen) -> str:
    told = f"{merge.number}\n{review.id}\n{review.user.lower()}\n{review.commit}\n{seen.recorded}"
    return f"review-{merge.number}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def unused(found: Found, used: Iterable[str]) -> tuple[Passed, ...]:
    """The counted reviews that a plan does not rest on: what they were given for is not what would be done now."""
    kept = frozenset(used)
    reason = "What {} looked at would not do any of this: the review is stale."
    return tuple(Passed(c.number, c.review, reason.format(c.person.user)) for c in found.counted if c.id not in kept)


def form(counted: Counted, workspace: str, environment: str, forge: str, digest: str) -> dict[str, Any]:
    """What the ledger keeps of a review that was verified: for people, and for the audit. `seals.parse` takes it for no approval."""
    review, seen = counted.review, counted.seen
    return {
        "version": 1,
        "id": counted.id,
        "workspace": workspace,
        "environment": environment,
        "commit": review.commit,
        "base": seen.base,
        "recorded": seen.recorded,
        "time": review.time.isoformat(),
        "seal": digest,
        "entries": [[e.stack, e.urn, str(e.action), e.path, e.recorded, e.desired] for e in seen.entries],
        "review": {"forge": forge, "pullRequest": counted.number, "id": review.id, "reviewer": counted.person.user},
    }
