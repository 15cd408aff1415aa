"""The client of Gitea, against a real one."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.forge.gitea import LONGEST, Gitea
from trueup.forge.http import Door
from trueup.forge.refusals import Refused
from trueup.forge.values import Annotation, ForgeError, State, Unavailable, Verdict

pytestmark = pytest.mark.slow
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def people(gitea: Any) -> dict[str, Any]:
    """Ana owns, bob writes, eve reads, and a bot has the token that a job would have."""
    return {name: gitea.user(f"{name}-unit") for name in ("ana", "bob", "eve", "bot")}


@pytest.fixture
def project(gitea: Any, people: dict[str, Any]) -> str:
    made = str(gitea.repository(people["ana"], f"specs-{next(NUMBERS)}"))
    gitea.member(made, people["bob"])
    gitea.member(made, people["eve"], "read")
    gitea.member(made, people["bot"])
    return made


@pytest.fixture
def client(gitea: Any, people: dict[str, Any], project: str) -> Callable[..., Gitea]:
    """A client with somebody's token, by default the bot's."""

    def make(who: str = "bot", token: str = "") -> Gitea:
        door = Door("gitea", gitea.api_url, token or people[who].token, "TRUEUP_FORGE_TOKEN", sleep=lambda _s: None)
        return Gitea(door, project)

    return make


@pytest.fixture
def opened(gitea: Any, people: dict[str, Any], project: str) -> int:
    """A pull request of bob."""
    gitea.write(project, "change", "a.yaml", "a: 1\n", people["bob"])
    return int(gitea.pull_request(project, "change", people["bob"], title="Raise the limit"))


def test_a_pull_request(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], opened: int
) -> None:
    found = client().pull_request(opened)
    assert (found.title, found.author, found.base, found.head) == ("Raise the limit", "bob-unit", "main", "change")
    assert found.open and not found.fork
    assert (found.merge_commit, found.merged_at) == ("", None)
    head = gitea.call("GET", f"repos/{project}/branches/change")["commit"]["id"]
    assert found.head_commit == head
    assert found.url == f"{gitea.url}/{project}/pulls/{opened}"
    assert client().open_pull_requests() == (found,)


def test_a_pull_request_of_a_fork(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea]
) -> None:
    fork = gitea.fork(project, people["eve"])
    gitea.write(fork, "evil", "a.yaml", "a: 2\n", people["eve"])
    number = gitea.pull_request(project, "eve-unit:evil", people["eve"])
    assert client().pull_request(number).fork


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
def test_which_pull_request_brought_a_commit(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], opened: int, style: str
) -> None:
    first = client().pull_request(opened).head_commit
    gitea.write(project, "change", "b.yaml", "b: 1\n", people["bob"])
    assert client().pull_requests_of(first) == (), "it is not merged yet"
    commit = gitea.merge(project, opened, people["ana"], style)
    (found,) = client().pull_requests_of(commit)
    assert (found.number, found.open, found.merge_commit) == (opened, False, commit)
    assert found.merged_at is not None
    if style == "merge":
        assert [p.number for p in client().pull_requests_of(first)] == [opened], (
            "a commit of the branch, which is no merge itself"
        )
    direct = gitea.write(project, "main", "c.yaml", "c: 1\n", people["ana"])
    assert client().pull_requests_of(direct) == ()


def test_comments_over_all_pages_in_order(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], opened: int
) -> None:
    for n in range(64):
        gitea.call("POST", f"repos/{project}/issues/{opened}/comments", {"body": f"Comment {n}"}, people["eve"])
    mine = client().comment(opened, "<!-- trueup -->\nThe plan")
    assert mine.author == client().me() == "bot-unit"
    found = list(client().comments(opened))
    assert [c.body for c in found] == [f"Comment {n}" for n in range(64)] + ["<!-- trueup -->\nThe plan"]
    assert found[-1] == mine


def test_a_comment_is_edited_and_deleted(client: Callable[..., Gitea], opened: int) -> None:
    forge = client()
    mine = forge.comment(opened, "One")
    forge.edit_comment(opened, mine.id, "Two\n\n```mermaid\ngraph LR\n```\n")
    assert [(c.id, c.body) for c in forge.comments(opened)] == [(mine.id, "Two\n\n```mermaid\ngraph LR\n```\n")]
    forge.delete_comment(opened, mine.id)
    forge.delete_comment(opened, mine.id)
    assert list(forge.comments(opened)) == []


def test_the_longest_comment_arrives_whole(client: Callable[..., Gitea], opened: int) -> None:
    """In letters of four bytes."""
    body = "𝛼" * LONGEST
    client().comment(opened, body)
    (found,) = client().comments(opened)
    assert (len(found.body), found.body == body) == (LONGEST, True)


@pytest.mark.capability("model-development/code-review-process", by="trueup.forge.gitea:Gitea.reviews")
def test_reviews_name_their_commit_and_what_became_of_them(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], opened: int
) -> None:
    first = client().pull_request(opened).head_commit
    gitea.review(project, opened, people["eve"], "COMMENT")
    dismissed = gitea.review(project, opened, people["bot"])
    gitea.review(project, opened, people["ana"])
    assert client().reviews(opened)
    gitea.call(
        "POST", f"repos/{project}/pulls/{opened}/reviews/{dismissed}/dismissals", {"message": "No"}, people["ana"]
    )
    gitea.write(project, "change", "a.yaml", "a: 9\n", people["bob"])
    end = time.monotonic() + 20
    while (second := client().pull_request(opened).head_commit) == first or not client().reviews(opened)[0].stale:
        assert time.monotonic() < end
        time.sleep(0.2)  # Gitea looks at a push in the background
    gitea.review(project, opened, people["eve"], "REQUEST_CHANGES")
    found = client().reviews(opened)
    assert [(r.user, r.commit, r.verdict, r.stale) for r in found] == [
        ("eve-unit", first, Verdict.COMMENTED, True),
        ("bot-unit", first, Verdict.DISMISSED, True),
        ("ana-unit", first, Verdict.APPROVED, True),
        ("eve-unit", second, Verdict.CHANGES_REQUESTED, False),
    ]


def test_all_pages_of_reviews_and_statuses_are_read(
    gitea: Any,
    people: dict[str, Any],
    client: Callable[..., Gitea],
    project: str,
    opened: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gitea gives no links for reviews, only their number."""
    monkeypatch.setattr("trueup.forge.gitea._PAGE", 2)
    for n in range(4):
        gitea.call(
            "POST", f"repos/{project}/pulls/{opened}/reviews", {"event": "COMMENT", "body": f"{n}"}, people["eve"]
        )
    gitea.review(project, opened, people["ana"], "REQUEST_CHANGES")
    forge = client()
    assert [r.user for r in forge.reviews(opened)] == ["eve-unit"] * 4 + ["ana-unit"]
    commit = forge.pull_request(opened).head_commit
    for n in range(5):
        forge.set_status(commit, "trueup/dev", State.SUCCESS, f"Text {n}")
    assert forge.status(commit, "trueup/dev") == (State.SUCCESS, "Text 4")


def test_a_push_dismisses_where_the_branch_says_so(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], opened: int
) -> None:
    gitea.protect(project, "main", required_approvals=1, dismiss_stale_approvals=True)
    gitea.review(project, opened, people["ana"])
    gitea.write(project, "change", "a.yaml", "a: 9\n", people["bob"])
    end = time.monotonic() + 20
    while client().reviews(opened)[0].verdict != Verdict.DISMISSED and time.monotonic() < end:
        time.sleep(0.2)  # Gitea does it in the background
    assert [r.verdict for r in client().reviews(opened)] == [Verdict.DISMISSED]


@pytest.mark.parametrize("who", ["ana", "bot"])
def test_who_may_write(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], who: str
) -> None:
    """Asked by the owner, who is told permissions, and by a member, who is not."""
    forge = client(who)
    assert [forge.may_write(f"{name}-unit") for name in ("ana", "bob", "eve")] == [True, True, False]
    assert forge.may_write("BOB-unit")
    assert not forge.may_write("nobody-at-all")
    gitea.remove(project, people["bob"])
    assert not forge.may_write("bob-unit")


def test_the_newest_status_of_a_context(client: Callable[..., Gitea], opened: int) -> None:
    forge = client()
    commit = forge.pull_request(opened).head_commit
    assert forge.status(commit, "trueup/dev") is None
    forge.set_status(commit, "trueup/dev", State.PENDING, "Planning", "https://ci.example/1")
    forge.set_status(commit, "trueup/prod", State.ERROR, "Broken")
    forge.set_status(commit, "trueup/dev", State.FAILURE, "é" * 400)
    for n in range(55):
        forge.set_status(commit, f"other/{n}", State.SUCCESS, "")
    state, text = forge.status(commit, "trueup/dev") or ("", "")
    assert (state, len(text)) == (State.FAILURE, 255)
    assert forge.status(commit, "trueup/prod") == (State.ERROR, "Broken")


def test_gitea_shows_no_remarks_at_lines(client: Callable[..., Gitea], opened: int) -> None:
    forge = client()
    found = [Annotation("a.yaml", 1, "failure", "Wrong", "It is wrong.")]
    assert forge.annotate(forge.pull_request(opened).head_commit, "trueup", False, "One error", found) is False


def test_a_pull_request_is_opened_once(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea]
) -> None:
    gitea.write(project, "trueup/promote", "a.yaml", "a: 2\n", people["bot"])
    first = client().open_pull_request("Promote churn to prod", "Evidence", "trueup/promote", "main")
    assert (first.author, first.head, first.base) == ("bot-unit", "trueup/promote", "main")
    assert client().open_pull_request("Promote churn to prod", "Evidence", "trueup/promote", "main") == first
    assert [p.number for p in client().open_pull_requests()] == [first.number]


def test_an_issue_is_opened_once_and_nobody_elses_is_touched(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea]
) -> None:
    gitea.call("POST", f"repos/{project}/issues", {"title": "Drift in prod", "body": "Mine"}, people["eve"])
    first = client().open_issue("Drift in prod", "Two things drifted.")
    assert client().open_issue("Drift in prod", "Three things drifted.") == first
    found = gitea.call("GET", f"repos/{project}/issues?type=issues")
    assert {(i["user"]["login"], i["body"]) for i in found} == {
        ("eve-unit", "Mine"),
        ("bot-unit", "Three things drifted."),
    }


def test_a_token_of_little_use_is_told_so(gitea: Any, project: str, client: Callable[..., Gitea], opened: int) -> None:
    reading = client(token=gitea.token("bot-unit", ("read:repository", "read:issue")))
    assert reading.me() == "", "it lacks read:user"
    assert reading.pull_request(opened).number == opened
    with pytest.raises(Refused, match=r"does not let the token in TRUEUP_FORGE_TOKEN do POST .*write:issue"):
        reading.comment(opened, "Hello")
    with pytest.raises(Refused, match="does not accept the token in TRUEUP_FORGE_TOKEN"):
        client(token="0" * 40).pull_request(opened)
    with pytest.raises(Refused, match=r"finds nothing at GET .*/pulls/9999"):
        client().pull_request(9999)


def test_what_git_clones_is_what_the_forge_says(
    gitea: Any, people: dict[str, Any], project: str, client: Callable[..., Gitea], opened: int, tmp_path: Path
) -> None:
    """The fixture's remotes are real ones."""
    subprocess.run(["git", "clone", "-q", gitea.remote(project, people["eve"]), tmp_path / "clone"], check=True)
    refs = subprocess.run(
        ["git", "ls-remote", "origin", f"refs/pull/{opened}/head"],
        cwd=tmp_path / "clone",
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert re.match(r"[0-9a-f]{40}", refs)
    assert refs.split()[0] == client().pull_request(opened).head_commit


def test_a_forge_that_comes_back_is_used_again(gitea: Any, client: Callable[..., Gitea], opened: int) -> None:
    forge = client()
    gitea.stop()
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            forge.pull_request(opened)
    finally:
        gitea.start()
    assert forge.pull_request(opened).number == opened
    assert isinstance(forge.comment(opened, "Back"), object)
    with pytest.raises(ForgeError):
        forge.pull_request(0)
