"""The main loop: diff, plan, approve, apply, promote, rollback."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trueup.cli.options import HERE, BreakGlass, Directory, EnvironmentName, Form, Output, Why, Yes
from trueup.cli.terminal import confirmed, emit, emit_json, note
from trueup.exits import USAGE

if TYPE_CHECKING:
    from trueup.load.trees import Tree
    from trueup.workspace.opening import Workspace

Revision = Annotated[str, typer.Option("--revision", metavar="REV", help="A Git revision instead of the working tree.")]


PullRequest = Annotated[
    bool, typer.Option("--pull-request", help="Open a pull request on the forge; nothing here changes.")
]


class PlanForm(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def diff(
    environment: EnvironmentName,
    revision: Revision = "",
    live: Annotated[
        bool,
        typer.Option("--live", help="Compare with what is live, field by field: a cluster is asked by a dry run."),
    ] = False,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Show which specs differ from what is applied, and what that means; or, with --live, how reality differs from them.

    Example: trueup diff prod --live
    """
    from trueup.cli.selection import desired_tree
    from trueup.plan.saved import spec_change_json
    from trueup.views import plans
    from trueup.workspace.opening import open_workspace
    from trueup.workspace.planning import prepare

    workspace = open_workspace(directory)
    tree, _ = desired_tree(workspace, environment, revision)
    if live:
        _diff_live(workspace, environment, tree, output)
        return
    changes = prepare(workspace, environment, tree).plan.changes
    if output is Form.JSON:
        emit_json([spec_change_json(c) for c in changes])
    else:
        emit(
            "\n".join(plans.spec_line(c).strip() for c in changes)
            or f"The specs are as they were applied to {environment}."
        )


def _diff_live(workspace: Workspace, environment: str, tree: Tree, output: Form) -> None:
    from trueup.cli.failures import read_line
    from trueup.exits import INVALID
    from trueup.views import comparisons, statuses
    from trueup.views.diagnostics import render
    from trueup.workspace import diffing
    from trueup_stacks.kubernetes.placement import names

    prepared, found = diffing.live(workspace, environment, tree)
    clusters = names(prepared.catalog.settings)
    if prepared.diagnostics:
        note(render(prepared.diagnostics, "text", read_line))
    if output is Form.JSON:
        emit_json({**comparisons.as_json(environment, found, clusters), **statuses.away_json(prepared.sight.away)})
    else:
        emit(comparisons.text(environment, found, clusters) + statuses.away_text(prepared.sight.away))
    if prepared.forbidden:
        raise typer.Exit(INVALID)


def plan(
    environment: EnvironmentName,
    revision: Revision = "",
    base: Annotated[
        str, typer.Option("--base", metavar="REV", help="Plan the merge of --revision (HEAD) into this.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, to apply exactly it.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Look at what runs too, and show drift.")] = False,
    online: Annotated[bool, typer.Option("--online", help="Ask the providers through a Pulumi preview too.")] = False,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh", help="Compare every stack with reality through its providers; with --live and --online."
        ),
    ] = False,
    detailed: Annotated[bool, typer.Option("--detailed", help="Show every property.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 where there are changes.")
    ] = False,
    output: Annotated[
        PlanForm, typer.Option("--output", "-o", help="Text, JSON, or Markdown for pull requests.")
    ] = PlanForm.TEXT,
    directory: Directory = HERE,
) -> None:
    """Show what an apply would do; changes nothing and needs no credentials.

    Example: trueup plan dev
    """
    from trueup.cli import planned
    from trueup.exits import CHANGES, INVALID, NOTHING_SELECTED, PARTLY
    from trueup.plan import saved
    from trueup.workspace import vacancy
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    live, online = live or refresh, online or refresh
    prepared = planned.prepare_for(workspace, environment, revision, base, live, whole=online)
    preview = planned.preview(workspace, prepared, refresh) if online else ()
    planned.show(prepared, output.value, detailed, preview)
    if prepared.forbidden:
        raise typer.Exit(INVALID)
    if why := vacancy.vacant(workspace, prepared):
        note(why)
        raise typer.Exit(NOTHING_SELECTED)
    if out is not None:
        out.write_bytes(saved.dump(prepared.plan))
        note(f"Saved the plan to {out}: `trueup apply {environment} --plan {out}` applies exactly it.")
    if detailed_exitcode and (not prepared.plan.empty or any(p.changed or not p.ok for p in preview)):
        raise typer.Exit(CHANGES)
    if detailed_exitcode and prepared.sight.away:
        raise typer.Exit(PARTLY)


def approve(
    environment: EnvironmentName,
    revision: Revision = "",
    yes: Yes = False,
    directory: Directory = HERE,
) -> None:
    """Agree to what the plan would do, signed with your Git key, into the ledger.

    Example: trueup approve prod
    """
    from trueup.approve import approvals, seals
    from trueup.cli import planned
    from trueup.exits import DENIED, INVALID
    from trueup.record.events import Event, EventKind
    from trueup.record.updates import ApprovalUpdate
    from trueup.workspace.opening import WorkspaceError, open_workspace
    from trueup.workspace.permitting import authors_of, teams_of

    workspace = open_workspace(directory)
    prepared = planned.prepare_for(workspace, environment, revision, "", False, whole=True)
    planned.show(prepared, "text", False)
    if prepared.forbidden:
        raise typer.Exit(INVALID)
    if not prepared.plan.seal:
        emit("There is nothing to approve.")
        return
    if not confirmed(f"Approve this for {environment}?", yes):
        raise typer.Exit(1)
    try:
        approval = approvals.sign(
            workspace.repository, prepared.plan, teams_of(prepared), authors_of(workspace, prepared)
        )
    except approvals.ApprovalError as error:
        raise WorkspaceError(str(error), DENIED) from None
    update = ApprovalUpdate(environment, approval.id, seals.form(approval))
    details = {"by": approval.by, "effects": len(approval.entries), "seal": prepared.plan.seal_digest}
    event = Event(
        EventKind.APPROVED, environment, commit=prepared.plan.commit, details=details, approvals=(approval.id,)
    )
    entry = workspace.ledger.append(event, update)
    emit(f"{approval.by} approved {environment} ({len(prepared.plan.seal)} effects); recorded as {entry.id[:10]}.")


def apply(
    environment: EnvironmentName,
    revision: Revision = "",
    plan_file: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Apply exactly this saved plan.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compare every stack with reality, not only native resources.")
    ] = False,
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Allow more deletions than the environment's share.")
    ] = False,
    allow_dirty: Annotated[bool, typer.Option("--allow-dirty", help="Apply changes that are not committed.")] = False,
    break_glass: BreakGlass = "",
    why: Why = "",
    yes: Yes = False,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Make an environment what the specs say; heals drift and goes on where an earlier apply ended.

    Example: trueup apply dev
    """
    from trueup.cli import applied
    from trueup.workspace.opening import open_workspace

    request = applied.Request(
        environment, revision, plan_file, refresh, confirm_deletes, allow_dirty, why, yes, break_glass=break_glass
    )
    raise typer.Exit(applied.apply(open_workspace(directory), request, output))


def promote(
    model: Annotated[str, typer.Argument(help="The model, as name or namespace/name.")],
    to: Annotated[
        str, typer.Option("--to", metavar="ENV", help="The environment; by default the next of the path.")
    ] = "",
    version: Annotated[
        int, typer.Option("--version", min=0, help="The version; by default the one accepted before.")
    ] = 0,
    pull_request: PullRequest = False,
    directory: Directory = HERE,
) -> None:
    """Pin a model's version for an environment, as an edit of the specs to commit and review, or as a pull request with the evidence.

    Example: trueup promote churn --to prod --pull-request
    """
    from trueup.workspace import promoting, suggesting
    from trueup.workspace.opening import open_workspace

    if pull_request:
        workspace = open_workspace(directory)
        opened = suggesting.promote(workspace, suggesting.joined_or_refused(workspace), model, to, version or None)
        emit(f"#{opened.number}: {opened.title}. {opened.url}")
        return
    done = promoting.promote(open_workspace(directory), model, to, version or None)
    emit(
        f"{done.file}: {done.model} version {done.version} for {done.environment}. Commit it, then trueup plan {done.environment}."
    )


def rollback(
    environment: EnvironmentName,
    to: Annotated[str, typer.Option("--to", metavar="REV", help="The commit to go back to.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Follow the specs again.")] = False,
    pull_request: PullRequest = False,
    break_glass: BreakGlass = "",
    why: Why = "",
    yes: Yes = False,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Go back to a former commit at once: pins the environment there and trains nothing that exists.

    Example: trueup rollback prod --to HEAD~1 --why "error rate"
    """
    from trueup.cli import applied
    from trueup.cli.selection import tree_of
    from trueup.workspace import operating
    from trueup.workspace.opening import WorkspaceError, open_workspace

    workspace = open_workspace(directory)
    if pull_request and not lift:
        from trueup.workspace import suggesting

        opened = suggesting.rollback(workspace, suggesting.joined_or_refused(workspace), environment, to, why)
        emit(f"#{opened.number}: {opened.title}. {opened.url}")
        return
    if bool(to) == lift:
        raise WorkspaceError("Say where to: --to REV, or --lift to follow the specs again.", USAGE)
    if lift:
        operating.lift(workspace, environment, tree_of(workspace, "HEAD").commit or "")
        note(f"{environment} follows the specs again: trueup plan {environment}.")
        return
    commit = tree_of(workspace, to).commit or ""
    request = applied.Request(environment, revision=commit, why=why, yes=yes, rollback=True, break_glass=break_glass)
    raise typer.Exit(applied.apply(workspace, request, output))
