"""`trueup ci`: what jobs of a forge run. Revisions instead of working trees, Markdown for pull requests, exit codes for gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trueup.cli.options import HERE, Directory, EnvironmentName, Form, Output, Why
from trueup.cli.terminal import emit, note

app = typer.Typer(help="For jobs: plan as a comment of a pull request, apply what is approved.", no_args_is_help=True)


@app.command()
def plan(
    environments: Annotated[list[str], typer.Argument(metavar="ENV...", help="The environments.")],
    base: Annotated[
        str, typer.Option("--base", metavar="REV", help="The base branch's tip; by default origin/HEAD.")
    ] = "origin/HEAD",
    head: Annotated[str, typer.Option("--head", metavar="REV", help="What is to be merged.")] = "HEAD",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the Markdown there too.")] = None,
    directory: Directory = HERE,
) -> None:
    """Print the plan of merging head into base as Markdown for a pull request.

    Ends with 0 where it may be merged and changes nothing or something, 4 where the specs are not valid, 7 where a mandatory
    policy refuses. Example: trueup ci plan dev prod --base origin/main
    """
    from trueup.cli import planned
    from trueup.cli.failures import DENIED, INVALID, read_line
    from trueup.views import markdown
    from trueup.workspace.opening import open_workspace
    from trueup.workspace.planning import InvalidSpecs

    workspace = open_workspace(directory)
    parts, code = [], 0
    for environment in environments:
        try:
            prepared = planned.prepare_for(workspace, environment, head, base, False)
        except InvalidSpecs as error:
            parts, code = [markdown.invalid(error.diagnostics, read_line)], INVALID
            break
        parts.append(markdown.comment(prepared.plan, prepared.diagnostics))
        if prepared.forbidden:
            code = INVALID
        elif not code and any(not v.allowed and v.level == "mandatory" for v in prepared.plan.evidence.verdicts):
            code = DENIED
    text = "\n".join(parts)
    emit(text)
    if out is not None:
        out.write_text(text, encoding="utf-8")
        note(f"Wrote {out}.")
    raise typer.Exit(code)


@app.command()
def apply(
    environment: EnvironmentName,
    revision: Annotated[str, typer.Option("--revision", metavar="REV", help="The base branch's tip.")] = "HEAD",
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Allow more deletions than the share.")
    ] = False,
    why: Why = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Apply a commit as far as it is approved. Never asks; file state must be kept between jobs.

    Example: trueup ci apply prod --revision origin/main
    """
    from trueup.cli import applied
    from trueup.workspace import permitting
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    permitting.check_job(workspace, environment, revision)
    request = applied.Request(environment, revision, None, False, confirm_deletes, False, why, True)
    raise typer.Exit(applied.apply(workspace, request, output))
