"""An apply as a process of its own, which tests kill: `python trueup_test_apply.py HOME CLI WANTED`, with what is wanted as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import trueup_test_things

from trueup.apply import backend, command
from trueup.apply.outcome import Event
from trueup.apply.pulumi import Driver
from trueup.provider import catalogue
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import State
from trueup_stacks.core.resources import Address, Resource, Secret, Stack, StackId

STACK = StackId("dev", "churn", "model")
Wanted = dict[str, dict[str, Any]]
"""By name: the inputs, and beside them `type` and `after`, a name."""


def stack_of(wanted: Wanted) -> Stack:
    """The stack that holds what is wanted."""
    made: dict[str, Resource] = {}
    for name, inputs in wanted.items():
        inputs = dict(inputs)
        kind, after = inputs.pop("type", "Thing"), inputs.pop("after", None)
        depends = (made[after].address,) if after else ()
        made[name] = Resource(Address(STACK, f"trueup:test:{kind}", name), inputs, Key("Model", "churn", name), depends)
    return Stack(STACK, tuple(made.values()))


def driver_of(home: Path, cli: Path) -> Driver:
    """A driver over file state in a home, that serves the tests' types."""
    catalogue.COMPONENTS.update(trueup_test_things.TOKENS)
    return Driver("demo", backend.resolve(State(), home, {}), home, cli)


def no_secret(reference: Secret) -> str:
    raise AssertionError(f"no secret was expected, and {reference} was asked for")


def say(event: Event) -> None:
    print(event.kind, event.address.name if event.address else "-", event.action, event.message, flush=True)


if __name__ == "__main__":
    if os.environ.get("TRUEUP_TEST_OUTLIVED"):
        command._tied = tuple
    result = driver_of(Path(sys.argv[1]), Path(sys.argv[2])).up(stack_of(json.loads(sys.argv[3])), {}, no_secret, say)
    print(json.dumps({"ok": result.ok, "error": result.error}))
    sys.stdout.flush()
    os._exit(0 if result.ok else 1)
