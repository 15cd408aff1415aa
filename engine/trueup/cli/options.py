"""Options and arguments that several commands share, so that they mean and read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """How a command prints what it found."""

    TEXT = "text"
    JSON = "json"


def complete_environment(incomplete: str) -> list[str]:
    """The environments of the workspace in the current folder, for shell completion."""
    from trueup.cli.selection import environment_names

    return [name for name in environment_names(Path()) if name.startswith(incomplete)]


Directory = Annotated[
    Path,
    typer.Option(
        "--directory",
        "-C",
        metavar="DIR",
        help="The workspace's folder, or one within it.",
        show_default="the current one",
    ),
]
Output = Annotated[Form, typer.Option("--output", "-o", help="Text for people, JSON for machines.")]
EnvironmentName = Annotated[
    str,
    typer.Argument(
        metavar="ENV", help="The environment, as its document is named.", autocompletion=complete_environment
    ),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; kept in the ledger.")]
BreakGlass = Annotated[
    str,
    typer.Option(
        "--break-glass",
        metavar="REASON",
        help="Pass over windows, approvals and soft policies; for teams with breakGlass, signed and recorded.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
HERE = Path()
