"""Waiting in the main thread for what others do, so that a signal is seen. A thread that blocks for good may sleep through one.

Python raises Ctrl-C wherever the main thread stands, and that may be where the exception is lost: in a callback of a weak reference, or
in a library's import that catches everything. So it is also counted as it arrives (`listen`), and raised again by whoever waits or begins
something (`require_none`) until it is answered.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
LOOK_SECONDS = 0.5


class _Interrupts:
    """How often Ctrl-C came, and how many of these were answered. Signals belong to the process, and so does this."""

    arrived = 0
    answered = 0


_interrupts = _Interrupts()


def listen() -> None:
    """Counts each Ctrl-C from now on, where it would raise KeyboardInterrupt; it does so still. For the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _arrive)
        sys.unraisablehook = partial(_lost, sys.unraisablehook)


def answer() -> None:
    """Every Ctrl-C until now has had its effect."""
    _interrupts.answered = _interrupts.arrived


def require_none() -> None:
    """Raises KeyboardInterrupt where one came and had no effect yet."""
    if _interrupts.arrived > _interrupts.answered:
        raise KeyboardInterrupt


def first_ended(running: Iterable[Future[T]]) -> set[Future[T]]:
    """Those that have ended, once there is one. Raises KeyboardInterrupt.

    Python calls a signal's handler between two steps of the main thread. One that arrives in the moment before that thread
    blocks, or that the kernel hands to another thread, wakes nobody: the handler would be called only when something ends.
    """
    from concurrent.futures import FIRST_COMPLETED, wait

    futures = list(running)
    while not (done := wait(futures, LOOK_SECONDS, FIRST_COMPLETED).done):
        require_none()
    return done


def _lost(other: Callable[[sys.UnraisableHookArgs], object], what: sys.UnraisableHookArgs) -> None:
    """An exception that Python can raise nowhere: nothing is said of Ctrl-C, which is not lost."""
    if not issubclass(what.exc_type, KeyboardInterrupt):
        other(what)


def _arrive(_number: int, _frame: object) -> None:
    _interrupts.arrived += 1
    raise KeyboardInterrupt
