"""Commands in this process, as the console script runs them: the exit code and both outputs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trueup.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))
from trueup_test_world import QUICKSTART, World

FORGE = ("CI", "GITHUB_", "GITLAB_", "GITEA_", "TRUEUP_FORGE", "TRUEUP_PULL", "GIT_", "GH_")


@dataclass(frozen=True)
class Said:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output as one JSON document."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No forge, no CI, a Git identity and a home of one's own."""
    for name in [n for n in os.environ if n.startswith(FORGE)]:
        monkeypatch.delenv(name)
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))


@pytest.fixture
def trueup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command in a world's folder."""

    def run(world: Any, *arguments: str) -> Said:
        monkeypatch.chdir(world.folder)
        monkeypatch.setattr(sys, "argv", ["trueup", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The quickstart."""
    return World(tmp_path / "credit")


@pytest.fixture
def churn(tmp_path: Path) -> World:
    """The example with two environments."""
    return World(tmp_path / "churn", QUICKSTART.parent / "churn")
