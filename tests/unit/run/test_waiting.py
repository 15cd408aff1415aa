"""A signal is seen while the main thread waits for others, whichever thread the kernel gives it to."""

from __future__ import annotations

import signal
import sys
import threading
import time
import weakref
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


@pytest.fixture
def counted() -> Iterator[None]:
    """Ctrl-C is counted, as in a command."""
    before, hook = signal.signal(signal.SIGINT, signal.default_int_handler), sys.unraisablehook
    waiting.listen()
    yield
    waiting.answer()
    signal.signal(signal.SIGINT, before)
    sys.unraisablehook = hook


class Thing:
    """Somebody has a weak reference to it."""


def test_ctrl_c_that_was_lost_on_its_way_is_raised_by_who_waits_until_it_is_answered(
    counted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting.require_none()
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing  # the callback is called, and Python ignores what it raises
    assert kept() is None and capsys.readouterr().err == ""
    going: Future[str] = Future()
    with pytest.raises(KeyboardInterrupt):
        waiting.first_ended([going])
    with pytest.raises(KeyboardInterrupt):
        waiting.require_none()
    waiting.answer()
    waiting.require_none()
    going.set_result("it ends")
    assert waiting.first_ended([going]) == {going}


def test_who_handles_ctrl_c_themselves_keeps_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        waiting.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
