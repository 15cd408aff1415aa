"""The command `build`: images of models and of pipelines' steps, and whether one is what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trueup.cli.options import HERE, Directory, Form, Output, complete_environment
from trueup.cli.terminal import emit, emit_json, note


def build(
    environment: Annotated[
        str,
        typer.Argument(
            metavar="ENV", help="Whose overlays, registry and model version hold.", autocompletion=complete_environment
        ),
    ] = "",
    document: Annotated[
        str, typer.Argument(metavar="KIND/NAME", help="Model/NAME for a server, Pipeline/NAME for its steps.")
    ] = "",
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="IMAGE",
            envvar="TRUEUP_BASE_IMAGE",
            help="The image to build on, by digest: NAME@sha256:…, oci:DIR@sha256:…, or scratch for files only.",
        ),
    ] = "",
    push: Annotated[
        str,
        typer.Option(
            "--push",
            metavar="REGISTRY/NAME[:TAG]",
            help="Push it there, as `docker login` or TRUEUP_REGISTRY_USER and TRUEUP_REGISTRY_TOKEN allow.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR|FILE.tar", help="Write an OCI layout, with inventory and provenance."),
    ] = None,
    lock: Annotated[
        str, typer.Option("--lock", metavar="FILE", help="Another lock file than the pipeline's, in the commit.")
    ] = "",
    model_version: Annotated[
        int | None, typer.Option("--model-version", min=1, help="By default the one in use in ENV.")
    ] = None,
    platform: Annotated[str, typer.Option("--platform", help="linux/amd64 or linux/arm64.")] = "linux/amd64",
    revision: Annotated[
        str, typer.Option("--revision", metavar="REV", help="A Git revision instead of the commit checked out.")
    ] = "",
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Build what lies in the working tree, and say so in the image.")
    ] = False,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label more; may be repeated.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="Sign with this key (PEM or OpenSSH, ECDSA P-256 or ed25519); with --verify the public one.",
        ),
    ] = None,
    advisories: Annotated[
        Path | None,
        typer.Option("--advisories", metavar="PATH", help="OSV advisories: a JSON file, a folder, or OSV's all.zip."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="SEVERITY", help="low, medium, high (the default) or critical.")
    ] = "",
    exceptions: Annotated[
        Path | None,
        typer.Option(
            "--exceptions", metavar="FILE", help="YAML list of {id, package, reason, expires}: what does not count yet."
        ),
    ] = None,
    verify: Annotated[
        str,
        typer.Option(
            "--verify", metavar="IMAGE", help="Build nothing: judge the image NAME@sha256:… or oci:DIR@sha256:…."
        ),
    ] = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Build an image from a commit and its lock file, without Docker: the same input gives the same digest.

    Example: trueup build prod Model/risk --base python@sha256:… --push ghcr.io/acme/risk --key cosign.key --advisories osv/
    """
    from trueup.cli.failures import DENIED, FAILURE
    from trueup.views import builds
    from trueup.workspace import building, gathering
    from trueup.workspace.opening import WorkspaceError, open_workspace

    asked = gathering.Asked(
        environment,
        document,
        base,
        platform=platform,
        lock=lock,
        model_version=model_version,
        revision=revision,
        allow_dirty=allow_dirty,
        labels=_labels(label or []),
        out=out,
        push=push,
        key=key,
        advisories=advisories,
        fail_on=fail_on,
        exceptions=exceptions,
    )
    if verify:
        report, verdict = building.verify(directory, verify, asked)
        if output is Form.JSON:
            emit_json(builds.report_json(report, verdict))
        else:
            emit(builds.report_text(report, verdict))
        if report.problems:
            raise typer.Exit(FAILURE)
        if verdict is not None and not verdict.passed:
            raise typer.Exit(DENIED)
        return
    if not environment or not document:
        raise WorkspaceError(
            "Say what to build: trueup build ENV Model/NAME or ENV Pipeline/NAME, or --verify IMAGE.", 64
        )
    quiet = output is Form.JSON
    made = building.build(open_workspace(directory), asked, (lambda _line: None) if quiet else note)
    if quiet:
        emit_json(builds.as_json(made))
    else:
        emit(builds.text(made))
    if not made.passed:
        raise typer.Exit(DENIED)


def _labels(given: list[str]) -> dict[str, str]:
    from trueup.workspace.opening import WorkspaceError

    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise WorkspaceError(f"{text!r} is no label: write --label NAME=VALUE.", 64)
        found[name] = value
    return found
