"""A world with the quickstart, and no configuration but the tests' own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from trueup_test_world import World


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "credit")


@pytest.fixture
def applied(world: World) -> World:
    """The quickstart, applied to dev."""
    world.apply()
    return world
