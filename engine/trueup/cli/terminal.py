"""What commands print: results on standard output, notes and progress on standard error. Nothing is decided here."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trueup.apply.outcome import Event
from trueup.cli.options import Form


def emit(text: str) -> None:
    """Prints a result."""
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
    sys.stdout.flush()


def emit_json(value: Any) -> None:
    """Prints a result for machines: one JSON document."""
    emit(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def note(text: str) -> None:
    """Prints what is not the result."""
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


def confirmed(question: str, yes: bool) -> bool:
    """Whether the person agrees; without a terminal nobody does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        note("There is no terminal to ask on: add --yes to go on.")
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def progress(form: Form) -> Iterator[Callable[[Event], None]]:
    """Where progress goes: a live tree on a terminal, plain lines elsewhere, nowhere with JSON."""
    if form is Form.JSON:
        yield lambda _event: None
    elif sys.stderr.isatty():
        with _live() as sink:
            yield sink
    else:
        yield _lines()


def _lines() -> Callable[[Event], None]:
    from trueup.views.outcomes import event_line

    guard = threading.Lock()

    def sink(event: Event) -> None:
        if line := event_line(event):
            with guard:
                note(line)

    return sink


@contextmanager
def _live() -> Iterator[Callable[[Event], None]]:
    """Finished steps scroll by; what runs stands below with a spinner."""
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table

    from trueup.views.outcomes import event_line

    console = Console(stderr=True)
    running: dict[tuple[str, str], str] = {}
    guard = threading.Lock()

    def table() -> Table:
        found = Table.grid(padding=(0, 1))
        for text in running.values():
            found.add_row(Spinner("dots"), text)
        return found

    with Live(table(), console=console, refresh_per_second=8, transient=True) as live:

        def sink(event: Event) -> None:
            name = (str(event.stack), str(event.address or ""))
            with guard:
                if event.kind == "started":
                    running[name] = f"{event.address.type} {event.address.name}" if event.address else str(event.stack)
                elif event.kind in ("finished", "failed"):
                    running.pop(name, None)
                if event.kind != "started" and (line := event_line(event)):
                    console.print(line, markup=False, highlight=False)
                live.update(table())

        yield sink
