"""`trueup demo` and `trueup doctor`: for those who have just come, and for those who are stuck."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trueup.cli.options import Form, Output
from trueup.cli.terminal import emit, emit_json, note


def demo(
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where; by default a temporary one.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers running and the files in place.")] = False,
) -> None:
    """Show the whole loop: validate, plan, apply, predict, and the ledger, in a repository of its own.

    Example: trueup demo --keep
    """
    from trueup.workspace import demonstration

    raise typer.Exit(demonstration.demonstrate(folder, keep, emit))


def doctor(
    install: Annotated[
        bool, typer.Option("--install", help="Get the Pulumi CLI now rather than with the first apply.")
    ] = False,
    output: Output = Form.TEXT,
) -> None:
    """Say which parts are there, which are missing, and what to do about it.

    Example: trueup doctor --install
    """
    from trueup.views import statuses
    from trueup.workspace import diagnosis

    if install:
        diagnosis.install(note)
    found = diagnosis.examine()
    if output is Form.JSON:
        emit_json([{"name": c.name, "ok": c.ok, "found": c.found, "fix": c.fix, "optional": c.optional} for c in found])
    else:
        emit(statuses.doctor_text(found))
    if not all(c.ok or c.optional for c in found):
        raise typer.Exit(1)
