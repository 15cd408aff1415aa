"""Promotions and rollbacks as pull requests: the branch on the remote, the evidence in the body, and a working tree that nobody touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.record.events import Event, EventKind
from trueup.workspace import proposing, pulling, suggesting
from trueup.workspace.opening import WorkspaceError
from trueup.workspace.suggesting import joined_or_refused

World = Any


@pytest.fixture
def hub(churn: World, github: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare repository as the remote `origin`, and the forge around."""
    bare = tmp_path / "hub.git"
    churn.git("clone", "-q", "--bare", ".", str(bare))
    churn.git("remote", "add", "origin", str(bare))
    churn.git("fetch", "-q", "origin")
    job = {
        "ACTIONS": "true",
        "API_URL": github.api,
        "REPOSITORY": github.project,
        "REF_NAME": "main",
        "EVENT_NAME": "push",
    }
    for name, value in {**job, "TOKEN": github.token("robot")}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    return bare


def push(world: World) -> None:
    world.git("push", "-q", "origin", "HEAD:main")


def state(world: World) -> tuple[str, str, str]:
    """What must not change: files, index, HEAD."""
    return (
        world.git("status", "--porcelain"),
        world.git("write-tree"),
        world.git("rev-parse", "HEAD", "--symbolic-full-name", "HEAD"),
    )


def test_a_promotion_changes_one_file_on_a_branch_and_carries_the_evidence(
    churn: World, hub: Path, github: Any
) -> None:
    churn.apply("dev", version=3)
    told = {"documents": ["Model/churn/churn"], "why": "the first that was good"}
    churn.workspace.ledger.append(Event(EventKind.APPLIED, "dev", churn.git("rev-parse", "HEAD"), details=told))
    (churn.folder / "churn/mine.txt").write_text("work of somebody, not committed")
    before = state(churn)
    opened = suggesting.promote(churn.workspace, joined_or_refused(churn.workspace), "churn")
    assert state(churn) == before
    assert opened.title == "Promote Model/churn/churn version 3 to prod"
    head = churn.git("ls-remote", "origin", f"refs/heads/{opened.head}").split()[0]
    assert churn.git("diff", "--name-status", "main", head) == "A\tchurn/churn-version-prod.yaml"
    body = github.pulls[opened.number]["body"]
    entry = next(e for e in churn.workspace.ledger.entries() if str(e.event.kind) == "applied")
    assert entry.id[:16] in body and "customers/outcomes" in body, body
    assert "version 3" in churn.git("show", "-s", "--format=%B", head)
    again = suggesting.promote(churn.workspace, joined_or_refused(churn.workspace), "churn")
    assert again.number == opened.number


def test_what_would_not_come_out_as_asked_is_not_pushed(churn: World, hub: Path, github: Any) -> None:
    churn.apply("dev", version=3)
    churn.edit("churn/model.yaml", "kind: Model\n", "kind: Model\n# prod has another\n")
    churn.write(
        "churn/zz.yaml",
        "apiVersion: trueup.dev/v1alpha1\nkind: Overlay\nmetadata: { name: zz, namespace: churn }\n"
        "spec:\n  target: { kind: Model, name: churn }\n  environments: [dev, prod]\n  patch: { version: 9 }\n",
    )
    churn.commit()
    push(churn)
    with pytest.raises(WorkspaceError, match="to different values in 'prod'"):
        suggesting.promote(churn.workspace, joined_or_refused(churn.workspace), "churn", "prod")
    assert churn.git("ls-remote", "origin", "refs/heads/trueup/*") == "" and not github.pulls


def test_a_rollback_restores_the_specs_and_leaves_the_workflows(churn: World, hub: Path, github: Any) -> None:
    churn.apply("dev")
    good = churn.git("rev-parse", "HEAD")
    churn.edit("churn/model.yaml", "default: 0.5", "default: 0.1")
    (churn.folder / ".github/workflows").mkdir(parents=True)
    churn.write(".github/workflows/x.yaml", "on: push\n")
    churn.write("churn/more.txt", "added meanwhile")
    bad = churn.commit("Too little regularisation")
    churn.apply("dev", version=2)
    push(churn)
    before = state(churn)
    opened = suggesting.rollback(churn.workspace, joined_or_refused(churn.workspace), "dev", why="errors at night")
    assert state(churn) == before
    head = churn.git("ls-remote", "origin", f"refs/heads/{opened.head}").split()[0]
    assert churn.git("diff", "--name-only", good, head) == ".github/workflows/x.yaml"
    assert churn.git("rev-parse", f"{head}^") == bad
    body = github.pulls[opened.number]["body"]
    assert "errors at night" in body and bad[:10] in body and "Pipeline/churn/training" in body, body


def test_a_person_s_commits_on_the_branch_are_never_overwritten(churn: World, hub: Path) -> None:
    made = proposing.commit(churn.workspace, "main", "One", "Body", {"one.txt": b"1"})
    proposing.push(churn.workspace, "origin", made, "trueup/x")
    other = proposing.commit(churn.workspace, "main", "Two", "Body", {"one.txt": b"2"})
    proposing.push(churn.workspace, "origin", other, "trueup/x")
    churn.git("push", "-q", "--force", "origin", "main:refs/heads/trueup/x")
    with pytest.raises(WorkspaceError, match="somebody else"):
        proposing.push(churn.workspace, "origin", made, "trueup/x")
    assert churn.git("ls-remote", "origin", "refs/heads/trueup/x").split()[0] == churn.git("rev-parse", "main")


def test_a_file_keeps_its_mode_and_nothing_to_propose_is_said(churn: World) -> None:
    script = churn.folder / "run.sh"
    script.write_text("one\n")
    script.chmod(0o755)
    churn.commit()
    made = proposing.commit(churn.workspace, "HEAD", "Two", "", {"run.sh": b"two\n", "teams.yaml": None})
    assert churn.git("ls-tree", made, "run.sh").startswith("100755 ")
    assert churn.git("ls-tree", made, "teams.yaml") == ""
    with pytest.raises(WorkspaceError, match="nothing to propose"):
        proposing.commit(churn.workspace, "HEAD", "One", "", {"run.sh": b"one\n"})


def test_only_names_of_branches_are_fetched(churn: World, hub: Path) -> None:
    assert pulling.branch(churn.workspace, "origin", "main") == churn.git("rev-parse", "main")
    for name in ("--upload-pack=touch x", "main:refs/heads/stolen", "../x", "a b", "x@{1}"):
        with pytest.raises(WorkspaceError, match="no name of a branch"):
            pulling.branch(churn.workspace, "origin", name)
    with pytest.raises(WorkspaceError, match="does not give the branch 'nowhere'"):
        pulling.branch(churn.workspace, "origin", "nowhere")
