"""`trueup audit`: the ledger, read."""

from __future__ import annotations

from typing import Annotated

import typer

from trueup.cli.options import HERE, Directory, Form, Output
from trueup.cli.terminal import emit, emit_json

app = typer.Typer(help="Who changed what, where, when, why; and whether the record is whole.", no_args_is_help=True)
_Environment = Annotated[str, typer.Option("--env", "-e", metavar="ENV", help="Only of this environment.")]


@app.command()
def log(
    environment: _Environment = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The last so many.")] = 50,
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """List the entries, newest first.

    Example: trueup audit log --env prod
    """
    from itertools import islice

    from trueup.views import audit
    from trueup.workspace.opening import open_workspace

    entries = open_workspace(directory).ledger.entries()
    chosen = list(islice((e for e in entries if not environment or e.event.environment == environment), limit))
    if output is Form.JSON:
        emit_json(audit.log_json(chosen))
    else:
        emit(audit.log_text(chosen))


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="The entry's id, or its start.")],
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Show one entry in full.

    Example: trueup audit show 3f2a91c04b
    """
    from trueup.views import audit
    from trueup.workspace.opening import open_workspace

    found = open_workspace(directory).ledger.entry(entry)
    if output is Form.JSON:
        emit_json(audit.entry_json(found))
    else:
        emit(audit.entry_text(found))


@app.command()
def verify(
    forge: Annotated[
        bool, typer.Option("--forge", help="Compare with the anchor in the forge's commit status.")
    ] = False,
    anchor: Annotated[
        str,
        typer.Option(
            "--anchor", metavar="COMMIT", help="An entry that was there once, as `audit log` names it in full."
        ),
    ] = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Check that nothing of the ledger was changed, cut off or rewritten. A cut-off end is found with an anchor only.

    Example: trueup audit verify --forge
    """
    from trueup.record import verification
    from trueup.views import audit
    from trueup.workspace import merging
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    anchors = [merging.told_anchor(workspace)] if forge else []
    if anchor:
        anchors.append(merging.given_anchor(workspace, anchor))
    report = verification.verify(workspace.ledger, *anchors)
    if output is Form.JSON:
        emit_json(audit.report_json(report))
    else:
        emit(audit.report_text(report))
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def sync(
    remote: Annotated[str, typer.Option("--remote", metavar="REMOTE", help="A remote of Git's, or a URL.")] = "origin",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Exchange entries with a remote: fetch its, write yours after them, push. Nothing is dropped or forced.

    Example: trueup audit sync
    """
    from dataclasses import asdict

    from trueup.record import exchange
    from trueup.workspace.opening import open_workspace

    done = exchange.sync(open_workspace(directory).ledger, remote)
    if output is Form.JSON:
        emit_json(asdict(done))
    else:
        emit(f"The ledger is the same here and at {remote}: {done.received} entries received, {done.sent} sent.")


@app.command()
def blame(
    document: Annotated[str, typer.Argument(metavar="KIND/NAME", help="Such as Model/risk.")],
    environment: Annotated[str, typer.Option("--env", "-e", metavar="ENV", help="The environment.")],
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Show who changed a document in an environment, when, why, approved by whom, from which data, proved by what.

    Example: trueup audit blame Model/churn --env prod
    """
    from trueup.record import history
    from trueup.views import audit
    from trueup.workspace.naming import key_in
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    key = key_in(workspace, document, environment)
    found = list(history.blame(workspace.ledger, str(key), environment))
    if output is Form.JSON:
        emit_json(audit.blame_json(found))
    else:
        emit(audit.blame_text(str(key), environment, found))
