"""What is remembered after each attempt. Pure: memory in, memory out; the workspace keeps it in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trueup.reconcile.backoff import QUIET
from trueup.reconcile.values import Memory, Trouble

KEPT = 20
"""Things that failed, of which the newest are remembered."""


def begin(memory: Memory, key: str) -> Memory:
    """Something is tried now."""
    return replace(memory, begun=key)


def succeeded(memory: Memory, key: str) -> Memory:
    """What was tried is done: everything that failed before is forgotten."""
    return replace(memory, begun="", failures={})


def healed(memory: Memory, digest: str, now: float) -> Memory:
    """Drift is put right; how often it came back is remembered."""
    known = memory.heals.get(digest)
    count = known.count + 1 if known and now - known.last <= QUIET else 1
    heals = {**memory.heals, digest: Trouble(count, now, "it was put right and came back")}
    return replace(memory, begun="", failures={}, heals=_newest(heals), reported="")


def failed(memory: Memory, key: str, now: float, reason: str) -> Memory:
    """What was tried failed."""
    known = memory.failures.get(key)
    trouble = Trouble((known.count if known else 0) + 1, now, reason)
    return replace(memory, begun="", failures=_newest({**memory.failures, key: trouble}))


def postponed(memory: Memory, key: str, now: float, reason: str) -> Memory:
    """What was tried did not fail and is not done: it is left alone for a moment. What failed before still counts."""
    known = memory.failures.get(key)
    trouble = Trouble(known.count if known else 0, now, reason)
    return replace(memory, begun="", failures=_newest({**memory.failures, key: trouble}))


def stopped(memory: Memory) -> Memory:
    """What was tried was ended by us: that says nothing about it."""
    return replace(memory, begun="")


def recovered(memory: Memory, now: float) -> Memory:
    """The memory as the loop finds it at its start: an attempt that is still in hand ended with the process, and counts as failed."""
    if not memory.begun:
        return memory
    return failed(memory, memory.begun, now, "The process that tried it was killed.")


def _newest(troubles: Mapping[str, Trouble]) -> dict[str, Trouble]:
    kept = sorted(troubles.items(), key=lambda item: -item[1].last)[:KEPT]
    return dict(kept)
