"""Files read by several processes: the same as by one, whatever becomes of the others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from trueup.load import readers, yaml
from trueup.load.readers import Readers
from trueup.load.trees import Tree, WorkingTree, revision
from trueup.load.yaml import Read

FILES = {
    **{f"a/{n:02}.yaml": f"name: n{n}\nitems: [1, 2.5, true, null, text]\n" for n in range(30)},
    "large.yaml": f"number: {2**70}\n",
    "two.yaml": "a: 1\n---\nb: 2\n",
    "nothing.yaml": "# nothing\n",
    "anchored.yaml": "a: &x {k: 1}\nb: *x\n",
    "wrong.yaml": "a: 1\na: 2\n",
    "unreadable.yaml": "a: \x01\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    monkeypatch.setattr(readers, "FEWEST", 1)
    monkeypatch.setattr(readers, "CHUNK", 3)
    return tmp_path


def everything(tree: Tree, processes: int) -> Mapping[str, Read]:
    """What all files hold, by path."""
    found = list(Readers(tree, {name: name for name in FILES}, processes))
    assert len(found) == len(FILES)
    return dict(found)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_files_hold_the_same_whoever_reads_them(folder: Path, processes: int) -> None:
    found = everything(WorkingTree(folder, ""), processes)
    for name, text in FILES.items():
        alone = yaml.read(name, text.encode())
        assert (found[name].values, found[name].diagnostics) == (alone.values, alone.diagnostics)
    assert found["large.yaml"].values == ({"number": 2**70},)


def test_a_revision_is_read_as_its_files_are(folder: Path) -> None:
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, "commit", "-q", "-m", "all"], cwd=folder, check=True)
    tree = revision(folder, "HEAD", "")
    assert tree is not None
    here, several = everything(WorkingTree(folder, ""), 1), everything(tree, 3)
    assert {n: (r.values, r.diagnostics) for n, r in several.items()} == {
        n: (r.values, r.diagnostics) for n, r in here.items()
    }


def test_what_a_reader_that_dies_leaves_is_read_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, right = os.getpid(), everything(WorkingTree(folder, ""), 1)
    read = yaml.read

    def dying(file: str, data: bytes) -> Read:
        if os.getpid() != here:
            os._exit(9)
        return read(file, data)

    monkeypatch.setattr(readers, "read", dying)
    found = everything(WorkingTree(folder, ""), 3)
    assert {n: r.values for n, r in found.items()} == {n: r.values for n, r in right.items()}


def test_readers_end_with_whoever_stops_to_ask(folder: Path) -> None:
    begun = Readers(WorkingTree(folder, ""), {name: name for name in FILES}, 3)
    asking = iter(begun)
    next(asking)
    asking.close()
    assert begun._children and not any(psutil.pid_exists(child) for child in begun._children)
