"""What every test gets: the environment of its process is as the module before found it, so no registry or home leaks into the next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis.settings.register_profile("trueup", deadline=None)
hypothesis.settings.load_profile("trueup")
sys.path.append(str(Path(__file__).parent))  # for `forges`, `cluster`, `images`, `gotools` and `loopback`
pytest_plugins = ("forges.fixtures", "cluster.fixtures", "images.fixtures")


@pytest.fixture(scope="module", autouse=True)
def environment_as_found() -> Iterator[None]:
    """MLflow and Feast keep what they are told in variables, which every child process of a later test would inherit."""
    found = dict(os.environ)
    yield
    for name in os.environ.keys() - found.keys():
        del os.environ[name]
    os.environ.update(found)


@pytest.fixture(scope="session")
def found_cli() -> Path | None:
    """The Pulumi CLI that this machine has, looked for before TRUEUP_HOME moves the cache; the tests install none."""
    from trueup.apply import cli

    return cli.find_cli()


@pytest.fixture
def pulumi_cli(found_cli: Path | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For tests in which a driver is made."""
    if found_cli is None:
        pytest.skip("there is no Pulumi CLI; `trueup doctor` says how to get it")
    monkeypatch.setenv("TRUEUP_PULUMI", str(found_cli))
    return found_cli
