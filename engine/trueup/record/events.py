"""What the ledger holds, as values: events before they are written, entries after. Read by `record`, `views` and the façade.

Nothing here touches Git. No secret value belongs in any field: details and durations are written down for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class LedgerError(Exception):
    """The ledger could not be read or written; the message says which one, why, and what to do."""


class EventKind(StrEnum):
    """What happened."""

    APPROVED = "approved"
    APPLIED = "applied"
    """An apply of an environment ended. With `outcome="done"` it completed, and the environment's open approvals are spent."""
    STEP = "step"
    """Resources of one stack finished."""
    HELD = "held"
    """A gate did not pass: the version is registered and goes nowhere."""
    WAITING = "waiting"
    RUN = "run"
    PROMOTED = "promoted"
    RETIRED = "retired"
    """Old versions of a model left the registry."""
    DRIFT = "drift"
    OBSERVED = "observed"
    """What the environment's clusters have was looked at, and is not what was recorded, or that was long ago."""
    ROLLED_BACK = "rolled-back"
    DESTROYED = "destroyed"
    RESTORED = "restored"
    """What was in a backup was made again on a cluster; `outcome` and `details` say from which, and how it ended."""
    DENIED = "denied"
    BREAK_GLASS = "break-glass"
    """Someone applies past windows, approvals and soft policies; `details` say who, why and what was passed over."""
    FAILED = "failed"
    DOWN = "down"
    UP = "up"


DONE = "done"
"""The outcome of what completed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about, in in-toto's terms: a name and its digests, by algorithm (`sha256`, `gitCommit`, …)."""

    name: str
    digest: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an environment."""

    kind: EventKind
    environment: str
    commit: str = ""
    """The revision of the specs that it was done for."""
    actor: str = ""
    """Who, as `Name <address>`; by default the identity of Git's configuration."""
    stack: str = ""
    """The stack's name, such as `dev.churn.model`, where it is about one."""
    outcome: str = DONE
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON. `documents: [str(Key), …]` names the documents it is about, so that history can be asked by document."""
    subjects: tuple[Subject, ...] = ()
    """Plan, stack states, model and data versions."""
    approvals: tuple[str, ...] = ()
    """Ids of the approvals that it rests on."""
    durations: Mapping[str, float] = field(default_factory=dict)
    """Seconds, by what took them."""
    time: datetime | None = None
    """When, with a time zone; by default now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the ledger holds it: one commit."""

    id: str
    """The commit's id."""
    previous: str
    """The commit before it; empty for the first."""
    sequence: int
    """1 for the first entry, one more for each after it."""
    workspace: str
    event: Event
    changed: Mapping[str, str]
    """SHA-256 of each file of the ledger's tree that the entry wrote, by path."""
    removed: tuple[str, ...]
    author: str
    """Who wrote the entry, as `Name <address>`."""
    signed: bool = False
    """Whether the commit carries a signature; `verify` says whether a valid one."""
    replayed: str = ""
    """The id that the entry had before it was written again on top of another clone's entries."""
