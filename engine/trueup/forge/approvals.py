"""Which commit a GitLab approval was given for. Used by gitlab.py. Pure.

GitLab does not say it. What it says: who approves now (newer versions with `approved_at`), its own notes ("approved this merge request",
"unapproved this merge request", "requested changes", with their times), and the versions of the diff (head commit, time). The commit is the
head of the newest version at the moment of the approval.

The note of an approval is written by a background job, so it may come later than the approval, and a push in between would be taken for
what was approved. Where there is no `approved_at`, an approval less than LATE after such a change therefore names no commit and covers
nothing: approving again does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trueup.forge.values import Review, Verdict

LATE = timedelta(minutes=1)
_APPROVED, _UNAPPROVED, _CHANGES = "approved this merge request", "unapproved this merge request", "requested changes"


@dataclass(frozen=True, slots=True)
class Said:
    """A note that GitLab itself wrote about what somebody did."""

    id: str
    user: str
    body: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A state of a merge request's diff, from a push until the next."""

    commit: str
    time: datetime


def reviews(
    now: Mapping[str, datetime | None], said: Sequence[Said], versions: Sequence[Version]
) -> tuple[Review, ...]:
    """All reviews, oldest first. `now` has who approves at present, and since when where GitLab tells.

    A user's last approval stands as long as the user is in `now`; earlier ones, and those that were taken back or reset by a push,
    are DISMISSED.
    """
    found: list[Review] = []
    last: dict[str, int] = {}
    for note in sorted(said, key=lambda s: s.time):
        body = note.body.strip().lower()
        if body == _CHANGES:
            found.append(Review(note.id, note.user, head_at(note.time, versions), Verdict.CHANGES_REQUESTED, note.time))
        elif body == _UNAPPROVED:
            last.pop(note.user, None)
        elif body == _APPROVED:
            last[note.user] = len(found)
            commit = head_at(note.time, versions, LATE)
            found.append(Review(note.id, note.user, commit, Verdict.DISMISSED, note.time))
    for user, since in now.items():
        place = last.get(user)
        if since is None:
            if place is not None:  # else its note is not written yet; the next look will see it
                found[place] = replace(found[place], verdict=Verdict.APPROVED)
            continue
        commit = head_at(since, versions)
        if place is not None and found[place].time >= since:  # a note follows its approval
            found[place] = replace(found[place], verdict=Verdict.APPROVED, commit=commit, time=since)
        else:
            found.append(Review(f"{user}@{since.isoformat()}", user, commit, Verdict.APPROVED, since))
    return tuple(sorted(found, key=lambda r: r.time))


def head_at(moment: datetime, versions: Sequence[Version], late: timedelta = timedelta()) -> str:
    """The head commit at a moment; empty where there was none, or where the moment is less than `late` after a change of it."""
    begin = moment - late
    before = max((v for v in versions if v.time <= begin), key=lambda v: v.time, default=None)
    possible = {v.commit for v in versions if begin < v.time <= moment} | ({before.commit} if before else set())
    return possible.pop() if len(possible) == 1 else ""
