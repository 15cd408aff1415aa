"""Commands that only look: status, drift, logs, runs."""

from __future__ import annotations

from typing import Annotated

import typer

from trueup.cli.options import HERE, Directory, EnvironmentName, Form, Output, complete_environment
from trueup.cli.terminal import emit, emit_json
from trueup.exits import USAGE


def status(
    environment: Annotated[
        str,
        typer.Argument(
            metavar="ENV", help="The environment; with --metrics by default all.", autocompletion=complete_environment
        ),
    ] = "",
    metrics: Annotated[
        bool, typer.Option("--metrics", help="The success metrics that the ledger can answer, with what was counted.")
    ] = False,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Show what runs where, which version, since when, healthy or not.

    Example: trueup status dev
    """
    from trueup.cli import histories
    from trueup.cli.selection import opened
    from trueup.workspace.opening import WorkspaceError

    if metrics:
        histories.metrics(directory, environment, output)
        return
    if not environment:
        raise WorkspaceError("Say of which environment: trueup status ENV, or all at once with --metrics.", USAGE)
    from trueup.views import audit, statuses
    from trueup.workspace import operating, permitting
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    catalog, recorded = opened(workspace, environment)
    seen = operating.sight(workspace, catalog, recorded)
    rows = operating.status(workspace, catalog, recorded, seen)
    urls = operating.urls(recorded, environment)
    broken = permitting.broken_since(workspace, environment)
    if output is Form.JSON:
        shown = {**statuses.as_json(environment, rows, urls), **statuses.away_json(seen.away)}
        emit_json({**shown, "breakGlass": broken and broken.id})
    else:
        emit(statuses.text(environment, rows, urls) + statuses.away_text(seen.away))
        if broken is not None:
            emit(audit.broken_text(broken))


def drift(
    environment: EnvironmentName,
    output: Output = Form.TEXT,
    exit_code: Annotated[bool, typer.Option("--detailed-exitcode", help="End with 2 where there is drift.")] = False,
    directory: Directory = HERE,
) -> None:
    """Show what is not as it was applied: a moved alias, an edited table, a killed server, a changed route.

    Example: trueup drift dev
    """
    from trueup.cli.selection import opened
    from trueup.exits import CHANGES, PARTLY
    from trueup.views import statuses
    from trueup.workspace import operating
    from trueup.workspace.opening import open_workspace
    from trueup_stacks.kubernetes.placement import names

    workspace = open_workspace(directory)
    catalog, recorded = opened(workspace, environment)
    seen = operating.sight(workspace, catalog, recorded)
    found = operating.findings(seen, recorded)
    if found:
        operating.record_drift(workspace, environment, found)
    if output is Form.JSON:
        emit_json({**statuses.drift_json(environment, found), **statuses.away_json(seen.away)})
    else:
        emit(statuses.drift_text(environment, found, names(catalog.settings)) + statuses.away_text(seen.away))
    if exit_code and (found or seen.away):
        raise typer.Exit(CHANGES if found else PARTLY)


def logs(
    environment: EnvironmentName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An endpoint, a gateway, a model or a pipeline.")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The last so many.")] = 200,
    directory: Directory = HERE,
) -> None:
    """Show the logs of an endpoint's servers, of a gateway, or of a model's last run.

    Example: trueup logs dev risk
    """
    from collections import deque

    from trueup.cli.selection import known
    from trueup.workspace import logging
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    for line in deque(logging.lines(workspace, known(workspace, environment), environment, name), maxlen=lines):
        emit(line)


def runs(
    environment: Annotated[
        str, typer.Argument(metavar="[ENV]", help="Only of this environment.", autocompletion=complete_environment)
    ] = "",
    cancel: Annotated[str, typer.Option("--cancel", metavar="RUN", help="Cancel a run, by the start of its id.")] = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """List the runs of this machine, or of an environment's cluster, or cancel one.

    Example: trueup runs dev
    """
    from trueup.cli.selection import known
    from trueup.views import statuses
    from trueup.workspace import running
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    if cancel:
        emit(running.cancel(workspace, cancel, environment))
        return
    if environment:
        known(workspace, environment)
    found = running.runs(workspace, environment)
    if output is Form.JSON:
        emit_json(statuses.runs_json(found))
    else:
        emit(statuses.runs_text(found))
