"""The command `build`: images of models and of pipelines' steps, and whether one is what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueup.cli.options import HERE, Directory, Form, Output, complete_environment
from trueup.cli.terminal import emit, emit_json, note
from trueup.exits import USAGE

if TYPE_CHECKING:
    from trueup.workspace.gathering import Asked


def _option(name: str, text: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(name, metavar=metavar, help=text, **more)


Whose = Annotated[
    str,
    typer.Argument(
        metavar="ENV", help="Whose overlays, registry and model version hold.", autocompletion=complete_environment
    ),
]
What = Annotated[str, typer.Argument(metavar="KIND/NAME", help="Model/NAME for a server, Pipeline/NAME for its steps.")]
Base = Annotated[
    str,
    _option(
        "--base",
        "The image to build on, by digest: NAME@sha256:…, oci:DIR@sha256:…, or scratch for files only.",
        "IMAGE",
        envvar="TRUEUP_BASE_IMAGE",
    ),
]
Push = Annotated[
    str,
    _option(
        "--push",
        "Push it there, as `docker login` or TRUEUP_REGISTRY_USER and TRUEUP_REGISTRY_TOKEN allow.",
        "REGISTRY/NAME[:TAG]",
    ),
]
Out = Annotated[Path | None, _option("--out", "Write an OCI layout, with inventory and provenance.", "DIR|FILE.tar")]
Lock = Annotated[str, _option("--lock", "Another lock file than the pipeline's, in the commit.", "FILE")]
Version = Annotated[int | None, _option("--model-version", "By default the one in use in ENV.", min=1)]
Platform = Annotated[str, _option("--platform", "linux/amd64 or linux/arm64.")]
Revision = Annotated[str, _option("--revision", "A Git revision instead of the commit checked out.", "REV")]
Dirty = Annotated[bool, _option("--allow-dirty", "Build what lies in the working tree, and say so in the image.")]
Labels = Annotated[list[str] | None, _option("--label", "A label more; may be repeated.", "NAME=VALUE")]
SigningKey = Annotated[
    Path | None,
    _option(
        "--key", "Sign with this key (PEM or OpenSSH, ECDSA P-256 or ed25519); with --verify the public one.", "FILE"
    ),
]
Advisories = Annotated[
    Path | None, _option("--advisories", "OSV advisories: a JSON file, a folder, or OSV's all.zip.", "PATH")
]
FailOn = Annotated[str, _option("--fail-on", "low, medium, high (the default) or critical.", "SEVERITY")]
Exceptions = Annotated[
    Path | None,
    _option("--exceptions", "YAML list of {id, package, reason, expires}: what does not count yet.", "FILE"),
]
Verified = Annotated[
    str, _option("--verify", "Build nothing: judge the image NAME@sha256:… or oci:DIR@sha256:….", "IMAGE")
]


def build(
    environment: Whose = "",
    document: What = "",
    base: Base = "",
    push: Push = "",
    out: Out = None,
    lock: Lock = "",
    model_version: Version = None,
    platform: Platform = "linux/amd64",
    revision: Revision = "",
    allow_dirty: Dirty = False,
    label: Labels = None,
    key: SigningKey = None,
    advisories: Advisories = None,
    fail_on: FailOn = "",
    exceptions: Exceptions = None,
    verify: Verified = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Build an image from a commit and its lock file, without Docker: the same input gives the same digest.

    Example: trueup build prod Model/risk --base python@sha256:… --push ghcr.io/acme/risk --key cosign.key --advisories osv/
    """
    from trueup.workspace import gathering

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
    code = _judge(directory, verify, asked, output) if verify else _make(directory, asked, output)
    if code:
        raise typer.Exit(code)


def _judge(directory: Path, image: str, asked: Asked, form: Form) -> int:
    from trueup.exits import DENIED, FAILURE
    from trueup.views import builds
    from trueup.workspace import building

    report, verdict = building.verify(directory, image, asked)
    if form is Form.JSON:
        emit_json(builds.report_json(report, verdict))
    else:
        emit(builds.report_text(report, verdict))
    if report.problems:
        return FAILURE
    return 0 if verdict is None or verdict.passed else DENIED


def _make(directory: Path, asked: Asked, form: Form) -> int:
    from trueup.exits import DENIED
    from trueup.views import builds
    from trueup.workspace import building
    from trueup.workspace.opening import WorkspaceError, open_workspace

    if not asked.environment or not asked.document:
        raise WorkspaceError(
            "Say what to build: trueup build ENV Model/NAME or ENV Pipeline/NAME, or --verify IMAGE.", USAGE
        )
    quiet = form is Form.JSON
    made = building.build(open_workspace(directory), asked, (lambda _line: None) if quiet else note)
    if quiet:
        emit_json(builds.as_json(made))
    else:
        emit(builds.text(made))
    return 0 if made.passed else DENIED


def _labels(given: list[str]) -> dict[str, str]:
    from trueup.workspace.opening import WorkspaceError

    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise WorkspaceError(f"{text!r} is no label: write --label NAME=VALUE.", USAGE)
        found[name] = value
    return found
