"""Commands that operate what is applied: run, down, up, destroy, import."""

from __future__ import annotations

from typing import Annotated

import typer

from trueup.cli.options import HERE, Directory, EnvironmentName, Form, Output, Why, Yes
from trueup.cli.terminal import confirmed, emit, emit_json, note, progress


def run(
    environment: EnvironmentName,
    model: Annotated[
        str, typer.Argument(help="The model whose pipeline is run, or the pipeline, as name or namespace/name.")
    ],
    again: Annotated[bool, typer.Option("--again", help="Run it though this fingerprint was run.")] = False,
    directory: Directory = HERE,
) -> None:
    """Train a model now, as the specs say; the next apply takes the run as it is.

    The data must have been applied before. Example: trueup run dev risk
    """
    from trueup.views import statuses
    from trueup.workspace import running
    from trueup.workspace.opening import open_workspace

    status = running.run(open_workspace(directory), environment, model, again=again, on_line=emit)
    emit(statuses.runs_text([status]))
    if status.outcome != "succeeded":
        raise typer.Exit(1)


def down(environment: EnvironmentName, directory: Directory = HERE) -> None:
    """Stop the local processes of an environment; state, data and registry stay.

    Example: trueup down dev
    """
    from trueup.cli.selection import known
    from trueup.workspace import operating
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    stopped = operating.down(workspace, known(workspace, environment), environment)
    emit("\n".join(f"Stopped {name}." for name in stopped) or f"Nothing runs in {environment}.")


def up(environment: EnvironmentName, directory: Directory = HERE) -> None:
    """Start the local processes of an environment again, as they were.

    Example: trueup up dev
    """
    from trueup.cli.selection import known
    from trueup.workspace import operating
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    started = operating.up(workspace, known(workspace, environment), environment)
    emit("\n".join(f"Started {name}." for name in started) or f"Nothing of {environment} is served here.")


def destroy(
    environment: EnvironmentName,
    why: Why = "",
    yes: Yes = False,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Delete what was applied to an environment, except what is protected or retained.

    Example: trueup destroy dev
    """
    from trueup.cli.failures import OUTCOMES
    from trueup.exits import FAILURE, NOTHING_SELECTED
    from trueup.views import outcomes
    from trueup.workspace import destroying
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    there = destroying.there(workspace, environment)
    if not there.resources:
        if output is Form.JSON:
            emit_json({"environment": environment, "outcome": "vacant"})
        note(f"Nothing is applied to {environment}, so nothing was destroyed.")
        raise typer.Exit(NOTHING_SELECTED)
    if not confirmed(f"Delete the {there.resources} resources of {environment}?", yes):
        raise typer.Exit(FAILURE)
    with progress(output) as sink:
        done = destroying.destroy(workspace, there, sink, why)
    if output is Form.JSON:
        emit_json(outcomes.destroyed_json(environment, done.outcome, done.results, done.skipped, done.kept, done.away))
    else:
        emit(outcomes.destroyed(environment, done.outcome, done.results, done.skipped, done.kept, done.away))
    if done.outcome != "done":
        raise typer.Exit(OUTCOMES[done.outcome])


def import_(
    environment: EnvironmentName,
    document: Annotated[str, typer.Argument(metavar="KIND/NAME", help="The document that describes it.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of what is there, as its provider names it.")],
    resource_type: Annotated[str, typer.Option("--type", help="The Pulumi type, where the document has several.")] = "",
    directory: Directory = HERE,
) -> None:
    """Take over something that is there already: the next plan compares it instead of making it.

    Example: trueup import dev Model/risk risk --type trueup:registry:RegisteredModel
    """
    from trueup.workspace import importing
    from trueup.workspace.opening import open_workspace

    done = importing.import_resource(open_workspace(directory), environment, document, id, resource_type)
    emit(f"Imported {done}. See what differs: trueup plan {environment}")
