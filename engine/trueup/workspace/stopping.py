"""Stopping a service by signal: SIGTERM and SIGINT call one function, in a thread of its own, since handlers must not wait for locks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, each SIGTERM and SIGINT of the process calls `stop`. In the main thread only."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=stop, name="stopping", daemon=True).start()

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)
