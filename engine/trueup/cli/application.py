"""The Typer application: commands by what people do. The bodies live in the modules beside this one and import what they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from trueup.cli import audit, author, build, ci, demo, histories, look, loop, operate, reconcile, restores

app = typer.Typer(
    name="trueup",
    help="Declarative GitOps for machine learning: specs in Git, planned, approved, applied, recorded.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(shown: bool) -> None:
    """Prints the version."""
    if shown:
        from importlib.metadata import version as of

        typer.echo(f"trueup {of('trueup')}")
        raise typer.Exit


@app.callback()
def root(
    show: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True, callback=version),
) -> None:
    """Declarative GitOps for machine learning: specs in Git, planned, approved, applied, recorded."""


AUTHOR, LOOP, LOOK, OPERATE, MORE = "Specs", "Plan and apply", "Look", "Operate", "More"
for panel, commands in {
    AUTHOR: (author.init, author.validate, author.schema, author.explain, author.graph, author.render),
    LOOP: (
        loop.diff,
        loop.plan,
        loop.approve,
        loop.apply,
        loop.promote,
        loop.rollback,
        reconcile.reconcile,
        reconcile.serve,
    ),
    LOOK: (look.status, look.drift, look.logs, look.runs, histories.history, histories.bisect),
    OPERATE: (operate.run, build.build, operate.down, operate.up, operate.destroy, operate.import_, restores.restore),
    MORE: (demo.demo, demo.doctor),
}.items():
    for command in commands:
        register: Callable[[Any], Any] = app.command(command.__name__.strip("_"), rich_help_panel=panel)
        register(command)
app.add_typer(audit.app, name="audit", rich_help_panel=LOOK)
app.add_typer(ci.app, name="ci", rich_help_panel=LOOP)
