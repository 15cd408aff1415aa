"""A plan is one frozen value. Explain, apply and JSON visit the same steps; applying never decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from trueup_specs.core.positions import Location
from trueup_stacks.core.resources import Address, StackId

PLAN_VERSION = 1


class Action(StrEnum):
    """What happens to one resource."""

    CREATE = "create"
    UPDATE = "update"
    MAYBE_REPLACE = "maybe-replace"
    REPLACE = "replace"
    DELETE = "delete"
    FORGET = "forget"
    """Deleted from the state, kept in reality (`deletionPolicy: retain`)."""
    GIVE_UP = "give-up"
    """Deleted from the state, since the cluster that it stood on is lost (`clusters[].lost`): the cluster is not asked."""
    MOVE = "move"
    """Renamed with `movedFrom`; nothing else changes."""


class Danger(IntEnum):
    """The order of severity in DESIGN.md §5: a step with a higher one is not covered by an approval of a lower one."""

    NOTHING = 0
    UPDATE = 1
    MAYBE_REPLACE = 2
    REPLACE = 3
    DELETE = 4


DANGER = {
    Action.MOVE: Danger.NOTHING,
    Action.CREATE: Danger.UPDATE,
    Action.UPDATE: Danger.UPDATE,
    Action.MAYBE_REPLACE: Danger.MAYBE_REPLACE,
    Action.REPLACE: Danger.REPLACE,
    Action.FORGET: Danger.REPLACE,
    Action.DELETE: Danger.DELETE,
    Action.GIVE_UP: Danger.DELETE,
}


class Category(StrEnum):
    """What a changed spec means for what is downstream (after SQLMesh's change categories)."""

    BREAKING = "breaking"
    NON_BREAKING = "non-breaking"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property that differs: values are encoded (`resources.encode`); an absent side is `ABSENT`."""

    path: str
    """Dotted, such as `steps[2].with.params.C`."""
    recorded: Any
    desired: Any


ABSENT: dict[str, Any] = {"$absent": True}


@dataclass(frozen=True, slots=True)
class Step:
    """One resource that changes."""

    address: Address
    action: Action
    origin: str
    """`str(Key)` of the document it comes from."""
    changes: tuple[PropertyChange, ...] = ()
    reason: str = ""
    """Why: which spec or which upstream resource."""
    direct: bool = True
    """Whether the document itself changed, rather than something upstream of it."""
    category: Category = Category.BREAKING
    exempt: str = ""
    """Why the step needs no new approval (`drift`, `volatile`, `resume`); empty where it does."""
    holds_data: bool = False
    expected_seconds: float | None = None

    @property
    def danger(self) -> Danger:
        """How severe the step is; metadata changes are `NOTHING`'s neighbours but still updates."""
        return DANGER[self.action]


@dataclass(frozen=True, slots=True)
class SpecChange:
    """One document that differs between what is applied (or base) and head."""

    key: str
    change: str
    """`added`, `removed`, `changed` or `renamed`."""
    category: Category
    paths: tuple[str, ...] = ()
    detail: str = ""
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy said of one object."""

    policy: str
    level: str
    allowed: bool
    object: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class SealEntry:
    """One line of what is approved: an effect, never a live value."""

    stack: str
    urn: str
    action: str
    path: str
    recorded: Any
    desired: Any


@dataclass(frozen=True, slots=True)
class Cost:
    """What an environment costs a month, before and after. Made by `costs`."""

    currency: str = ""
    before: float = 0.0
    after: float = 0.0
    most: float = 0.0
    """After, where every autoscaler is at its maximum."""
    unknown: str = ""
    """Why it is not known, as a sentence; empty where it is."""
    notes: tuple[str, ...] = ()
    """What costs something and is not in it, as sentences."""

    @property
    def increase(self) -> float:
        """By how much it rises; below zero where it falls."""
        return round(self.after - self.before, 2)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a reviewer wants to know beside the steps. Never part of the seal."""

    runs: tuple[tuple[str, float | None], ...] = ()
    """Pipelines that will run, with the expected duration in seconds where one is known."""
    downstream: tuple[str, ...] = ()
    """Models, endpoints and other documents (`str(Key)`) that are downstream of a change."""
    drift: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    approvals_required: int = 0
    approvers: tuple[str, ...] = ()
    unapplied: tuple[SpecChange, ...] = ()
    """Changes that are merged and not applied yet, shown apart."""
    cost: Cost = field(default_factory=lambda: Cost(unknown="It was not reckoned."))
    approval_rules: tuple[str, ...] = ()
    """Each rule of approval that the plan must meet, as words: `1 of credit`, `2 of leads for delete`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply of one environment would do."""

    workspace: str
    environment: str
    commit: str
    """The revision that was compiled; empty for a working tree."""
    tree: str
    """The object id of the workspace's folder in that revision."""
    steps: tuple[Step, ...]
    seal: tuple[SealEntry, ...]
    changes: tuple[SpecChange, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    order: tuple[tuple[StackId, ...], ...] = ()
    """Stacks in waves: those of one wave are independent of each other."""
    desired: Mapping[str, str] = field(default_factory=dict)
    """Digest of each desired stack that is touched, by its name."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Recorded digest of each touched resource, by address: what a saved plan pins."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Fingerprint of each data source and pinned dataset that was read, by key."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Digest of each policy that matches something of the plan, by name."""
    version: int = PLAN_VERSION
    dirty: bool = False

    @property
    def seal_digest(self) -> str:
        """The digest of the seal's entries, whatever their order."""
        from trueup_specs.core.fingerprints import fingerprint

        return fingerprint(
            sorted(fingerprint([e.stack, e.urn, e.action, e.path, e.recorded, e.desired]) for e in self.seal)
        )

    @property
    def empty(self) -> bool:
        """Whether nothing would be done."""
        return not self.steps
