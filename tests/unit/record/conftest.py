"""Git repositories of their own, with an identity of their own, and recorded resources."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.plan.recorded import RecordedResource
from trueup.record.ledger import Ledger
from trueup.record.updates import StackUpdate
from trueup_stacks.core.resources import Address, StackId

STACK = StackId("dev", "churn", "model")
Run = Callable[..., str]


def run_git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's Git configuration but the tests' own."""
    config = tmp_path / "gitconfig"
    config.write_text(
        '[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n'
    )
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def git() -> Run:
    return run_git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    (folder / "trueup.yaml").write_text("kind: Workspace\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--quiet", "-m", "Specs")
    return folder


@pytest.fixture
def ledger(repository: Path) -> Ledger:
    return Ledger(repository, "demo")


@pytest.fixture
def resource() -> Callable[..., RecordedResource]:
    def made(name: str, type: str = "trueup:run:Run", stack: StackId = STACK, **given: Any) -> RecordedResource:
        fields = {
            "origin": f"Model/churn/{name}",
            "digest": "d1",
            "fingerprint": "f1",
            "properties": {"C": 1},
            "id": name,
        }
        return RecordedResource(Address(stack, type, name), **{**fields, **given})

    return made


@pytest.fixture
def update(resource: Callable[..., RecordedResource]) -> Callable[..., StackUpdate]:
    """An update of one resource of the stack `dev.churn.model`."""
    return lambda name, **given: StackUpdate(STACK, resources=(resource(name, **given),))
