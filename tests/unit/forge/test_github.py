"""The client of GitHub, against a stand-in that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trueup.forge.github import LONGEST, GitHub
from trueup.forge.refusals import Refused
from trueup.forge.values import Annotation, State, Verdict

Clients = Callable[..., GitHub]
A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture(autouse=True)
def nothing_else_is_asked(github: Any) -> Any:
    """Every request is one that GitHub has."""
    yield
    assert github.unknown == []


def test_who_the_token_belongs_to(github: Any, on_github: Clients) -> None:
    assert on_github("ana", app=False).me() == "ana"
    assert on_github().me() == "github-actions[bot]", "an app's token may not ask /user"
    assert on_github("release-app[bot]").me() == "release-app[bot]"


def test_on_an_enterprise_server_graphql_is_beside_the_api(github: Any, on_github: Clients) -> None:
    forge = on_github()
    forge._door.base += "/api/v3"
    github.trouble(path="/api/v3/user", status=403, body={"message": "Resource not accessible by integration"})
    github.trouble(path="^/api/graphql$", status=200, body={"data": {"viewer": {"login": "github-actions[bot]"}}})
    assert forge.me() == "github-actions[bot]"


def test_a_token_that_is_told_nothing_has_no_name(github: Any, on_github: Clients) -> None:
    github.trouble(path="graphql", status=200, body={"data": None, "errors": [{"message": "Forbidden"}]})
    assert on_github().me() == ""


def test_a_pull_request(github: Any, on_github: Clients) -> None:
    number = github.pull("ana", A, head="raise", title="Raise the limit")
    found = on_github().pull_request(number)
    assert (found.title, found.author, found.base, found.head, found.head_commit) == (
        "Raise the limit",
        "ana",
        "main",
        "raise",
        A,
    )
    assert found.open and not found.fork
    assert found.merge_commit == "", "GitHub's trial merge is not the merge"
    github.merge(number, C)
    merged = on_github().pull_request(number)
    assert (merged.open, merged.merge_commit) == (False, C)
    assert merged.merged_at is not None and merged.merged_at.tzinfo is not None


def test_forks_are_seen_also_where_they_are_gone(github: Any, on_github: Clients) -> None:
    ours, theirs, gone = github.pull("ana", A), github.pull("eve", B, fork=True), github.pull("eve", C, fork=True)
    github.pulls[gone]["head"]["repo"] = None
    github.pulls[gone]["user"] = None
    assert [on_github().pull_request(n).fork for n in (ours, theirs, gone)] == [False, True, True]
    assert on_github().pull_request(gone).author == ""


def test_only_merged_pull_requests_brought_a_commit(github: Any, on_github: Clients) -> None:
    merged, still_open, closed = github.pull("ana", A), github.pull("bob", A), github.pull("bob", A)
    github.pulls[closed]["state"] = "closed"
    github.merge(merged, C, A)
    assert [p.number for p in on_github().pull_requests_of(A)] == [merged]
    assert [p.number for p in on_github().pull_requests_of(C)] == [merged]
    assert on_github().pull_request(still_open).open


def test_a_pull_request_of_another_repository_brought_nothing_here(github: Any, on_github: Clients) -> None:
    number = github.pull("ana", A)
    github.merge(number, C, A)
    github.pulls[number]["base"]["repo"] = {"full_name": "elsewhere/fork"}
    assert on_github().pull_requests_of(A) == ()


def test_open_pull_requests_over_all_pages(github: Any, on_github: Clients) -> None:
    numbers = [github.pull("ana", f"{n:040x}", head=f"change-{n}") for n in range(230)]
    github.merge(numbers[7], C)
    assert [p.number for p in on_github().open_pull_requests()] == numbers[:7] + numbers[8:]


def test_a_comment_is_written_edited_and_deleted(github: Any, on_github: Clients) -> None:
    number, forge = github.pull("ana", A), on_github()
    for n in range(130):
        github.say(number, "ana", f"Comment {n}")
    mine = forge.comment(number, "Plan → «ä» 🚀")
    assert (mine.author, mine.body) == ("github-actions[bot]", "Plan → «ä» 🚀")
    assert list(forge.comments(number))[-1] == mine
    forge.edit_comment(number, mine.id, "Changed")
    assert [c.body for c in forge.comments(number) if c.id == mine.id] == ["Changed"]
    forge.delete_comment(number, mine.id)
    forge.delete_comment(number, mine.id)
    assert len(list(forge.comments(number))) == 130


def test_the_longest_comment_is_taken_and_one_more_is_refused_with_githubs_words(
    github: Any, on_github: Clients
) -> None:
    number, forge = github.pull("ana", A), on_github()
    body = "𝛼" * LONGEST
    assert forge.comment(number, body).body == body
    with pytest.raises(
        Refused,
        match=r"GitHub does not take what POST .*/comments sends\. .*Body is too long \(maximum is 65536 characters\)",
    ):
        forge.comment(number, body + "x")


def test_reviews_name_their_commit(github: Any, on_github: Clients) -> None:
    number = github.pull("ana", A)
    github.review(number, "bob", "COMMENTED")
    github.review(number, "carl")
    github.review(number, "dora", "PENDING")
    github.push(number, B, dismiss=True)
    github.review(number, "bob")
    github.review(number, "eve", "CHANGES_REQUESTED", commit=A)
    assert [(r.user, r.commit, r.verdict) for r in on_github().reviews(number)] == [
        ("bob", A, Verdict.COMMENTED),
        ("carl", A, Verdict.DISMISSED),
        ("bob", B, Verdict.APPROVED),
        ("eve", A, Verdict.CHANGES_REQUESTED),
    ]


def test_all_pages_of_reviews_are_read(github: Any, on_github: Clients) -> None:
    """A later page may hold the review that takes an approval back."""
    number = github.pull("ana", A)
    github.review(number, "bob")
    for _ in range(140):
        github.review(number, "carl", "COMMENTED")
    github.review(number, "bob", "CHANGES_REQUESTED")
    found = on_github().reviews(number)
    assert len(found) == 142
    assert (found[-1].user, found[-1].verdict) == ("bob", Verdict.CHANGES_REQUESTED)


def test_who_may_write(github: Any, on_github: Clients) -> None:
    github.permissions |= {"ana": "admin", "bob": "write", "carl": "read", "dora": "none"}
    forge = on_github()
    assert [forge.may_write(u) for u in ("ana", "bob", "BOB", "carl", "dora", "mallory")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    del github.permissions["bob"]
    assert not forge.may_write("bob")


def test_the_newest_status_of_a_context(github: Any, on_github: Clients) -> None:
    forge = on_github()
    assert forge.status(A, "trueup/dev") is None
    forge.set_status(A, "trueup/dev", State.PENDING, "Planning")
    forge.set_status(A, "trueup/dev", State.FAILURE, "ä" * 300 + "\nmore", "https://ci.example/1")
    for n in range(120):
        forge.set_status(A, f"other/{n}", State.SUCCESS, "")
    state, text = forge.status(A, "trueup/dev") or ("", "")
    assert state == State.FAILURE
    assert (len(text), text[-1]) == (140, "…")
    assert "target_url" not in github.statuses[A][0]


def test_a_status_is_set_although_the_server_stumbles(github: Any, on_github: Clients) -> None:
    github.trouble(method="POST", path="statuses", status=502, times=2, done=True)
    on_github().set_status(A, "trueup/dev", State.SUCCESS, "Applied")
    assert on_github().status(A, "trueup/dev") == (State.SUCCESS, "Applied")


def remarks(count: int) -> list[Annotation]:
    return [
        Annotation(f"a/{n}.yaml", n, "failure" if n % 2 else "warning", f"Remark {n}", "It is wrong.")
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_remarks_at_lines_fifty_a_request(github: Any, on_github: Clients, count: int) -> None:
    assert on_github().annotate(A, "trueup", False, "Some remarks", remarks(count))
    (check,) = github.checks.values()
    assert (check["head_sha"], check["conclusion"], check["status"]) == (A, "failure", "completed")
    shown = check["output"]["annotations"]
    assert [(s["path"], s["title"]) for s in shown] == [(f"a/{n}.yaml", f"Remark {n}") for n in range(count)]
    assert all(s["start_line"] >= 1 for s in shown)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("done", [True, False])
def test_remarks_are_never_doubled_or_lost(github: Any, on_github: Clients, method: str, done: bool) -> None:
    github.trouble(method=method, path="check-runs", drop=True, done=done)
    assert on_github().annotate(A, "trueup", True, "Fine", remarks(120))
    (check,) = github.checks.values()
    assert [s["title"] for s in check["output"]["annotations"]] == [f"Remark {n}" for n in range(120)]


def test_a_long_summary_of_a_check_is_shortened(github: Any, on_github: Clients) -> None:
    assert on_github().annotate(A, "trueup", True, "ä" * 70_000, [])
    (check,) = github.checks.values()
    assert len(check["output"]["summary"]) == 65_535


def test_a_persons_token_can_write_no_checks(github: Any, on_github: Clients) -> None:
    assert on_github("ana", app=False).annotate(A, "trueup", True, "Fine", remarks(1)) is False
    assert github.checks == {}


def test_a_pull_request_is_opened_once(github: Any, on_github: Clients) -> None:
    forge = on_github()
    first = forge.open_pull_request("Promote churn", "Evidence", "trueup/promote-churn", "main")
    assert (first.author, first.head, first.base, first.open) == (
        "github-actions[bot]",
        "trueup/promote-churn",
        "main",
        True,
    )
    assert forge.open_pull_request("Promote churn", "Evidence", "trueup/promote-churn", "main") == first
    assert len(github.pulls) == 1


def test_a_pull_request_that_another_job_opens_meanwhile_is_given(github: Any, on_github: Clients) -> None:
    number = github.pull("other", A, head="trueup/promote")
    github.trouble(method="GET", path="/pulls$", status=200, body=[])
    assert on_github().open_pull_request("Promote", "", "trueup/promote", "main").number == number


def test_an_issue_is_opened_once_and_nobody_elses_is_touched(github: Any, on_github: Clients) -> None:
    github.issue("mallory", "Drift in prod", "Mine")
    github.pull("ana", A, title="Drift in prod")
    forge = on_github()
    first = forge.open_issue("Drift in prod", "Two things drifted.")
    assert forge.open_issue("Drift in prod", "Three things drifted.") == first
    assert [(i["user"]["login"], i["body"]) for i in github.issues.values()] == [
        ("mallory", "Mine"),
        ("github-actions[bot]", "Three things drifted."),
    ]


def test_names_in_urls_are_escaped(github: Any, on_github: Clients) -> None:
    github.permissions["ana/../bob"] = "admin"
    assert on_github().may_write("ana/../bob")
    assert github.requests()[-1].path.endswith("/collaborators/ana%2F..%2Fbob/permission")
    with pytest.raises(ValueError):
        on_github().delete_comment(1, "1/../../issues/2")
    on_github().status("main?per_page=1", "x")
    assert github.requests()[-1].path.endswith("/commits/main%3Fper_page%3D1/statuses")


def test_an_old_comment_with_the_same_words_is_not_taken_for_a_new_one(github: Any, on_github: Clients) -> None:
    number = github.pull("ana", A)
    github.now = datetime.now(UTC) - timedelta(days=1)
    old = github.say(number, "github-actions[bot]", "Applied dev.")
    github.now = None
    github.trouble(method="POST", path="comments", drop=True)
    assert on_github().comment(number, "Applied dev.").id != str(old)
    assert len(github.comments[number]) == 2
