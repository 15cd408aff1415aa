"""A workspace's home, a driver over the real Pulumi CLI, and things that can be looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import State
from trueup_stacks.core.resources import Address, Options, Resource, Secret, StackId

sys.path.insert(0, str(Path(__file__).parent))
import trueup_test_things

from trueup.apply import backend
from trueup.provider import catalogue

STACK = StackId("dev", "churn", "model")
THING = "trueup:test:Thing"


@pytest.fixture(scope="session")
def pulumi_cli() -> Path:
    """The CLI that this machine has; got where there is none, since no test of an apply may pass for want of it."""
    from trueup.apply import cli

    return cli.ensure_cli(lambda _line: None)


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the provider serve the tests' own types too."""
    for token, place in trueup_test_things.TOKENS.items():
        monkeypatch.setitem(catalogue.COMPONENTS, token, place)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CI", raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def driver(home: Path, pulumi_cli: Path, things: None) -> Any:
    from trueup.apply.pulumi import Driver

    return Driver("demo", backend.resolve(State(), home), home, pulumi_cli)


@pytest.fixture
def thing() -> Callable[..., Resource]:
    return make


def make(
    name: str,
    value: Any = 1,
    stack: StackId = STACK,
    type: str = THING,
    after: tuple[Resource, ...] = (),
    options: Options | None = None,
    **more: Any,
) -> Resource:
    return Resource(
        Address(stack, type, name),
        {"value": value, **more},
        Key("Model", "churn", name),
        tuple(r.address for r in after),
        options or Options(),
    )


def no_secret(reference: Secret) -> str:
    raise AssertionError(f"no secret was expected, and {reference} was asked for")
