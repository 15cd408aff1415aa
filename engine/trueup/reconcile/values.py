"""What the loop knows of an environment and what it decides, as values. Read by `decisions`, the workspace and the views; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Action(StrEnum):
    """What is done about an environment now."""

    NOTHING = "nothing"
    APPLY = "apply"
    """Bring the environment to what Git says."""
    HEAL = "heal"
    """Bring back what was applied and went its own way."""
    REPORT = "report"
    """Drift that the environment only wants to know of."""
    WAIT = "wait"
    """Something is to be done, and failed before: it is tried again later."""
    REFUSED = "refused"
    """Something is to be done, and may not be: an approval is missing, a window is closed, a policy refuses."""
    PAUSED = "paused"
    BROKEN = "broken"
    """What Git says cannot be planned: what was applied last stays."""


ACTS = frozenset({Action.APPLY, Action.HEAL})
"""The actions that change something."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What Git says of an environment at the revision that is followed."""

    commit: str = ""
    key: str = ""
    """What an apply of it would try, so that failures count for this and nothing else: another tree has another key."""
    broken: str = ""
    """Why it cannot be planned, as a sentence; empty where it can."""
    paused: bool = False
    changes: int = 0
    """Steps that the specs ask for."""
    resumes: int = 0
    """Steps of an approved spec that go on by themselves: a run that was waited for, new data, a trigger."""
    vacant: str = ""
    """Why there is nothing at all to apply, as a sentence; empty where there is something."""
    refusals: tuple[str, ...] = ()
    """What stands against the apply, as sentences."""
    drift: Literal["report", "issue", "pullRequest", "heal"] = "report"
    unhealable: tuple[str, ...] = ()
    """What stands against bringing back what was applied, as sentences."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says of an environment."""

    commit: str = ""
    """Of the last apply that completed; empty where there was none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What runs, as far as it was looked at."""

    drifted: tuple[str, ...] = ()
    """Each resource that is not as it was applied, and how, as people read it."""
    digest: str = ""
    """The same drift has the same digest."""
    asleep: str = ""
    """Why reality is not looked at, as a sentence: somebody stopped it on purpose."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """How often something failed (or was healed and came back) without success in between, when last, and why."""

    count: int = 0
    """0 where it did not fail, but is to be left alone for a moment: someone else is at work, or a run goes on."""
    last: float = 0.0
    """Seconds since 1970."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the loop must not forget when it is killed. Everything else is seen anew."""

    failures: Mapping[str, Trouble] = field(default_factory=dict)
    heals: Mapping[str, Trouble] = field(default_factory=dict)
    """Drift that was put right, by its digest."""
    begun: str = ""
    """The key of the attempt in hand; still there at the start, where the loop was killed during it."""
    looked: float = 0.0
    """When reality was looked at last."""
    reported: str = ""
    """The digest of the drift that was reported last."""
    told: str = ""
    """The digest of the refusal, or of what is broken, that was recorded last."""
    good: str = ""
    """The commit that the environment was last seen to be as."""
    issued: str = ""
    """The digest of the drift that an issue was opened about last."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done now, why, as sentences, and when to decide anew at the latest (seconds since 1970; 0 where only a change matters)."""

    action: Action
    reasons: tuple[str, ...]
    key: str = ""
    """What is tried, for the memory; empty where nothing is."""
    again: float = 0.0

    @property
    def acts(self) -> bool:
        """Whether it changes something."""
        return self.action in ACTS


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn saw, decided and did."""

    environment: str
    decision: Decision
    commit: str = ""
    """What Git says."""
    applied: str = ""
    """The commit that was applied last, before this turn."""
    outcome: str = ""
    """Of what was done: `done`, `held`, `waiting`, `partly`, `failed`, `locked`, `interrupted`; empty where nothing was."""
    error: str = ""
    drifted: tuple[str, ...] = ()
    looked: bool = False
    seconds: float = 0.0
    entry: str = ""
    """The ledger's entry of what was done."""
    vacant: bool = False
    """Whether there was nothing at all to do anything with."""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do, so that the next turn may wait until something changes."""
        return self.decision.action in (Action.NOTHING, Action.PAUSED, Action.REPORT)


@dataclass(frozen=True, slots=True)
class Line:
    """Something that the loop says, for a log: what, about which environment, and named values."""

    event: str
    environment: str = ""
    level: Literal["info", "warning", "error"] = "info"
    fields: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the loop of one environment stands, for health and metrics."""

    environment: str
    leads: bool = False
    other: str = ""
    """Who leads instead, as a sentence."""
    turn: Turn | None = None
    """The last one."""
    time: float = 0.0
    """When that was, in seconds since 1970; 0 before the first."""
    error: str = ""
    """Why the last turn could not even decide; empty where it did."""
    errors: int = 0
    """Such turns in a row."""
    code: int = 0
    """The exit code that such a turn asks for, where it is the only one."""
    failures: int = 0
    """How often in a row what is to be done failed."""
    busy: str = ""
    turns: int = 0
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """What was done so far, by action and outcome."""
    spent: float = 0.0
    """Seconds of all turns."""
