"""Files that lie as the commit has them are told from others by three questions, and their tree's id is the one that listing them gives."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from trueup.load.standing import Asked
from trueup.load.trees import WorkingTree


def git(folder: Path, *arguments: str, code: int = 0) -> None:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    assert subprocess.run(["git", *who, *arguments], cwd=folder, check=False, capture_output=True).returncode == code


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    (folder / "specs" / "inner").mkdir(parents=True)
    (folder / "specs" / "a.yaml").write_text("a: 1\n")
    (folder / "specs" / "inner" / "ä.yaml").write_text("b: 1\n")
    (folder / "other.yaml").write_text("c: 1\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "init", "-q", "-b", "main", ".")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Begin")
    return folder


@pytest.mark.parametrize("prefix", ["", "specs"])
def test_a_clean_folder_has_the_tree_of_its_commit(repository: Path, prefix: str) -> None:
    (repository / "specs" / "noise.log").write_text("ignored\n")
    (repository / "specs" / "a.yaml").touch()
    git(repository, "update-index", "-q", "--refresh")
    found = Asked(repository / prefix).answer()
    listed = WorkingTree(repository, prefix)
    assert found is not None and found.repository == repository.resolve()
    assert found.oid == listed.oid
    told = WorkingTree(repository, prefix, found.oid)
    assert told.entries() == listed.entries() and told.oid == listed.oid


def edited(folder: Path) -> None:
    (folder / "specs" / "a.yaml").write_text("a: 2\n")


def staged(folder: Path) -> None:
    edited(folder)
    git(folder, "add", "-A")


def staged_and_put_back(folder: Path) -> None:
    staged(folder)
    (folder / "specs" / "a.yaml").write_text("a: 1\n")


def removed(folder: Path) -> None:
    (folder / "specs" / "a.yaml").unlink()


def forgotten(folder: Path) -> None:
    git(folder, "rm", "-q", "--cached", "specs/a.yaml")


def added(folder: Path) -> None:
    (folder / "specs" / "inner" / "new.yaml").write_text("n: 1\n")


def announced(folder: Path) -> None:
    added(folder)
    git(folder, "add", "-N", "specs/inner/new.yaml")


def executable(folder: Path) -> None:
    (folder / "specs" / "a.yaml").chmod(0o755)


def linked(folder: Path) -> None:
    removed(folder)
    (folder / "specs" / "a.yaml").symlink_to("inner/ä.yaml")


def in_conflict(folder: Path) -> None:
    git(folder, "checkout", "-q", "-b", "side")
    staged(folder)
    git(folder, "commit", "-q", "-m", "Side")
    git(folder, "checkout", "-q", "main")
    (folder / "specs" / "a.yaml").write_text("a: 3\n")
    git(folder, "commit", "-q", "-am", "Main")
    git(folder, "merge", "-q", "side", code=1)


CHANGES = (
    edited, staged, staged_and_put_back, removed, forgotten, added, announced, executable, linked, in_conflict,
)  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "specs"])
@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_noticed(change: Callable[[Path], None], prefix: str, repository: Path) -> None:
    change(repository)
    found = Asked(repository / prefix).answer()
    assert found is not None and found.oid == ""


def test_a_change_beside_the_folder_is_none_of_it(repository: Path) -> None:
    (repository / "other.yaml").write_text("c: 2\n")
    found = Asked(repository / "specs").answer()
    assert found is not None and found.oid == WorkingTree(repository, "specs").oid != ""


def test_before_the_first_commit_nothing_is_known(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", ".")
    (tmp_path / "a.yaml").write_text("a: 1\n")
    found = Asked(tmp_path).answer()
    assert found is not None and found == (tmp_path.resolve(), "")


def test_a_folder_in_no_repository_stands_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    assert Asked(tmp_path).answer() is None
