"""What the ledger tells over time: `trueup history`, `trueup bisect`, and the metrics of `trueup status --metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trueup.cli.options import HERE, Directory, Form, Output, complete_environment
from trueup.cli.terminal import emit, emit_json, note

if TYPE_CHECKING:
    from pathlib import Path

_Environment = Annotated[
    str,
    typer.Option("--env", "-e", metavar="ENV", help="Only of this environment.", autocompletion=complete_environment),
]


def history(
    document: Annotated[str, typer.Argument(metavar="NAME", help="A model or an endpoint, as NAME or KIND/NAME.")],
    environment: _Environment = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Show what became of a model or an endpoint: versions, when, by whom, from which commit, approved by whom, what its gates said.

    Example: trueup history risk
    """
    from trueup.views import histories as views
    from trueup.workspace import histories
    from trueup.workspace.opening import open_workspace

    found = histories.history_of(open_workspace(directory), document, environment)
    if output is Form.JSON:
        emit_json(views.as_json(found))
    else:
        emit(views.text(found))


def bisect(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="As runs report it, such as roc_auc.")],
    good: Annotated[str, typer.Option("--good", metavar="REV", help="A commit at which it was good.")],
    bad: Annotated[str, typer.Option("--bad", metavar="REV", help="A later one at which it is bad.")] = "HEAD",
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="MODEL", help="Whose, where several are trained.")
    ] = "",
    environment: _Environment = "",
    run: Annotated[bool, typer.Option("--run/--no-run", help="Run what is missing, or use recorded runs only.")] = True,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Find the commit that made a metric worse, from recorded runs; runs only what is missing.

    Example: trueup bisect roc_auc --good v1.0 --bad main
    """
    from trueup.views import histories as views
    from trueup.workspace import bisecting
    from trueup.workspace.opening import open_workspace

    found = bisecting.bisect(
        open_workspace(directory), metric, good, bad, model=model, environment=environment, runs=run, said=note
    )
    if output is Form.JSON:
        emit_json(views.bisect_json(found))
    else:
        emit(views.bisect_text(found))
    if not found.settled:
        raise typer.Exit(1)


def metrics(directory: Path, environment: str, form: Form) -> None:
    """Prints the success metrics, of one environment or of all."""
    from trueup.cli.selection import known
    from trueup.views import histories as views
    from trueup.workspace import measuring
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    if environment:
        known(workspace, environment)
    found = measuring.metrics(workspace, environment)
    if form is Form.JSON:
        emit_json({"environment": environment or None, "metrics": views.metrics_json(found)})
    else:
        emit(views.metrics_text(found))
