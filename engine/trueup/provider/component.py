"""What each resource type of the native provider implements. Served by `provider/server.py`, called in-process by `observe`.

Methods are synchronous and may block: the server runs them in threads. Inputs are plain JSON values as the compiler wrote them,
with outputs and secrets resolved; unknown values (previews only) are `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's sentinel of a value not known yet (`pulumi.runtime.rpc.UNKNOWN`), repeated here so that no one imports Pulumi for it."""
MASK = "[secret]"
"""Stands where a secret may not."""

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation may use: the workspace's home, who the resource is, and where to say what is going on."""

    home: Path
    urn: str
    log: Callable[[str], None] = field(default=lambda _line: None)
    cancelled: Callable[[], bool] = field(default=lambda: False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that cannot be right: `path` is dotted (`source.url`), `reason` a full sentence."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """A resource as it is: its id and all its outputs (inputs are repeated in them only where `read` finds them live).

    `not_ready` says why a resource that exists is not ready (a run that goes on, a server that does not answer, a gate that
    holds with no version to fall back to): Pulumi keeps the id, dependents wait, and the next apply calls `update`.
    """

    id: str
    outputs: Properties
    not_ready: str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """What `read` found: the inputs as reality has them (drift shows as a difference to the recorded ones), and the outputs."""

    inputs: Properties
    outputs: Properties
    not_ready: str | None = None


class ComponentError(Exception):
    """The component behind a resource refused or is down. The text is a full sentence: what, where, what to do. No secrets."""


class Component(Protocol):
    """One resource type. Create is idempotent by name: it adopts what an interrupted create with the same URN left."""

    token: ClassVar[str]
    """The Pulumi type token, such as `trueup:data:Table`."""
    replace_on: ClassVar[frozenset[str]]
    """Top-level inputs whose change replaces the resource."""
    secret_outputs: ClassVar[frozenset[str]]
    """Outputs derived from secrets, to be marked."""

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors at once; nothing is touched. Unknown values pass."""
        ...

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The outputs that are known before the operation; the others are left out and become unknown.

        With `old` (an update), stable outputs are repeated, so that dependents see no change where none comes.
        """
        ...

    def create(self, context: Context, inputs: Properties) -> State: ...

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """What is there now, or None when it is gone. Also serves import, with empty `inputs` and `outputs`."""
        ...

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State: ...

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Deletes it; what is gone already is fine."""
        ...


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The top-level names whose values differ."""
    return sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
