"""Ctrl-C at the moments in which nothing of Pulumi runs that could be told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.apply import backend
from trueup.apply.pulumi import Driver
from trueup_specs.kinds.environment.spec import State
from trueup_stacks.core.resources import Stack, StackId

pytestmark = pytest.mark.slow
STACK = StackId("dev", "churn", "model")


def test_an_interrupt_just_before_pulumi_is_started_keeps_it_from_starting(
    home: Path, pulumi_cli: Path, things: None, thing: Any
) -> None:
    made: list[Any] = []

    def serve(place: Path) -> Any:
        from trueup.provider.server import serve

        made[0].interrupt()  # as Ctrl-C does from another thread, while the servers of the operation are started
        return serve(place)

    made.append(Driver("demo", backend.resolve(State(), home), home, pulumi_cli, serve=serve))
    result = made[0].up(Stack(STACK, (thing("first", 1),)), {}, lambda _: "")
    assert not result.ok and result.interrupted, result
    assert "interrupted" in result.error and "Apply again" in result.error
    assert not (home / "things").exists()
