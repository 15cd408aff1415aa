"""Which cores a step with a `cpuLimit` may use: the ones that fewest others were given. Called by `execution`.

An affinity is what every user may set; it holds for whatever the step starts. Limits below one core give a whole one.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_GIVEN: dict[int, int] = {}


@contextmanager
def given(limit: float | None) -> Iterator[frozenset[int] | None]:
    """The cores for as long as the step runs; None where it has no limit or the system has no affinity."""
    if limit is None or not hasattr(os, "sched_getaffinity"):
        yield None
        return
    with _LOCK:
        free = sorted(os.sched_getaffinity(0), key=lambda c: (_GIVEN.get(c, 0), c))
        chosen = frozenset(free[: max(1, math.ceil(limit))])
        for core in chosen:
            _GIVEN[core] = _GIVEN.get(core, 0) + 1
    try:
        yield chosen
    finally:
        with _LOCK:
            for core in chosen:
                _GIVEN[core] -= 1
