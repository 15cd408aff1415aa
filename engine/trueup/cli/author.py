"""Commands for those who write specs: init, validate, schema, explain, graph, render."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trueup.cli.options import HERE, Directory, EnvironmentName, Form, Output
from trueup.cli.terminal import emit, emit_json, note
from trueup.exits import NOTHING_SELECTED


class Report(StrEnum):
    """How `validate` prints diagnostics."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class Drawing(StrEnum):
    """How `graph` draws."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


class Host(StrEnum):
    """Whose workflows `init --ci` writes."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class Program(StrEnum):
    """What `render` writes."""

    PULUMI = "pulumi"
    KUBERNETES = "kubernetes"
    JSON = "json"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; it may exist, and is made a Git repository.")
    ] = HERE,
    name: Annotated[str, typer.Option("--name", help="The workspace's name; by default the folder's.")] = "",
    ci: Annotated[
        Host | None,
        typer.Option("--ci", help="Add this forge's workflows, to the workspace that is there or a new one."),
    ] = None,
    policies: Annotated[
        bool, typer.Option("--policies", help="Add policies to begin with, advisory at first, in the same way.")
    ] = False,
) -> None:
    """Make a workspace with a model that can be trained and served at once; or add the workflows of a forge, or policies.

    Example: trueup init credit && cd credit && trueup init --ci github
    """
    from trueup.load import workspaces
    from trueup.workspace import automating, beginning, governing
    from trueup.workspace.opening import open_workspace

    adds = ci is not None or policies
    if not adds or workspaces.find(folder) is None:
        made = beginning.begin(folder.resolve(), name)
        emit(f"Made the workspace {made.name} in {made.folder} ({len(made.files)} files, committed).")
    if not adds:
        emit("Next: trueup plan dev, then trueup apply dev.")
        return
    workspace = open_workspace(folder)
    if policies:
        found = governing.govern(workspace)
        emit(
            f"Wrote {found.file}: {len(found.names)} policies, advisory at first. Look at `trueup plan`, then commit it."
        )
    if ci is not None:
        written = automating.automate(workspace, ci.value)
        emit(
            f"Wrote {', '.join(written)}. Read them, commit them; the README's section on CI says which permissions they need."
        )


def validate(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Show only what is about these.")
    ] = None,
    output: Annotated[Report, typer.Option("--output", "-o", help="The report's form.")] = Report.TEXT,
    revision: Annotated[
        str, typer.Option("--revision", metavar="REV", help="A Git revision instead of the working tree.")
    ] = "",
    directory: Directory = HERE,
) -> None:
    """Check all specs and show every problem at once.

    Example: trueup validate --output github
    """
    from trueup.cli import quick

    arguments = [*map(str, paths or ()), "--output", output.value, "--directory", str(directory)]
    raise typer.Exit(quick.run([*arguments, "--revision", revision] if revision else arguments))


def schema(
    kind: Annotated[str, typer.Argument(help="A kind; by default all in one.")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write all schemas into a folder.")] = None,
) -> None:
    """Print the JSON Schema of a kind, or write all for editors.

    Example: trueup schema Endpoint
    """
    from trueup.workspace import schemas

    if out is not None:
        written = schemas.write(out)
        note(f"Wrote {written} schemas to {out}.")
    else:
        emit_json(schemas.schema(kind))


def explain(
    subject: Annotated[
        str, typer.Argument(metavar="KIND[.FIELD]|CODE", help="Such as Endpoint.spec.predictor or TRU1102.")
    ],
    output: Output = Form.TEXT,
) -> None:
    """Explain a kind, a field or the code of a diagnostic.

    Example: trueup explain Endpoint.spec.predictor
    """
    from trueup.views import explanations
    from trueup.workspace.opening import WorkspaceError

    try:
        if output is Form.JSON:
            emit_json(explanations.explained(subject))
        else:
            emit(explanations.explain(subject))
    except LookupError as error:
        raise WorkspaceError(str(error.args[0]), NOTHING_SELECTED) from None


def graph(
    environment: EnvironmentName,
    form: Annotated[Drawing, typer.Option("--format", "-f", help="Text, Mermaid, DOT, SVG or JSON.")] = Drawing.TEXT,
    revision: Annotated[str, typer.Option("--revision", metavar="REV", help="A Git revision.")] = "",
    directory: Directory = HERE,
) -> None:
    """Draw what is made from what.

    Example: trueup graph dev --format mermaid
    """
    from trueup.cli.selection import opened
    from trueup.views import graphs
    from trueup.workspace.opening import WorkspaceError, open_workspace

    catalog, _ = opened(open_workspace(directory), environment, revision)
    lineage = catalog.lineage
    edges = sorted(lineage.edges())
    nodes = [k for k in catalog.documents if k.kind not in ("Environment", "Overlay", "Team", "Policy", "AccessPolicy")]
    try:
        match form:
            case Drawing.TEXT:
                emit(graphs.tree({k: lineage.upstream.get(k, frozenset()) for k in nodes}))
            case Drawing.MERMAID:
                emit(graphs.mermaid(edges, nodes))
            case Drawing.DOT:
                emit(graphs.dot(edges, nodes))
            case Drawing.SVG:
                emit(graphs.svg(edges, nodes))
            case Drawing.JSON:
                emit_json({"nodes": sorted(map(str, nodes)), "edges": [[str(a), str(b)] for a, b in edges]})
    except graphs.GraphvizMissing as error:
        raise WorkspaceError(str(error)) from None


def render(
    environment: EnvironmentName,
    program: Annotated[
        Program, typer.Option("--as", help="A Pulumi YAML program, Kubernetes manifests, or JSON.")
    ] = Program.PULUMI,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write files there instead of printing.")
    ] = None,
    revision: Annotated[str, typer.Option("--revision", metavar="REV", help="A Git revision.")] = "",
    directory: Directory = HERE,
) -> None:
    """Write what Trueup would apply as files for other tools, and name what they leave out.

    Example: trueup render staging --as kubernetes --out manifests
    """
    from trueup.cli.selection import tree_of
    from trueup.views import programs
    from trueup.workspace.opening import open_workspace
    from trueup.workspace.planning import prepare
    from trueup_stacks.kubernetes.placement import names

    workspace = open_workspace(directory)
    prepared = prepare(workspace, environment, tree_of(workspace, revision), with_before=False)
    stacks = list(prepared.compilation.stacks.values())
    clusters = names(prepared.catalog.settings)
    rendered = programs.render(stacks, workspace.name, program.value, clusters)
    for text in rendered.omitted:
        note(f"left out: {text}")
    if out is None:
        for path, content in rendered.files.items():
            emit(f"# {path}\n{content}" if clusters and program is Program.KUBERNETES else content)
        return
    if not rendered.files:
        note(f"Nothing to write: {environment} becomes no objects of that kind.")
        return
    for path, content in rendered.files.items():
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    note(f"Wrote {len(rendered.files)} files to {out}.")
