"""`trueup ci`: what jobs of a forge run. Revisions instead of working trees, comments of pull requests, exit codes for gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trueup.cli.options import HERE, BreakGlass, Directory, Form, Output, Why

app = typer.Typer(help="For jobs: plan as a comment of a pull request, apply what is approved.", no_args_is_help=True)
Environments = Annotated[
    list[str] | None, typer.Argument(metavar="[ENV]...", help="The environments; by default all of the base branch.")
]
Remote = Annotated[str, typer.Option("--remote", metavar="REMOTE", help="Git's name of the forge's repository.")]
NoForge = Annotated[bool, typer.Option("--no-forge", help="Print only: neither ask nor tell a forge.")]


@app.command()
def plan(
    environments: Environments = None,
    base: Annotated[
        str, typer.Option("--base", metavar="REV", help="Without a forge: the base branch's tip (origin/HEAD).")
    ] = "",
    head: Annotated[str, typer.Option("--head", metavar="REV", help="Without a forge: what is to be merged.")] = "",
    every: Annotated[bool, typer.Option("--open", help="Plan every open pull request of the forge.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the Markdown there, and the plans as JSON beside it."),
    ] = None,
    remote: Remote = "origin",
    no_forge: NoForge = False,
    directory: Directory = HERE,
) -> None:
    """Plan the merge of a pull request, and say so in its one comment, statuses and remarks at lines.

    In a job (or with TRUEUP_FORGE, TRUEUP_PULL_REQUEST and a token) the forge is told; with --base or --head, and in a shell that names no
    forge, the Markdown is printed only. Needs no credentials but the forge's, and runs nothing of the pull request. Ends with 0 where it
    may be merged, 4 where the specs are not valid, 7 where a mandatory policy refuses, 11 where the forge would not take the comment.
    Example: trueup ci plan dev prod --base origin/main
    """
    from trueup.cli import pulled
    from trueup.workspace import joining
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    joined = None if no_forge or base or head else joining.join(workspace, remote)
    asked = no_forge or bool(base or head)
    request = pulled.Request(tuple(environments or ()), base or "origin/HEAD", head or "HEAD", out, asked)
    if joined is None:
        raise typer.Exit(pulled.printed(workspace, request))
    raise typer.Exit(pulled.told(workspace, joined, request, every))


@app.command()
def apply(
    environments: Environments = None,
    revision: Annotated[
        str, typer.Option("--revision", metavar="REV", help="A commit; by default the base branch's tip.")
    ] = "",
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Allow more deletions than the share.")
    ] = False,
    wait: Annotated[
        int, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for another apply to end.")
    ] = 600,
    remote: Remote = "origin",
    no_forge: NoForge = False,
    break_glass: BreakGlass = "",
    why: Why = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Apply the base branch's tip as far as reviews and approvals cover it. Never asks; file state must be kept between jobs.

    The reviews of the pull requests that were merged since each environment's last apply count as approvals of the effects that they saw.
    What is not covered is not applied: the pull requests are told what is missing. Afterwards the ledger is pushed, and anchored in a
    commit status. Example: trueup ci apply prod
    """
    from trueup.cli import merged
    from trueup.workspace import joining
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    joined = None if no_forge else joining.join(workspace, remote)
    request = merged.Request(tuple(environments or ()), revision, confirm_deletes, wait, why, output, break_glass)
    raise typer.Exit(merged.apply(workspace, joined, request))
