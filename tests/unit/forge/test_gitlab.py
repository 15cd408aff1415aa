"""The client of GitLab, against a stand-in that behaves as its documentation and code say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trueup.forge.gitlab import LONGEST, GitLab
from trueup.forge.refusals import Refused
from trueup.forge.values import Annotation, State, Verdict

Clients = Callable[..., GitLab]
A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture(autouse=True)
def nothing_else_is_asked(gitlab: Any) -> Any:
    """Every request is one that GitLab has."""
    yield
    assert gitlab.unknown == []


def test_who_the_token_belongs_to(on_gitlab: Clients) -> None:
    assert on_gitlab().me() == "project_7_bot"


def test_a_merge_request(gitlab: Any, on_gitlab: Clients) -> None:
    number = gitlab.pull("ana", A, head="raise", title="Raise the limit")
    found = on_gitlab().pull_request(number)
    assert (found.title, found.author, found.base, found.head, found.head_commit) == (
        "Raise the limit",
        "ana",
        "main",
        "raise",
        A,
    )
    assert found.open and not found.fork and not found.merge_commit
    fork = gitlab.pull("eve", B, fork=True)
    assert on_gitlab().pull_request(fork).fork
    gitlab.merge_requests[fork]["source_project_id"] = None
    assert on_gitlab().pull_request(fork).fork, "a fork that is gone"


@pytest.mark.parametrize("how", ["merge", "squash", "fast-forward"])
def test_what_it_was_merged_as(gitlab: Any, on_gitlab: Clients, how: str) -> None:
    number = gitlab.pull("ana", A)
    gitlab.pull("bob", A)
    gitlab.merge(number, C, how=how)
    for commit in (A, C):
        (found,) = on_gitlab().pull_requests_of(commit)
        assert (found.number, found.open, found.merge_commit) == (number, False, C)
        assert found.merged_at is not None


def test_open_merge_requests_over_all_pages(gitlab: Any, on_gitlab: Clients) -> None:
    numbers = [gitlab.pull("ana", f"{n:040x}") for n in range(130)]
    gitlab.merge(numbers[3], C)
    assert [p.number for p in on_gitlab().open_pull_requests()] == numbers[:3] + numbers[4:]


def test_a_note_is_written_edited_and_deleted(gitlab: Any, on_gitlab: Clients) -> None:
    number, forge = gitlab.pull("ana", A), on_gitlab()
    for n in range(130):
        gitlab.say(number, "ana", f"Note {n}")
    gitlab.push(number, B)
    mine = forge.comment(number, "Plan → «ä» 🚀")
    found = list(forge.comments(number))
    assert [c.body for c in found] == [f"Note {n}" for n in range(130)] + ["Plan → «ä» 🚀"], (
        "what GitLab itself says is no comment"
    )
    assert (found[-1], mine.author) == (mine, "project_7_bot")
    forge.edit_comment(number, mine.id, "Changed")
    assert [c.body for c in forge.comments(number) if c.id == mine.id] == ["Changed"]
    forge.delete_comment(number, mine.id)
    forge.delete_comment(number, mine.id)
    assert len(list(forge.comments(number))) == 130


@pytest.mark.parametrize(
    "end", [{"drop": True, "done": True}, {"status": 502, "done": True}, {"drop": True}, {"status": 500}]
)
def test_a_note_is_written_once_however_the_request_ends(gitlab: Any, on_gitlab: Clients, end: dict[str, Any]) -> None:
    number = gitlab.pull("ana", A)
    gitlab.trouble(method="POST", path="notes", **end)
    on_gitlab().comment(number, "The plan")
    assert [n["body"] for n in gitlab.notes[number]] == ["The plan"]


def test_the_longest_note_is_taken_and_one_more_is_refused_with_gitlabs_words(gitlab: Any, on_gitlab: Clients) -> None:
    number, forge = gitlab.pull("ana", A), on_gitlab()
    body = "ä" * LONGEST
    assert forge.comment(number, body).body == body
    with pytest.raises(Refused, match=r"note is too long \(maximum is 1000000 characters\)"):
        forge.comment(number, body + "x")


# --- which commit an approval is of ---


@pytest.mark.parametrize("tells", [True, False])
def test_an_approval_is_of_the_commit_that_was_there(gitlab: Any, on_gitlab: Clients, tells: bool) -> None:
    gitlab.tells_time = tells
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    gitlab.now = start
    number = gitlab.pull("ana", A)
    gitlab.now = start + timedelta(hours=1)
    gitlab.approve(number, "bob")
    gitlab.now = start + timedelta(hours=2)
    gitlab.push(number, B)
    gitlab.now = start + timedelta(hours=3)
    gitlab.approve(number, "carl")
    found = on_gitlab().reviews(number)
    assert [(r.user, r.commit, r.verdict) for r in found] == [
        ("bob", A, Verdict.APPROVED),
        ("carl", B, Verdict.APPROVED),
    ]
    assert [r.time for r in found] == [start + timedelta(hours=1), start + timedelta(hours=3)]


def test_a_push_right_after_the_approval_is_not_what_was_approved(gitlab: Any, on_gitlab: Clients) -> None:
    """The note is written by a background job, after the push; the moment of the approval tells the truth."""
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    gitlab.now = start
    number = gitlab.pull("ana", A)
    gitlab.now = start + timedelta(hours=1)
    gitlab.approve(number, "bob", note_after=5)
    gitlab.now = start + timedelta(hours=1, seconds=2)
    gitlab.push(number, B)
    (told,) = on_gitlab().reviews(number)
    assert told.commit == A
    gitlab.tells_time = False
    (untold,) = on_gitlab().reviews(number)
    assert untold.commit == "", "where GitLab does not tell the moment, nobody knows which of the two it was"


def test_approvals_that_were_reset_or_taken_back_do_not_stand(gitlab: Any, on_gitlab: Clients) -> None:
    gitlab.resets_on_push = True
    gitlab.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    number = gitlab.pull("ana", A)
    for hours, act in (
        (1, lambda: gitlab.approve(number, "bob")),
        (2, lambda: gitlab.push(number, B)),
        (3, lambda: gitlab.approve(number, "carl")),
        (4, lambda: gitlab.unapprove(number, "carl")),
        (5, lambda: gitlab.approve(number, "bob")),
    ):
        gitlab.now = datetime(2026, 3, 1, 12 + hours, tzinfo=UTC)
        act()
    assert [(r.user, r.commit, r.verdict) for r in on_gitlab().reviews(number)] == [
        ("bob", A, Verdict.DISMISSED),
        ("carl", B, Verdict.DISMISSED),
        ("bob", B, Verdict.APPROVED),
    ]


def test_a_person_who_writes_gitlabs_words_approves_nothing(gitlab: Any, on_gitlab: Clients) -> None:
    number = gitlab.pull("ana", A)
    gitlab.say(number, "mallory", "approved this merge request")
    assert on_gitlab().reviews(number) == ()


# --- the rest ---


def test_who_may_write(gitlab: Any, on_gitlab: Clients) -> None:
    for name, level in {"ana": 50, "bob": 30, "carl": 20, "dora": 10}.items():
        gitlab.account(name, level)
    gitlab.account("eve")
    forge = on_gitlab()
    names = ("ana", "bob", "BOB", "carl", "dora", "eve", "mallory")
    assert [forge.may_write(n) for n in names] == [True, True, True, False, False, False, False]
    del gitlab.members["bob"]
    assert not forge.may_write("bob")


def test_the_newest_status_of_a_context(gitlab: Any, on_gitlab: Clients) -> None:
    forge = on_gitlab()
    assert forge.status(A, "trueup/dev") is None
    forge.set_status(A, "trueup/dev", State.PENDING, "Planning")
    forge.set_status(A, "trueup/dev", State.SUCCESS, "ledger 1")
    forge.set_status(A, "trueup/dev", State.SUCCESS, "ledger 2")
    forge.set_status(A, "trueup/prod", State.ERROR, "ä" * 300, "https://ci.example/1")
    assert forge.status(A, "trueup/dev") == (State.SUCCESS, "ledger 2")
    state, text = forge.status(A, "trueup/prod") or ("", "")
    assert (state, len(text)) == (State.FAILURE, 255), "GitLab knows one kind of failure"


def test_a_pending_status_can_get_another_text(gitlab: Any, on_gitlab: Clients) -> None:
    """GitLab refuses to set what is pending to pending."""
    forge = on_gitlab()
    forge.set_status(A, "trueup/dev", State.PENDING, "Waits for ana")
    forge.set_status(A, "trueup/dev", State.PENDING, "Waits for bob")
    assert forge.status(A, "trueup/dev") == (State.PENDING, "Waits for bob")


def test_remarks_go_into_a_report_of_the_job(on_gitlab: Clients, tmp_path: Path) -> None:
    report = tmp_path / "out" / "gl-code-quality-report.json"
    found = [
        Annotation("a.yaml", 3, "failure", "TU101", "No such field."),
        Annotation("a.yaml", 0, "notice", "TU7", "Look."),
    ]
    assert on_gitlab(report=report).annotate(A, "trueup", False, "Two remarks", found)
    written = json.loads(report.read_text())
    assert [(w["location"], w["severity"], w["description"]) for w in written] == [
        ({"path": "a.yaml", "lines": {"begin": 3}}, "major", "TU101: No such field."),
        ({"path": "a.yaml", "lines": {"begin": 1}}, "info", "TU7: Look."),
    ]
    assert len({w["fingerprint"] for w in written}) == 2
    assert on_gitlab().annotate(A, "trueup", False, "Two remarks", found) is False


def test_a_merge_request_is_opened_once(gitlab: Any, on_gitlab: Clients) -> None:
    forge = on_gitlab()
    first = forge.open_pull_request("Promote churn", "Evidence", "trueup/promote-churn", "main")
    assert (first.author, first.head, first.base, first.open) == ("project_7_bot", "trueup/promote-churn", "main", True)
    assert forge.open_pull_request("Promote churn", "Evidence", "trueup/promote-churn", "main") == first
    gitlab.trouble(method="GET", path="/merge_requests$", status=200, body=[])
    assert forge.open_pull_request("Promote churn", "Evidence", "trueup/promote-churn", "main") == first
    assert len(gitlab.merge_requests) == 1


def test_an_issue_is_opened_once_and_nobody_elses_is_touched(gitlab: Any, on_gitlab: Clients) -> None:
    gitlab.issue("mallory", "Drift in prod", "Mine")
    forge = on_gitlab()
    first = forge.open_issue("Drift in prod", "Two things drifted.")
    assert forge.open_issue("Drift in prod", "Three things drifted.") == first
    assert forge.open_issue("Drift in pro", "Another title.") != first
    assert [(i["author"]["username"], i["description"]) for i in gitlab.issues.values()] == [
        ("mallory", "Mine"),
        ("project_7_bot", "Three things drifted."),
        ("project_7_bot", "Another title."),
    ]


def test_limits_of_gitlab_are_waited_for(gitlab: Any, on_gitlab: Clients, naps: list[float]) -> None:
    number = gitlab.pull("ana", A)
    gitlab.trouble(status=429, headers={"Retry-After": "4", "RateLimit-Remaining": "0"}, body="Retry later")
    assert on_gitlab().pull_request(number).number == number
    assert naps == [4]


def test_a_project_with_groups_is_one_part_of_the_path(gitlab: Any, on_gitlab: Clients) -> None:
    on_gitlab().pull_request(gitlab.pull("ana", A))
    assert gitlab.requests()[-1].path == "/api/v4/projects/acme%2Fplatform%2Fspecs/merge_requests/1"
