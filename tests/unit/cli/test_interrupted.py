"""Ctrl-C ends a command with a word and a code of its own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
import typer

from trueup import waiting
from trueup.cli import failures, main
from trueup.exits import INTERRUPTED


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """As in a terminal, also where the tests run in the background."""
    before, hook = signal.signal(signal.SIGINT, signal.default_int_handler), sys.unraisablehook
    yield
    waiting.answer()
    signal.signal(signal.SIGINT, before)
    sys.unraisablehook = hook


def test_what_a_command_does_is_interrupted_with_a_word(
    ctrl_c: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def wait() -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("trueup.cli.application.app", app)
    monkeypatch.setattr(sys, "argv", ["trueup"])
    assert failures.guarded(main._application) == INTERRUPTED
    assert capsys.readouterr().err == "Interrupted.\n"
