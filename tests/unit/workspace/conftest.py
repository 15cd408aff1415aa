"""Workspaces with an example in them, homes and configurations of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))
from trueup_test_world import QUICKSTART, World

CI = ("CI", "GITHUB_ACTIONS")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
    for name in [n for n in os.environ if n.startswith("GIT_") or n in CI]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    return World(tmp_path / "credit")


@pytest.fixture
def churn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The example with two environments."""
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    return World(tmp_path / "churn", QUICKSTART.parent / "churn")
