"""Registries and base images as fixtures, for every test: `tests/conftest.py` loads this as a plugin. See README.md beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from images import bases, standin
from images.crane import CRANE, Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who uses crane may wait for its build."""
    for item in items:
        if {"crane", "crane_registry"} & set(getattr(item, "fixturenames", ())) and not CRANE.built():
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def crane() -> Path:
    """The program."""
    try:
        CRANE.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return CRANE.binary()


@pytest.fixture(scope="session")
def crane_registry(crane: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of crane's registry; repositories of the tests have names of their own."""
    server = Server(crane, tmp_path_factory.mktemp("crane"))
    yield server.host
    server.stop()


@pytest.fixture
def registry() -> Iterator[standin.Registry]:
    """A stand-in that everybody may use."""
    server = standin.Registry()
    yield server
    server.stop()


@pytest.fixture
def locked_registry() -> Iterator[standin.Registry]:
    """A stand-in that wants a token, and knows no referrers."""
    server = standin.Registry(login=True, referrers=False)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def python_base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a base image with this machine's Python."""
    release = bases.layer({"etc/os-release": b'ID=debian\nVERSION_ID="12"\n'})
    return bases.write(
        tmp_path_factory.mktemp("base") / "layout", *bases.blobs([bases.python_layer(), release], plain=True)
    )
