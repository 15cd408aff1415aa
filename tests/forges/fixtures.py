"""The forges as fixtures, for every test: `tests/conftest.py` loads this as a plugin. See README.md beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forges import gitea as real
from forges import github as github_stand_in
from forges import gitlab as gitlab_stand_in
from loopback import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who uses the real forge may wait for its build."""
    if real.GITEA.built():
        return
    for item in items:
        if "gitea" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(2400))


@pytest.fixture(scope="session")
def gitea() -> Iterator[real.Gitea]:
    """A real Gitea; repositories and users of the tests have names of their own."""
    try:
        binary, static = real.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    data = Path(tempfile.mkdtemp(prefix="trueup-gitea-"))
    server = real.Gitea(binary, static, data, free_port())
    try:
        server.begin()
        yield server
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def github() -> Iterator[github_stand_in.GitHub]:
    """A stand-in of GitHub with an empty repository."""
    server = github_stand_in.GitHub()
    yield server
    server.close()


@pytest.fixture
def gitlab() -> Iterator[gitlab_stand_in.GitLab]:
    """A stand-in of GitLab with an empty project."""
    server = gitlab_stand_in.GitLab()
    yield server
    server.close()
