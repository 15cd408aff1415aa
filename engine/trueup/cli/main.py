"""The console script `trueup`. `validate` takes a path of its own without the libraries of the rest: it runs in every commit hook."""

from __future__ import annotations

import os
import sys

USAGE_ERROR = 64
_PLAIN = frozenset({"--help", "-h"})


def run() -> None:
    """Runs the command of `sys.argv`; ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["validate"] and not _PLAIN & set(arguments) and "_TRUEUP_COMPLETE" not in os.environ:
        from trueup.validate import quick

        sys.exit(quick.run(arguments[1:]))
    from trueup.cli.failures import guarded

    sys.exit(guarded(_application))


def _application() -> int:
    import click

    from trueup.cli.application import app

    try:
        code = app(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return USAGE_ERROR
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except click.Abort:
        return 130
    return int(code or 0)
