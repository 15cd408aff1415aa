"""The decision: level-triggered, from what is now and what must be remembered. Pure; called by the workspace's loop.

It does not matter how the world came to be as it is, which event woke the loop, or what an earlier turn wanted: the same values give
the same decision.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from trueup.reconcile import backoff
from trueup.reconcile.values import Action, Decision, Desired, Memory, Observed, Recorded, Trouble

SHOWN = 3
"""Drifted resources that a reason names."""


def decide(
    environment: str, desired: Desired, recorded: Recorded, observed: Observed, now: float, memory: Memory
) -> Decision:
    """What is done about an environment now, in seconds since 1970. The apply comes before healing: it heals too."""
    if desired.paused:
        return Decision(Action.PAUSED, (f"{environment} is paused (`spec.paused`).", *_seen(observed)))
    asked = _asked(environment, desired, recorded, now, memory)
    if asked.acts:
        return asked
    drift = _drift(environment, desired, observed, now, memory)
    if drift is None:
        return replace(asked, reasons=(*asked.reasons, observed.asleep)) if observed.asleep else asked
    if drift.action in (Action.WAIT, Action.REFUSED) and asked.action is not Action.NOTHING:
        return _with(asked, drift)
    reasons = drift.reasons if asked.action is Action.NOTHING else (*drift.reasons, *asked.reasons)
    return Decision(drift.action, reasons, drift.key, _sooner(asked.again, drift.again))


def _asked(environment: str, desired: Desired, recorded: Recorded, now: float, memory: Memory) -> Decision:
    """What comes of what Git says, drift left aside."""
    at = desired.commit[:10] or "the working tree"
    if desired.broken:
        stays = f"{recorded.commit[:10]} stays applied" if recorded.commit else "nothing is applied"
        return Decision(Action.BROKEN, (f"{at} cannot be planned, so {stays}: {desired.broken}",))
    if desired.vacant:
        return Decision(Action.NOTHING, (desired.vacant,))
    if not desired.changes and not desired.resumes:
        return Decision(Action.NOTHING, (f"{environment} is as {at} says.",))
    if desired.refusals:
        return Decision(Action.REFUSED, (f"{at} may not be applied.", *desired.refusals))
    trouble = memory.failures.get(desired.key)
    again = backoff.after_failure(trouble, f"{environment}/{desired.key}")
    if trouble and again > now:
        return Decision(Action.WAIT, _waiting(f"Applying {at}", trouble, again), desired.key, again)
    what = _counted(desired.changes, "change") if desired.changes else _counted(desired.resumes, "step")
    before = (f"Before: {trouble.reason}",) if trouble else ()
    return Decision(Action.APPLY, (f"{at} has {what} to apply.", *before), desired.key)


def _drift(environment: str, desired: Desired, observed: Observed, now: float, memory: Memory) -> Decision | None:
    """What comes of what runs; None where it is as it was applied, or is known to be reported."""
    if not observed.drifted:
        return None
    if desired.drift != "heal":
        return Decision(Action.REPORT, _seen(observed)) if memory.reported != observed.digest else None
    if desired.unhealable:
        return Decision(Action.REFUSED, (*_seen(observed), *desired.unhealable))
    key, seed = f"heal:{observed.digest}", f"{environment}/{observed.digest}"
    failures, heals = memory.failures.get(key), memory.heals.get(observed.digest)
    failed, came_back = backoff.after_failure(failures, seed), backoff.after_heal(heals, seed, now)
    again, trouble = max((failed, failures), (came_back, heals), key=lambda pair: pair[0])
    if trouble and again > now:
        return Decision(Action.WAIT, (*_waiting("Healing", trouble, again), *_seen(observed)), key, again)
    return Decision(Action.HEAL, _seen(observed), key)


def _waiting(what: str, trouble: Trouble, again: float) -> tuple[str, ...]:
    at = datetime.fromtimestamp(again, UTC).strftime("%H:%M:%S UTC")
    times = f" {trouble.count} times" if trouble.count > 1 else ""
    rests = f" It is tried once in {backoff.REST / 60:.0f} min now." if backoff.open_(trouble) else ""
    verb = f"failed{times}" if trouble.count else "goes on"
    if trouble.reason.startswith("it was put right"):
        verb = f"did not last{times}"
    return (f"{what} {verb}; the next try is at {at}.{rests}", trouble.reason)


def _seen(observed: Observed) -> tuple[str, ...]:
    if not observed.drifted:
        return ()
    more = len(observed.drifted) - SHOWN
    listed = "; ".join(observed.drifted[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return (f"{_counted(len(observed.drifted), 'resource')} drifted: {listed}.",)


def _with(asked: Decision, drift: Decision) -> Decision:
    return Decision(asked.action, (*asked.reasons, *drift.reasons), asked.key, _sooner(asked.again, drift.again))


def _sooner(one: float, other: float) -> float:
    return min(t for t in (one, other) if t) if one or other else 0.0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
