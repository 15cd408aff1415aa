"""The flow of a pull request on stand-ins of GitHub and GitLab, with what their documentation says goes wrong, in a job's variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BOT = "github-actions[bot]"
FILES = {
    "trueup.yaml": "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata: { name: shop }\nspec: { defaultNamespace: shop }\n",
    "teams.yaml": "apiVersion: trueup.dev/v1alpha1\nkind: Team\nmetadata: { name: risk }\n"
    "spec: { owns: [shop], members: [{ user: rita, email: rita@example.com }] }\n",
}
ENVIRONMENT = """\
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: prod }}
spec:
  target: local
  state: {{ backend: "file://{state}" }}
  approvals: {{ required: 1, teams: [risk] }}
"""
STORE = (
    "apiVersion: trueup.dev/v1alpha1\nkind: ObjectStore\nmetadata: {{ name: {name}, owner: risk }}\n"
    'spec: {{ description: "{text}" }}\n'
)


@dataclass
class Shop:
    """A bare repository, a runner's clone, and the forge's stand-in."""

    forge: Any
    hub: Path
    author: Any
    runner: Any
    token: str

    @property
    def github(self) -> bool:
        return bool(self.forge.name == "github")

    def push(self, name: str, text: str, number: int = 0) -> str:
        """A commit on the author's branch, and at the ref where the forge keeps the head."""
        (self.author.folder / f"{name}.yaml").write_text(STORE.format(name=name, text=text))
        commit = str(self.author.commit(f"Add {name}"))
        place = "refs/pull/{}/head" if self.github else "refs/merge-requests/{}/head"
        self.author.git("push", "-q", "--force", "origin", f"HEAD:{place.format(number or 1)}")
        return commit

    def plan(self, number: int, head: str, code: int = 0) -> Any:
        """The plan's job."""
        self.runner.variables = self.job(number, head)
        return self.runner.trueup("ci", "plan", "--out", str(self.hub.parent / "plan.md"), code=code)

    def apply(self, code: int = 0) -> Any:
        """The apply's job, after a push to main."""
        self.runner.variables = self.job(None, "")
        return self.runner.trueup("ci", "apply", code=code)

    def job(self, number: int | None, head: str) -> dict[str, str]:
        """What the forge's runner sets."""
        if self.github:
            event: dict[str, Any] = {}
            if number is not None:
                event = {"pull_request": {"number": number, "base": {"ref": "main"}, "head": {"sha": head}}}
            (self.hub.parent / "event.json").write_text(json.dumps(event))
            return {
                "GITHUB_ACTIONS": "true",
                "GITHUB_API_URL": self.forge.api,
                "GITHUB_REPOSITORY": self.forge.project,
                "GITHUB_EVENT_PATH": str(self.hub.parent / "event.json"),
                "GITHUB_EVENT_NAME": "pull_request_target" if number else "push",
                "GITHUB_REF_NAME": "main",
                "GITHUB_TOKEN": self.token,
            }
        merge_request = {"CI_MERGE_REQUEST_IID": str(number), "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.forge.api,
            "CI_PROJECT_PATH": self.forge.project,
            "CI_COMMIT_BRANCH": "" if number else "main",
            "CI_COMMIT_SHA": head,
            "CI_PIPELINE_SOURCE": "merge_request_event" if number else "push",
            "GITLAB_TOKEN": self.token,
            **(merge_request if number else {}),
        }

    def merge(self, number: int, head: str) -> str:
        """Merges the head into main."""
        self.author.git("checkout", "-q", "main")
        self.author.git("pull", "-q", "origin", "main")
        self.author.git("merge", "-q", "--no-ff", "-m", f"Merge {number}", head)
        self.author.git("push", "-q", "origin", "main")
        commit = str(self.author.git("rev-parse", "HEAD"))
        self.forge.merge(number, commit, head)
        return commit

    def comments(self, number: int) -> list[str]:
        """The bodies of Trueup's comments."""
        found = self.forge.comments[number] if self.github else self.forge.notes[number]
        return [c["body"] for c in found if c["body"].startswith("<!-- trueup:")]

    def approve(self, number: int, who: str) -> None:
        if self.github:
            self.forge.review(number, who)
        else:
            self.forge.approve(number, who)

    def states(self, commit: str) -> dict[str, str]:
        """The newest state of each context."""
        key = "context" if self.github else "name"
        field = "state" if self.github else "status"
        found = self.forge.statuses.get(commit, [])
        return {s[key]: s[field] for s in sorted(found, key=lambda s: s["id"])}


@pytest.fixture(params=["github", "gitlab"])
def shop(request: pytest.FixtureRequest, make_repository: Callable[[str], Any], tmp_path: Path) -> Iterator[Shop]:
    forge = request.getfixturevalue(request.param)
    author = make_repository("empty")
    for name, text in FILES.items():
        (author.folder / name).write_text(text)
    (author.folder / "environments.yaml").write_text(ENVIRONMENT.format(state=tmp_path / "pulumi"))
    first, second = author.git("rev-parse", "HEAD"), author.commit("Specs")
    forge.brought |= {first: [], second: []}  # commits that no pull request brought
    hub = tmp_path / "hub.git"
    author.git("clone", "-q", "--bare", ".", str(hub))
    author.git("remote", "add", "origin", str(hub))
    runner = type(author)(tmp_path / "runner", tmp_path / "state")
    runner.state.mkdir()
    author.git("clone", "-q", str(hub), str(runner.folder))
    if request.param == "github":
        forge.permissions["rita"] = "write"
        token = forge.app(BOT)
    else:
        forge.account("rita", 30)
        forge.account("robot", 40)
        token = forge.token("robot")
    yield Shop(forge, hub, author, runner, token)
    runner.close()


@pytest.mark.capability("model-management/approval-workflows", by="trueup.workspace.merging:judged")
@pytest.mark.capability("model-development/git-based-workflow", by="trueup.workspace.joining:commits_of")
def test_from_the_pull_request_to_the_result_through_every_trouble(shop: Shop) -> None:
    shop.author.git("checkout", "-q", "-b", "change")
    head = shop.push("raw", "What comes in")
    number = shop.forge.pull("tomas", head)
    written = "comments" if shop.github else "notes"
    limited: dict[str, Any] = (
        {
            "status": 403,
            "body": {"message": "You have exceeded a secondary rate limit."},
            "headers": {"Retry-After": "1"},
        }
        if shop.github
        else {"status": 429, "headers": {"Retry-After": "1"}}
    )
    shop.forge.trouble(method="POST", path=written, **limited)
    shop.forge.trouble(method="GET", path=written, status=502)
    shop.forge.trouble(method="POST", path="statuses", drop=True)
    for n in range(45):
        shop.forge.say(number, "tomas", f"Chatter {n}")
    shop.plan(number, head)
    (comment,) = shop.comments(number)
    assert "ObjectStore/shop/raw" in comment and shop.states(head)["trueup/prod"] == "pending"
    head = shop.push("more", "What is left")
    shop.forge.push(number, head)
    shop.plan(number, head)
    (comment,) = shop.comments(number)
    assert "ObjectStore/shop/more" in comment, "the comment is found over all pages, and edited"
    shop.approve(number, "rita")
    merged = shop.merge(number, head)
    shop.forge.trouble(method="POST", path=written, drop=True, done=True)
    done = shop.apply()
    (result,) = (c for c in shop.comments(number) if "trueup:result" in c)
    assert "applied to `prod`" in result and "rita" in result, done.text
    assert shop.states(merged)["trueup/prod"] == "success"
    assert "trueup/ledger" in shop.author.git("ls-remote", "origin")
    verified = shop.runner.trueup("audit", "verify", "--forge", "--output", "json").json
    assert verified["ok"] and verified["anchored"]
    assert not shop.forge.unknown, "the stand-in was asked for what it does not know"


def test_what_nobody_approved_is_not_applied_and_the_next_job_asks_again_in_the_same_comment(shop: Shop) -> None:
    shop.author.git("checkout", "-q", "-b", "change")
    head = shop.push("raw", "What comes in")
    number = shop.forge.pull("rita", head)
    shop.approve(number, "rita")
    merged = shop.merge(number, head)
    for _ in range(2):
        shop.apply(code=7)
    (result,) = shop.comments(number)
    assert "not applied to `prod`" in result and "change of their own" in result, result
    assert shop.states(merged)["trueup/prod"] == "pending"
    assert not list(shop.runner.state.rglob("objects"))


def test_a_plan_that_is_longer_than_a_comment_keeps_its_summary(shop: Shop) -> None:
    shop.author.git("checkout", "-q", "-b", "change")
    for n in range(400):
        (shop.author.folder / f"s{n}.yaml").write_text(STORE.format(name=f"store-{n:03}", text="ü" * 300))
    head = shop.push("raw", "x")
    number = shop.forge.pull("tomas", head)
    shop.plan(number, head)
    found = shop.comments(number)
    limit = 65_536 if shop.github else 1_000_000
    assert all(len(c) <= limit for c in found)
    assert "401 to create" in found[0].splitlines()[1] and "Approvals" in "\n".join(found[0].splitlines()[:12])
    stored = (shop.hub.parent / "plan.md").read_text()
    assert "store-399" in stored, "what no comment holds is stored"


def test_while_the_forge_s_api_is_away_nothing_that_needs_reviews_is_applied(shop: Shop) -> None:
    shop.author.git("checkout", "-q", "-b", "change")
    head = shop.push("raw", "What comes in")
    number = shop.forge.pull("tomas", head)
    shop.approve(number, "rita")
    shop.merge(number, head)
    shop.forge.trouble(status=401, body={"message": "Bad credentials"}, times=1000)
    done = shop.apply(code=13)
    assert "so nothing was done" in done.err and shop.token not in done.text, done.text
    assert not list(shop.runner.state.rglob("objects"))


@pytest.fixture
def approved(shop: Shop) -> tuple[int, str]:
    """A pull request that was approved and merged: its number, and the commit on main."""
    shop.author.git("checkout", "-q", "-b", "change")
    head = shop.push("raw", "What comes in")
    number = shop.forge.pull("tomas", head)
    shop.approve(number, "rita")
    return number, shop.merge(number, head)


def test_what_is_applied_and_cannot_be_told_has_a_code_of_its_own_and_is_told_by_the_next_job(
    shop: Shop, approved: tuple[int, str]
) -> None:
    _, merged = approved
    trouble = shop.forge.trouble(
        method="POST", path="statuses", status=403, body={"message": "Resource not accessible"}, times=1000
    )
    done = shop.apply(code=11)
    assert "not told" in done.err and "Applied prod" in done.out, done.text
    assert "trueup/prod" not in shop.states(merged)
    trouble.times = 0
    shop.apply()
    assert shop.states(merged)["trueup/prod"] == "success"


def test_a_ledger_that_cannot_be_pushed_is_kept_and_pushed_by_the_next_job(
    shop: Shop, approved: tuple[int, str]
) -> None:
    hook = shop.hub / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho the ledger is closed >&2; exit 1\n")
    hook.chmod(0o755)
    done = shop.apply(code=14)
    assert "not pushed" in done.err and "the ledger is closed" in done.err, done.text
    hook.unlink()
    shop.apply()
    assert "trueup/ledger" in shop.author.git("ls-remote", "origin")
    assert '"applied"' in shop.runner.trueup("audit", "log", "--output", "json").out


def test_every_open_pull_request_is_planned_by_one_job(shop: Shop) -> None:
    shop.author.git("checkout", "-q", "-b", "one")
    numbers = []
    for number, name in enumerate(("first", "second"), 1):
        head = shop.push(name, "x", number)
        numbers.append(shop.forge.pull("tomas", head))
    shop.runner.variables = shop.job(None, "")
    for _ in range(2):
        shop.runner.trueup("ci", "plan", "--open", "--out", str(shop.hub.parent / "plan.md"))
    assert [len(shop.comments(n)) for n in numbers] == [1, 1]
    assert "ObjectStore/shop/second" in shop.comments(2)[0] and "ObjectStore/shop/second" not in shop.comments(1)[0]


def test_two_applies_at_once_do_the_work_once(shop: Shop, approved: tuple[int, str]) -> None:
    shop.runner.variables = shop.job(None, "")
    running = [shop.runner.start("ci", "apply") for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in running]
    assert [p.returncode for p in running] == [0, 0], said
    log = shop.runner.trueup("audit", "log", "--output", "json").json
    steps = [s for e in log for s in e["details"].get("steps", ()) if s["action"] == "create" and s["status"] == "done"]
    assert len(steps) == 1, log
