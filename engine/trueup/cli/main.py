"""The console script `trueup`. `validate` takes a path of its own without the libraries of the rest: it runs in every commit hook."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading

from trueup import waiting
from trueup.exits import INTERRUPTED, USAGE
from trueup_specs.core import docstrings

_PLAIN = frozenset({"--help", "-h"})
_DOCUMENTING = frozenset({"explain", "schema", "init"})
"""Commands that show or write the documentation of fields."""
_READING = frozenset({"validate", "plan", "diff"})
"""Short commands that start nobody else's code. What they import and read they need to their end, so that collecting it, a sixth of a
plan's time, would free nothing. Pydantic asks every installed distribution for plug-ins before it builds its first model, which takes
longer than to build it; in these commands none could matter."""


def start() -> None:
    """The console script: `run`, and an end without the interpreter's, which frees each object by itself: where ten thousand files were
    read, that takes a fifth of the time, and nobody sees its result."""
    try:
        run()
    except SystemExit as ended:
        if sys.argv[1:2] and sys.argv[1] in _READING and threading.active_count() == 1 and isinstance(ended.code, int):
            _leave(ended.code)
        raise


def _leave(code: int) -> None:
    """Ends the process, having done what was asked for its end and written what was printed; returns where that cannot be written, of which
    the interpreter tells."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return
    os._exit(code)


def run() -> None:
    """Runs the command of `sys.argv`; ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _READING:
        gc.disable()
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    docstrings.wanted = bool(_PLAIN & set(arguments)) or not arguments or arguments[0] in _DOCUMENTING
    if arguments[:1] == ["validate"] and not _PLAIN & set(arguments) and "_TRUEUP_COMPLETE" not in os.environ:
        from trueup.cli import quick

        sys.exit(quick.run(arguments[1:]))
    from trueup.cli.failures import guarded

    sys.exit(guarded(_application))


def _application() -> int:
    import typer

    from trueup.cli.application import app
    from trueup.cli.terminal import note

    try:
        code = app(standalone_mode=False)
    except typer.Exit as error:
        return int(error.exit_code)
    except typer.Abort:
        note("Interrupted. An apply that had begun something let it end; the next one goes on from there.")
        return INTERRUPTED
    except typer.TyperException as error:
        note(f"error: {error.format_message()}{_hint(error)}")
        return USAGE
    if code == INTERRUPTED:  # which Typer makes of KeyboardInterrupt, without a word
        waiting.require_none()
    return int(code or 0)


def _hint(error: Exception) -> str:
    """Where help is to be had: the command's own, where the command was found."""
    context = getattr(error, "ctx", None)
    return f"\nTry: {context.command_path} --help" if context is not None else ""
