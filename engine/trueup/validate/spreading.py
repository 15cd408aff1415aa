"""Work over many items in several processes, which see what this one has read by being forked from it. Called by `validation`.

The result is the same as in one process: each part is the same function of its items, and a part whose process failed is done here.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
FEWEST = 1500
"""Items below which a second process costs more than it saves."""
MOST_PROCESSES = 8


def processes() -> int:
    """How many processes may work: one where forking is not safe (other threads run) or not known."""
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        return 1
    return max(1, min(MOST_PROCESSES, len(os.sched_getaffinity(0))))


def spread(items: Sequence[T], work: Callable[[Sequence[T]], R], number: int) -> list[R]:
    """`work` of each part of `items`, in order, in `number` processes; in this one alone where there are few."""
    if number < 2 or len(items) < FEWEST:
        return [work(items)]
    parts = [items[len(items) * i // number : len(items) * (i + 1) // number] for i in range(number)]
    started = [_started(part, work) for part in parts[1:]]
    found = [work(parts[0])]
    return found + [_finished(child, part, work) for child, part in zip(started, parts[1:], strict=True)]


def _started(part: Sequence[T], work: Callable[[Sequence[T]], R]) -> tuple[int, int] | None:
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if child:
        os.close(writing)
        return child, reading
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(work(part), protocol=5))
        os._exit(0)
    finally:
        os._exit(1)


def _finished(child: tuple[int, int] | None, part: Sequence[T], work: Callable[[Sequence[T]], R]) -> R:
    if child is None:
        return work(part)
    with os.fdopen(child[1], "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child[0], 0)
    if status != 0:
        return work(part)
    result: R = pickle.loads(data)
    return result


@contextmanager
def without_collector() -> Iterator[None]:
    """Stops the cycle collector while many values are made that all stay: it would look at each of them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
