"""Waiting in the main thread for what others do, so that a signal is seen. A thread that blocks for good may sleep through one."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.5


def first_ended(running: Iterable[Future[T]]) -> set[Future[T]]:
    """Those that have ended, once there is one.

    Python calls a signal's handler between two steps of the main thread. One that arrives in the moment before that thread
    blocks, or that the kernel hands to another thread, wakes nobody: the handler would be called only when something ends.
    """
    futures = list(running)
    while not (done := wait(futures, LOOK_SECONDS, FIRST_COMPLETED).done):
        pass
    return done
