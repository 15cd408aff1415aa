"""Entries go to a branch of their own, one commit each; nothing is lost, and nothing else of the repository is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trueup.record.events import Event, EventKind, LedgerError, Subject
from trueup.record.ledger import REF, Ledger
from trueup.record.statements import check
from trueup.record.updates import ApprovalUpdate, DurationUpdate, PinUpdate, StackUpdate
from trueup_stacks.core.resources import StackId

Git = Callable[..., str]
STEP = Event(EventKind.STEP, "dev", stack="dev.churn.model", details={"documents": ["Model/churn/a"]})
WRITER = """
import sys
from pathlib import Path
from trueup.plan.recorded import RecordedResource
from trueup.record.events import Event, EventKind
from trueup.record.ledger import Ledger
from trueup.record.updates import StackUpdate
from trueup_stacks.core.resources import Address, StackId

stack = StackId("dev", "churn", "model")
for number in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}-{number}"
    found = RecordedResource(Address(stack, "t:t:T", name), "Model/churn/a", "d", "f", {"n": number})
    Ledger(Path(sys.argv[1]), "demo").append(Event(EventKind.STEP, "dev", details={"who": name}), StackUpdate(stack, (found,)))
"""


@pytest.mark.capability("model-management/audit-trails", by="trueup.record.ledger:Ledger.append")
def test_what_is_appended_is_read_back(ledger: Ledger, update: Callable[..., StackUpdate]) -> None:
    event = Event(
        EventKind.APPLIED,
        "dev",
        commit="c" * 40,
        details={"why": "a reason", "documents": ["Model/churn/a"]},
        subjects=(Subject("model:Model/churn/a@3", {"sha256": "ab"}),),
        approvals=("x1",),
        durations={"dev.churn.model": 1.5},
    )
    written = ledger.append(event, update("a"))
    assert written is not None, "an append gives the entry"
    assert list(ledger.entries()) == [written]
    assert ledger.entry(written.id[:10]) == written
    assert (written.event.details, written.event.approvals, written.event.actor) == (
        event.details,
        ("x1",),
        "Ada <ada@example.com>",
    )
    assert written.event.subjects == event.subjects


def test_entries_are_listed_newest_first_and_only_of_their_workspace(repository: Path, ledger: Ledger) -> None:
    other = Ledger(repository, "other")
    ids = [ledger.append(STEP).id, other.append(STEP).id, ledger.append(STEP).id]
    assert [e.id for e in ledger.entries()] == [ids[2], ids[0]]
    assert [e.id for e in ledger.entries(newest_first=False)] == [ids[0], ids[2]]
    assert [e.id for e in other.entries(all_workspaces=True)] == ids[::-1]
    assert [e.sequence for e in ledger.entries(all_workspaces=True)] == [3, 2, 1]


def test_each_entry_is_an_in_toto_statement_about_the_files_it_writes(
    repository: Path, ledger: Ledger, update: Callable[..., StackUpdate], git: Git
) -> None:
    entry = ledger.append(STEP, update("a"))
    body = git(repository, "show", f"{entry.id}:event.json")
    assert check(body.encode()) == ""
    statement = json.loads(body)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [s["name"] for s in statement["subject"]] == ["file:demo/stacks/dev.churn.model.json"]


@pytest.mark.slow
def test_entries_of_several_processes_are_all_kept(repository: Path, ledger: Ledger) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(repository), name, "4"], stderr=subprocess.PIPE)
        for name in "abcdefgh"
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=240)
        assert writer.returncode == 0, said.decode()
    expected = {f"{w}-{n}" for w in "abcdefgh" for n in range(4)}
    assert {e.event.details["who"] for e in ledger.entries()} == expected
    assert sorted(e.sequence for e in ledger.entries()) == list(range(1, 33))
    recorded = ledger.recorded().stacks[StackId("dev", "churn", "model")]
    assert {a.name for a in recorded.resources} == expected, "each kept what the others wrote of the same stack"


def test_an_append_that_meets_another_tries_again_on_top_of_it(
    ledger: Ledger, update: Callable[..., StackUpdate]
) -> None:
    tries = []

    def change(tree: object) -> dict[str, bytes | None]:
        tries.append(tree)
        if len(tries) == 1:
            Ledger(ledger.git.repository, "demo").append(Event(EventKind.UP, "dev"), update("other"))
        return {"pins/dev.json": b"{}"}

    ledger.write(Event(EventKind.DOWN, "dev"), change)
    assert [e.event.kind for e in ledger.entries()] == [EventKind.DOWN, EventKind.UP]
    assert len(tries) == 2


def test_nothing_else_in_the_repository_is_touched(
    repository: Path, ledger: Ledger, git: Git, update: Callable[..., StackUpdate]
) -> None:
    (repository / "trueup.yaml").write_text("changed\n")
    (repository / "staged.yaml").write_text("staged\n")
    git(repository, "add", "staged.yaml")

    def seen() -> tuple[object, ...]:
        index = (repository / ".git/index").read_bytes()
        refs = git(
            repository,
            "for-each-ref",
            "--format=%(refname) %(objectname)",
            "refs/heads/main",
            "refs/tags",
            "refs/trueup",
        )
        files = {p.name: p.read_bytes() for p in repository.iterdir() if p.is_file()}
        return index, refs, files, (repository / ".git/HEAD").read_text(), git(repository, "status", "--porcelain")

    before = seen()
    for number in range(3):
        ledger.append(STEP, update(f"r{number}"))
    ledger.recorded()
    assert seen() == before
    assert not (repository / ".git/FETCH_HEAD").exists()


@pytest.mark.parametrize("kind", ["bare", "worktree", "detached", "unborn", "within"])
def test_it_works_in_every_kind_of_repository(repository: Path, tmp_path: Path, git: Git, kind: str) -> None:
    place = {"bare": tmp_path / "bare.git", "worktree": tmp_path / "tree", "unborn": tmp_path / "new"}.get(
        kind, repository
    )
    match kind:
        case "bare":
            git(repository, "clone", "--quiet", "--bare", str(repository), str(place))
        case "worktree":
            git(repository, "worktree", "add", "--quiet", "-b", "side", str(place))
        case "detached":
            git(repository, "checkout", "--quiet", "--detach")
        case "unborn":
            place.mkdir()
            git(place, "init", "--quiet")
        case "within":
            place = repository / "teams/churn"
            place.mkdir(parents=True)
    first, second = Ledger(place, "demo").append(STEP), Ledger(place, "demo").append(STEP)
    assert [e.id for e in Ledger(place, "demo").entries()] == [second.id, first.id]
    if kind == "worktree":
        assert Ledger(repository, "demo").head() == second.id, "all worktrees share one ledger"


def test_without_a_name_in_git_the_entry_says_so(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    entry = Ledger(repository, "demo").append(STEP)
    assert "user.name is not set" in entry.event.actor


def test_variables_of_a_hook_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    Ledger(repository, "demo").append(STEP)
    monkeypatch.delenv("GIT_DIR")
    assert Ledger(repository, "demo").exists()
    assert not Ledger(other, "demo").exists()


def test_a_folder_without_a_repository_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="git init"):
        Ledger(tmp_path, "demo").head()


def test_a_clone_reads_the_fetched_ledger_and_goes_on_after_it(
    repository: Path, ledger: Ledger, tmp_path: Path, git: Git, update: Callable[..., StackUpdate]
) -> None:
    first = ledger.append(STEP, update("a"))
    git(tmp_path, "clone", "--quiet", str(repository), "clone")
    clone = Ledger(tmp_path / "clone", "demo")
    assert clone.recorded() == ledger.recorded()
    assert git(tmp_path / "clone", "branch", "--list", "trueup/ledger") == "", "reading makes no branch"
    second = clone.append(STEP, update("b"))
    assert second.previous == first.id
    assert {a.name for s in clone.recorded().stacks.values() for a in s.resources} == {"a", "b"}


def test_an_update_changes_its_resources_and_leaves_the_others(
    ledger: Ledger, update: Callable[..., StackUpdate], resource: Callable[..., object]
) -> None:
    stack = StackId("dev", "churn", "model")
    ledger.append(STEP, update("a"), update("b"))
    ledger.append(STEP, StackUpdate(stack, (resource("b", digest="d2"),), commit="c1", digest="s1", compiler="1"))  # type: ignore[arg-type]
    ledger.append(STEP, StackUpdate(stack, removed=(resource("a").address,)))  # type: ignore[attr-defined]
    found = ledger.recorded().stacks[stack]
    assert [(a.name, r.digest) for a, r in found.resources.items()] == [("b", "d2")]
    assert (found.commit, found.digest, found.compiler) == ("c1", "s1", "1")
    ledger.append(Event(EventKind.DESTROYED, "dev", stack=str(stack)), StackUpdate(stack, destroyed=True))
    assert ledger.recorded().stacks == {}


def test_pins_and_durations_are_recorded_and_lifted(ledger: Ledger) -> None:
    ledger.append(STEP, PinUpdate("dev", "c1"), DurationUpdate({"Model/churn/a": 2.5}))
    ledger.append(STEP, DurationUpdate({"Model/churn/b": 1.0}))
    found = ledger.recorded()
    assert found.pins == {"dev": "c1"}
    assert found.durations == {"Model/churn/a": 2.5, "Model/churn/b": 1.0}
    ledger.append(STEP, PinUpdate("dev", None))
    assert ledger.recorded().pins == {}


def test_a_completed_apply_spends_the_approvals_of_its_environment_only(ledger: Ledger) -> None:
    for environment in ("dev", "prod"):
        ledger.append(Event(EventKind.APPROVED, environment), ApprovalUpdate(environment, f"{environment}-1", {"n": 1}))
    ledger.append(Event(EventKind.APPLIED, "prod", outcome="partly"))
    assert len(ledger.approvals("prod")) == 1, "an apply that did not complete leaves them"
    ledger.append(Event(EventKind.APPLIED, "prod"))
    assert ledger.approvals("prod") == ()
    assert ledger.approvals("dev") == ({"n": 1},)


def test_a_value_that_pulumi_marks_as_secret_is_refused(ledger: Ledger, update: Callable[..., StackUpdate]) -> None:
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hunter2"}
    with pytest.raises(LedgerError, match="secret"):
        ledger.append(STEP, update("a", properties={"password": mark}))
    assert not ledger.exists()


def test_a_secret_is_recorded_as_its_reference(
    repository: Path, ledger: Ledger, update: Callable[..., StackUpdate], git: Git
) -> None:
    from trueup_stacks.core.resources import Secret, encode

    entry = ledger.append(STEP, update("a", properties={"password": encode(Secret("vault", "db", "password"))}))
    text = git(repository, "show", f"{entry.id}:demo/stacks/dev.churn.model.json")
    assert json.loads(text)["resources"]["trueup:run:Run::a"]["properties"] == {
        "password": {"$secret": {"store": "vault", "name": "db", "key": "password"}}
    }


def test_the_branch_is_the_ledgers_alone(repository: Path, git: Git) -> None:
    git(repository, "update-ref", REF, "HEAD")
    with pytest.raises(LedgerError, match="is no ledger"):
        Ledger(repository, "demo").append(STEP)
    assert git(repository, "rev-parse", REF) == git(repository, "rev-parse", "HEAD")
