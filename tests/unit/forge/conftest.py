"""Doors and clients to the stand-ins, which note their waits instead of sleeping."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from trueup.forge.github import GitHub
from trueup.forge.gitlab import GitLab
from trueup.forge.http import Door

TOKEN = "ghs_canaryCANARY0123456789canaryCANARY01"


@pytest.fixture
def naps() -> list[float]:
    """How long the doors of a test waited."""
    return []


@pytest.fixture
def door(github: Any, naps: list[float]) -> Callable[..., Door]:
    """A door to the stand-in of GitHub, whose only token is the canary."""
    github.app(token=TOKEN)

    def make(**options: Any) -> Door:
        options = {"timeout": 5.0, **options}
        return Door("github", github.url, TOKEN, "GITHUB_TOKEN", sleep=naps.append, **options)

    return make


@pytest.fixture
def on_github(github: Any, naps: list[float]) -> Callable[..., GitHub]:
    """A client of GitHub: with an app's token, as a job has it, or a person's."""

    def make(login: str = "github-actions[bot]", app: bool = True, **options: Any) -> GitHub:
        token = github.app(login) if app else github.token(login)
        options = {"timeout": 5.0, **options}
        return GitHub(Door("github", github.api, token, "GITHUB_TOKEN", sleep=naps.append, **options), github.project)

    return make


@pytest.fixture
def on_gitlab(gitlab: Any, naps: list[float]) -> Callable[..., GitLab]:
    """A client of GitLab, with the token of a project's bot."""

    def make(login: str = "project_7_bot", report: Any = None, **options: Any) -> GitLab:
        options = {"timeout": 5.0, **options}
        door = Door("gitlab", gitlab.api, gitlab.token(login), "TRUEUP_FORGE_TOKEN", sleep=naps.append, **options)
        return GitLab(door, gitlab.project, report)

    return make


@pytest.fixture
def dead_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
