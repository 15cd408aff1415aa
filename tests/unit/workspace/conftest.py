"""Workspaces with an example in them, homes and configurations of their own."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))
sys.path.insert(0, str(Path(__file__).parent))
from trueup_test_clusters import Api, Somewhere
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


@pytest.fixture
def dead() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def place(tmp_path: Path, dead: int) -> Iterator[Somewhere]:
    """Frankfurt answers, and virginia is away."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = Somewhere(tmp_path, server.server_address[1])
    found.kubeconfig("frankfurt", found.port)
    found.kubeconfig("virginia", dead)
    yield found
    server.shutdown()
    server.server_close()
