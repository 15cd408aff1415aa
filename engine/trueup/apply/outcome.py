"""What an operation on a stack came to, as values. Made by `apply/pulumi.py`, read by the workspace, `record` and the views.

Nothing here imports Pulumi, and no value holds a secret: texts are masked before they get here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup_stacks.core.resources import Address, StackId

Status = Literal["done", "failed", "not-ready", "skipped"]
"""`not-ready`: it exists, and its dependents wait. `skipped`: not tried, since something that it depends on is not there."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens while an operation runs, for live progress. `address` is None for the stack as a whole."""

    stack: StackId
    kind: Literal["started", "finished", "failed", "log"]
    address: Address | None = None
    action: str = ""
    message: str = ""
    seconds: float = 0.0


def ignore(_event: Event) -> None:
    """Hears of an event, and does nothing."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What was done to one resource. `action` is Pulumi's: create, update, replace, delete, same, refresh, read, import."""

    address: Address
    action: str
    status: Status
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StackResult:
    """What an `up`, `refresh` or `destroy` of a stack came to.

    `ok` is false when anything failed; what exists but is not ready is no failure and stands in `not_ready` with its reason.
    `outputs` and `ids` are the stack's after the operation, whatever it came to; secret outputs are left out.
    """

    stack: StackId
    ok: bool
    steps: tuple[StepResult, ...] = ()
    outputs: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)
    ids: Mapping[Address, str] = field(default_factory=dict)
    not_ready: Mapping[Address, str] = field(default_factory=dict)
    error: str = ""
    """Everything that went wrong, one paragraph for each resource; empty where nothing did."""
    seconds: float = 0.0
    interrupted: bool = False
    locked: bool = False
    """Whether nothing was tried, since someone else works on the stack."""
    recovered: tuple[str, ...] = ()
    """What was put right before the operation, after an interrupted one."""

    @property
    def changed(self) -> tuple[StepResult, ...]:
        """The steps that did something."""
        return tuple(s for s in self.steps if s.action not in ("same", "refresh", "read"))


@dataclass(frozen=True, slots=True)
class PropertyDiff:
    """One property that a preview shows as different. `replaces`: its change replaces the resource."""

    path: str
    kind: Literal["add", "delete", "update"]
    replaces: bool = False
    old: Any = None
    new: Any = None
    """The sentinel `component.UNKNOWN` where it is known only after the apply; `[secret]` for secrets."""


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """What an `up` would do to one resource."""

    address: Address
    action: str
    replace_keys: tuple[str, ...] = ()
    diffs: tuple[PropertyDiff, ...] = ()


@dataclass(frozen=True, slots=True)
class StackPreview:
    """What an `up` of a stack would do."""

    stack: StackId
    ok: bool
    steps: tuple[PreviewStep, ...] = ()
    error: str = ""
    skipped: str = ""
    """Why it was not asked, as a clause: what it stands on is away."""

    @property
    def changed(self) -> tuple[PreviewStep, ...]:
        """The steps that would do something."""
        return tuple(s for s in self.steps if s.action not in ("same", "read", "refresh"))
