"""Failures that people cause or can mend become one text and an exit code; anything else is a bug and keeps its traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from trueup import waiting
from trueup.cli.terminal import note
from trueup.exits import (
    CHANGES,
    DENIED,
    FAILURE,
    HELD,
    INTERRUPTED,
    INVALID,
    LOCKED,
    NO_TOKEN,
    NOTHING_SELECTED,
    PARTLY,
    STALE,
    UNPUSHED,
    UNREACHED,
    UNTOLD,
    WAITING,
)

OUTCOMES = {
    "nothing": 0,
    "done": 0,
    "held": HELD,
    "waiting": WAITING,
    "partly": PARTLY,
    "failed": FAILURE,
    "locked": LOCKED,
}

_GRAVITY = (
    INTERRUPTED,
    FAILURE,
    PARTLY,
    INVALID,
    NO_TOKEN,
    UNREACHED,
    DENIED,
    STALE,
    NOTHING_SELECTED,
    LOCKED,
    HELD,
    WAITING,
    UNPUSHED,
    UNTOLD,
    CHANGES,
)
"""What outweighs what where a command has several answers."""


def gravest(codes: Iterable[int]) -> int:
    """The exit code of several things: a failure over a refusal, over what waits, over what was only not told, over 0."""
    found = set(codes)
    return next((code for code in (*_GRAVITY, *sorted(found - {0})) if code in found), 0)


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; expected failures are printed, and so is that it was interrupted, whatever it was at."""
    waiting.listen()
    try:
        return _explained(command)
    except KeyboardInterrupt:
        note("Interrupted.")
        return INTERRUPTED


def _explained(command: Callable[[], int]) -> int:
    from trueup.workspace.opening import WorkspaceError
    from trueup.workspace.planning import InvalidSpecs

    try:
        return command()
    except InvalidSpecs as error:
        show_diagnostics(error)
        return INVALID
    except WorkspaceError as error:
        note(f"error: {error}")
        return error.code
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        note(f"error: {error}")
        return code


def show_diagnostics(error: Exception) -> None:
    """Prints the diagnostics of InvalidSpecs with the lines that they are about."""
    from trueup.views.diagnostics import render

    note(render(getattr(error, "diagnostics", ()), "text", read_line))


def read_line(file: str, line: int) -> str | None:
    """A line of a file of the repository around the current folder; None where it is not there."""
    lines = _lines_of(file)
    return lines[line - 1] if 0 < line <= len(lines) else None


@cache
def _top() -> Path:
    from trueup.load.workspaces import repository_of

    return repository_of(Path()) or Path()


@cache
def _lines_of(file: str) -> list[str]:
    try:
        return (_top() / file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _code_of(error: Exception) -> int | None:
    from trueup.apply.backend import BackendError
    from trueup.apply.cli import CliError
    from trueup.apply.locks import LockedError
    from trueup.apply.pulumi import DriverError
    from trueup.apply.secrets import SecretError
    from trueup.forge.values import ForgeError
    from trueup.load.git import GitError
    from trueup.record.events import LedgerError

    if isinstance(error, ForgeError):
        return UNREACHED
    if isinstance(error, LockedError):
        return LOCKED
    return (
        FAILURE
        if isinstance(error, (BackendError, CliError, DriverError, SecretError, LedgerError, GitError))
        else None
    )
