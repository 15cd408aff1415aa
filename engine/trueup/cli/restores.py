"""The command `restore`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from trueup.cli.options import HERE, Directory, EnvironmentName, Form, Output, Why, Yes
from trueup.cli.terminal import confirmed, emit, emit_json, note
from trueup.exits import USAGE

if TYPE_CHECKING:
    from trueup.apply.restores import Progress


def restore(
    environment: EnvironmentName,
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="A BackupPolicy, as name or namespace/name.")],
    backup: Annotated[
        str, typer.Option("--backup", metavar="NAME", help="This backup; by default the newest that is complete.")
    ] = "",
    namespace_mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace-mapping", metavar="FROM=TO", help="Restore into another namespace, by the cluster's names."
        ),
    ] = None,
    cluster: Annotated[str, typer.Option("--cluster", metavar="NAME", help="To this one of several clusters.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be restored, and into where.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0, metavar="SECONDS", help="Wait so long.")] = 3600,
    why: Why = "",
    yes: Yes = False,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Restore a backup of a BackupPolicy through Velero, into its namespaces or beside them; what is there stays as it is.

    Example: trueup restore prod nightly --namespace-mapping churn=churn-rehearsal
    """
    from trueup.cli.failures import OUTCOMES
    from trueup.cli.selection import opened
    from trueup.exits import FAILURE
    from trueup.views import restores
    from trueup.workspace import restoring
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    catalog, _ = opened(workspace, environment)
    asked = restoring.Asked(policy, backup, _mapping(namespace_mapping or ()), cluster)
    ready = restoring.prepare(workspace, catalog, asked)
    if dry_run and output is Form.JSON:
        emit_json(restores.as_json(environment, ready.backup, ready.into))
    elif output is Form.TEXT:
        emit(restores.plan_text(ready.backup, ready.into))
    if dry_run:
        return
    if not confirmed(f"Restore it to {environment}?", yes):
        raise typer.Exit(FAILURE)

    def heard(progress: Progress) -> None:
        if output is Form.TEXT:
            note(restores.progress_line(progress))

    done = restoring.restore(workspace, ready, heard, timeout, why)
    if output is Form.JSON:
        emit_json(restores.as_json(environment, ready.backup, ready.into, done))
    else:
        emit(restores.text(environment, done))
    if done.outcome != "done":
        raise typer.Exit(OUTCOMES[done.outcome])


def _mapping(texts: Iterable[str]) -> dict[str, str]:
    """`FROM=TO` of each option. Raises WorkspaceError for anything else."""
    from trueup.workspace.opening import WorkspaceError

    found: dict[str, str] = {}
    for text in texts:
        source, equals, target = text.partition("=")
        if not (source and equals and target) or source in found:
            raise WorkspaceError(f"--namespace-mapping {text!r} is not FROM=TO, or FROM is there twice.", USAGE)
        found[source] = target
    return found
