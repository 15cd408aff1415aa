"""Which commit a GitLab approval was given for: laws over any history of pushes and approvals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trueup.forge.approvals import LATE, Said, Version, head_at, reviews
from trueup.forge.values import Verdict

START = datetime(2026, 3, 1, tzinfo=UTC)
SECONDS = st.integers(0, 600)
VERSIONS = st.lists(st.tuples(SECONDS, st.sampled_from("abcd")), min_size=1, max_size=6, unique_by=lambda v: v[0]).map(
    lambda found: [Version(commit * 40, START + timedelta(seconds=s)) for s, commit in sorted(found)]
)


@given(versions=VERSIONS, second=SECONDS)
def test_the_head_at_a_moment_is_that_of_the_last_push_before_it(versions: list[Version], second: int) -> None:
    moment = START + timedelta(seconds=second)
    before = [v for v in versions if v.time <= moment]
    assert head_at(moment, versions[::-1]) == (before[-1].commit if before else "")


@given(versions=VERSIONS, approved=SECONDS, delay=st.integers(0, 59))
def test_a_note_that_comes_late_never_names_what_was_pushed_after_the_approval(
    versions: list[Version], approved: int, delay: int
) -> None:
    """Whatever was pushed between an approval and its note: the commit is the one that was approved, or unknown."""
    moment = max(START + timedelta(seconds=approved), versions[0].time)  # what is not there yet cannot be approved
    note = moment + timedelta(seconds=delay)
    assert head_at(note, versions, LATE) in ("", head_at(moment, versions))


@given(versions=VERSIONS, second=SECONDS)
def test_an_approval_of_a_head_that_rests_is_always_known(versions: list[Version], second: int) -> None:
    moment = START + timedelta(seconds=second)
    if all(not moment - LATE < v.time <= moment for v in versions[1:]):
        assert head_at(moment, versions, LATE) == head_at(moment, versions)


@given(
    versions=VERSIONS,
    notes=st.lists(
        st.tuples(SECONDS, st.sampled_from(["ana", "bob"]), st.sampled_from(["approved", "unapproved"])), max_size=8
    ),
    now=st.sets(st.sampled_from(["ana", "bob"])),
)
def test_only_who_approves_now_stands_and_once(
    versions: list[Version], notes: list[tuple[int, str, str]], now: set[str]
) -> None:
    said = [
        Said(str(n), user, f"{word} this merge request", START + timedelta(seconds=second))
        for n, (second, user, word) in enumerate(sorted(notes))
    ]
    found = reviews(dict.fromkeys(now), said, versions)
    standing = [r.user for r in found if r.verdict == Verdict.APPROVED]
    assert set(standing) <= now
    assert len(standing) == len(set(standing))
    assert list(found) == sorted(found, key=lambda r: r.time)


def test_an_approval_whose_note_is_not_written_yet_is_there_where_gitlab_tells_its_moment() -> None:
    versions = [Version("a" * 40, START), Version("b" * 40, START + timedelta(minutes=5))]
    since = START + timedelta(minutes=6)
    old = Said("1", "bob", "approved this merge request", START + timedelta(minutes=1))
    found = reviews({"bob": since}, [old], versions)
    assert [(r.commit, r.verdict) for r in found] == [("a" * 40, Verdict.DISMISSED), ("b" * 40, Verdict.APPROVED)]


def test_asking_for_changes_is_a_review() -> None:
    (found,) = reviews(
        {}, [Said("1", "bob", "requested changes", START + timedelta(minutes=1))], [Version("a" * 40, START)]
    )
    assert (found.verdict, found.commit, found.user) == (Verdict.CHANGES_REQUESTED, "a" * 40, "bob")
