"""Trees of a repository: the working tree, a revision and a merge in memory see the same files under the same ids."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from trueup.load import trees
from trueup.load.trees import WorkingTree


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main", ".")
    (tmp_path / "specs" / "inner").mkdir(parents=True)
    (tmp_path / "specs" / "a.yaml").write_text("a: 1\n")
    (tmp_path / "specs" / "inner" / "ä.yaml").write_text("b: 1\n")
    (tmp_path / "other.yaml").write_text("c: 1\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "specs"])
def test_a_clean_working_tree_is_its_commit(repository: Path, prefix: str) -> None:
    (repository / "specs" / "noise.log").write_text("ignored\n")
    working, committed = WorkingTree(repository, prefix), trees.revision(repository, "HEAD", prefix)
    assert committed is not None
    assert working.entries() == committed.entries()
    assert working.oid == committed.oid and working.commit == committed.commit and not working.dirty
    assert working.read(working.entries()) == committed.read(committed.entries())


def test_ids_of_files_and_folders_are_those_that_git_gives(repository: Path) -> None:
    committed, working = trees.revision(repository, "main", "specs"), WorkingTree(repository, "specs")
    assert committed is not None
    for path in ("a.yaml", "inner", "inner/ä.yaml", "./inner/", ""):
        wanted = git(repository, "rev-parse", f"main:specs/{path.strip('/').removeprefix('./')}".rstrip("/"))
        assert committed.tree_oid(path) == working.tree_oid(path) == wanted
    assert committed.tree_oid("absent") is None and working.tree_oid("absent") is None


def test_what_is_changed_new_and_gone_counts_before_it_is_added(repository: Path) -> None:
    (repository / "specs" / "a.yaml").write_text("a: 2\n")
    (repository / "specs" / "new.yaml").write_text("n: 1\n")
    (repository / "specs" / "inner" / "ä.yaml").unlink()
    working = WorkingTree(repository, "specs")
    assert sorted(working.entries()) == ["a.yaml", "new.yaml"] and working.dirty
    before = working.oid
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "Change")
    assert git(repository, "rev-parse", "HEAD:specs") == before == WorkingTree(repository, "specs").oid


def test_a_merge_is_made_in_memory(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "change")
    (repository / "specs" / "a.yaml").write_text("a: 2\n")
    git(repository, "commit", "-q", "-am", "Ours")
    git(repository, "checkout", "-q", "main")
    (repository / "other.yaml").write_text("c: 2\n")
    git(repository, "commit", "-q", "-am", "Theirs")
    refs = git(repository, "for-each-ref")
    merged = trees.merged(repository, "main", "change", "").tree
    assert merged is not None
    assert merged.read(["specs/a.yaml", "other.yaml"]) == {"specs/a.yaml": b"a: 2\n", "other.yaml": b"c: 2\n"}
    assert git(repository, "for-each-ref") == refs and not git(repository, "status", "--porcelain")


def test_a_conflict_is_a_result(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "change")
    (repository / "specs" / "a.yaml").write_text("a: 2\n")
    git(repository, "commit", "-q", "-am", "Ours")
    git(repository, "checkout", "-q", "main")
    (repository / "specs" / "a.yaml").write_text("a: 3\n")
    git(repository, "commit", "-q", "-am", "Theirs")
    found = trees.merged(repository, "main", "change", "")
    assert found.tree is None
    assert [(d.code, str(d.location)) for d in found.diagnostics] == [("TRU0020", "specs/a.yaml")]


def test_options_are_no_revisions(repository: Path) -> None:
    assert trees.revision(repository, "--output=x", "") is None
    assert trees.revision(repository, "absent", "") is None
    assert trees.revision(repository, "main", "absent") is None
