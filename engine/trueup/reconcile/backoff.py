"""How long is waited after a failure: exponential, bounded, with jitter from a seed, and a circuit breaker. Pure; called by `decisions`."""

from __future__ import annotations

import random

from trueup.reconcile.values import Trouble

FIRST, FACTOR, LONGEST = 5.0, 2.0, 300.0
"""Seconds before the second try, the factor for each after it, and the bound."""
JITTER = 0.2
"""The share by which a wait may be longer or shorter, so that loops that failed together do not come back together."""
BREAKS = 6
"""Failures in a row after which the circuit is open: one try a `REST`, until one succeeds or something else is asked for."""
REST = 1800.0
MOMENT = 10.0
"""Seconds that something that did not fail is left alone."""
FLAPS = 3
"""How often drift may come back before it is healed more and more seldom."""
QUIET = 3600.0
"""Drift that stayed away for so long is new when it comes."""


def open_(trouble: Trouble) -> bool:
    """Whether the circuit is open."""
    return trouble.count >= BREAKS


def delay(count: int, seed: str) -> float:
    """Seconds between failure number `count` and the next try. The same seed and number give the same."""
    if count <= 0:
        return MOMENT
    plain = REST if count >= BREAKS else min(FIRST * FACTOR ** (count - 1), LONGEST)
    return plain * (1 + JITTER * random.Random(f"{seed}/{count}").uniform(-1, 1))


def after_failure(trouble: Trouble | None, seed: str) -> float:
    """When what failed may be tried again, in seconds since 1970; 0 where it did not fail."""
    return trouble.last + delay(trouble.count, seed) if trouble else 0.0


def after_heal(trouble: Trouble | None, seed: str, now: float) -> float:
    """When drift that was healed before may be healed again: at once the first times, then as after failures."""
    if trouble is None or trouble.count <= FLAPS or now - trouble.last > QUIET + REST:
        return 0.0
    return trouble.last + delay(trouble.count - FLAPS, seed)
