"""A signal is seen while the main thread waits for others, whichever thread the kernel gives it to."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from trueup import waiting


@pytest.fixture
def asked() -> Iterator[Future[str]]:
    """Ends with SIGUSR1, or without it after 20 s."""
    ended: Future[str] = Future()

    def end(said: str) -> None:
        if not ended.done():
            ended.set_result(said)

    before = signal.signal(signal.SIGUSR1, lambda *_: end("signal"))
    late = threading.Timer(20, end, ["nobody saw it"])
    late.start()
    yield ended
    late.cancel()
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_another_thread_gets_is_seen_while_the_main_thread_waits(asked: Future[str]) -> None:
    def elsewhere() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    other = threading.Thread(target=elsewhere)
    other.start()
    assert waiting.first_ended([asked, Future()]) == {asked}
    assert asked.result() == "signal"
    other.join()
