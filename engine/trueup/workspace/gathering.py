"""What goes into an image: the commit, the document, its lock file, and the code of its steps or the files of its model's version.

Called by `building`. What counts is what a commit holds, never what lies in the working tree, unless that is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from trueup import tracking
from trueup.build import locks, recipes
from trueup.build.assembly import Recipe
from trueup.build.locks import Lock
from trueup.exits import NOTHING_SELECTED, USAGE
from trueup.load import git, trees
from trueup.load.trees import Revision, WorkingTree
from trueup.observe.facts import facts
from trueup.record import accepted
from trueup.resolve.catalog import Catalog
from trueup.workspace import naming
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key, catalog_of, validated
from trueup_specs.core.envelope import Document
from trueup_specs.core.steps import BUILTIN
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_stacks.local.model import promoted_version, trained_here
from trueup_stacks.local.naming import registered_name, tracking_uri

_BUILT = ("Model", "Pipeline")


@dataclass(frozen=True)
class Asked:
    """What is to be built, from what, and where it goes."""

    environment: str
    document: str
    base: str
    platform: str = "linux/amd64"
    lock: str = ""
    model_version: int | None = None
    revision: str = ""
    allow_dirty: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None
    push: str = ""
    key: Path | None = None
    advisories: Path | None = None
    fail_on: str = ""
    exceptions: Path | None = None


@dataclass(frozen=True)
class Source:
    """Where the specs, the lock file and the code come from."""

    tree: Revision | WorkingTree
    commit: str
    dirty: bool
    created: int


@dataclass(frozen=True)
class Gathered:
    """All of it. The recipe's files may lie in the folder that was given for them."""

    source: Source
    document: Document
    lock: Lock
    recipe: Recipe


def gather(workspace: Workspace, asked: Asked, scratch: Path) -> Gathered:
    """Reads everything; large files go to `scratch`. Raises WorkspaceError, InvalidSpecs and BuildError."""
    source = _source(workspace, asked)
    catalog = _catalog(workspace, source, asked.environment)
    document = _document(catalog, asked)
    lock = _lock(source, document, catalog, asked)
    recipe = _recipe(workspace, catalog, document, source, asked, scratch)
    _holds(lock, recipe)
    return Gathered(source, document, lock, recipe)


def _source(workspace: Workspace, asked: Asked) -> Source:
    working = WorkingTree(workspace.repository, workspace.prefix)
    if not asked.revision and working.dirty and not asked.allow_dirty:
        raise WorkspaceError(
            "The working tree differs from its commit, so nobody else could build the same image. Commit the changes, name a commit with "
            "--revision, or add --allow-dirty for a try that is never pushed to others."
        )
    dirty = asked.allow_dirty and not asked.revision and working.dirty
    rev = asked.revision or "HEAD"
    tree = trees.revision(workspace.repository, rev, workspace.prefix)
    if tree is None:
        raise WorkspaceError(
            f"Git has no revision {rev!r} here that holds the workspace: commit it first, or fetch it with `git fetch --unshallow`.",
            NOTHING_SELECTED,
        )
    written = (
        os.environ.get("SOURCE_DATE_EPOCH")
        or git.run(workspace.repository, "show", "--no-patch", "--format=%ct", tree.commit).decode()
    )
    try:
        created = int(written)
    except ValueError:
        raise WorkspaceError(
            f"SOURCE_DATE_EPOCH is {written!r}: it has to be a number of seconds since 1970.", USAGE
        ) from None
    return Source(working if dirty else tree, tree.commit, dirty, created)


def _catalog(workspace: Workspace, source: Source, environment: str) -> Catalog:
    catalog = catalog_of(workspace, by_key(validated(source.tree)), environment)
    recorded = workspace.ledger.recorded()
    served = partial(accepted.served, workspace.ledger)
    return catalog.with_facts(facts(catalog.documents, source.tree, recorded, environment, served=served))


def _document(catalog: Catalog, asked: Asked) -> Document:
    if asked.document.count("/") not in (1, 2):
        raise WorkspaceError(f"{asked.document!r} names no document: write Model/NAME or Pipeline/NAME.", USAGE)
    key = naming.chosen(asked.document, catalog.documents)
    if key.kind not in _BUILT:
        raise WorkspaceError(
            f"An image is built of a Model (its server) or of a Pipeline (its steps), not of {key}.",
            USAGE,
        )
    return catalog.documents[key]


def _pipeline(document: Document, catalog: Catalog) -> Document | None:
    if isinstance(document.spec, PipelineSpec):
        return document
    assert isinstance(document.spec, ModelSpec)
    return catalog.bound(document, "Pipeline", document.spec.pipeline) if document.spec.pipeline else None


def _lock(source: Source, document: Document, catalog: Catalog, asked: Asked) -> Lock:
    pipeline = _pipeline(document, catalog)
    path = asked.lock or getattr(pipeline and pipeline.spec, "lockfile", None)
    if not path:
        where = f"`lockfile` of {pipeline.key}" if pipeline else "--lock"
        raise WorkspaceError(
            f"{document.key} has no lock file, so its image would hold other packages every day. "
            f"{locks.HOW.format(name='requirements.txt')} Commit it, and name it in {where}, or with --lock."
        )
    clean = str(PurePosixPath(path))
    found = source.tree.read([clean])
    if clean not in found:
        raise WorkspaceError(
            f"The lock file {path} is not in the commit {source.commit[:10]}: its path is relative to the workspace's folder. Commit it."
        )
    folder = str(PurePosixPath(clean).parent)
    beside = str(PurePosixPath(folder) / "pyproject.toml")
    near = {PurePosixPath(p).name: data for p, data in source.tree.read([beside]).items()}
    return locks.read(clean, found[clean], near)


def _recipe(
    workspace: Workspace, catalog: Catalog, document: Document, source: Source, asked: Asked, scratch: Path
) -> Recipe:
    name = document.key.name
    if isinstance(document.spec, PipelineSpec):
        builtin = any(step.uses in BUILTIN for step in document.spec.steps)
        return recipes.steps(name, _code(source, document.spec), builtin)
    version = _version(workspace, catalog, document, asked)
    registered = registered_name(document, catalog)
    folder = _downloaded(workspace, catalog, document, registered, version, scratch)
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return recipes.server(name, registered, version, files)


def _code(source: Source, spec: PipelineSpec) -> Mapping[str, tuple[str, bytes]]:
    """The code's tree, as Git has it."""
    if not spec.code:
        return {}
    entries = source.tree.under(spec.code)
    if not entries:
        raise WorkspaceError(f"The pipeline's code {spec.code} is not in the commit {source.commit[:10]}. Commit it.")
    contents = source.tree.read_under(spec.code)
    return {path or PurePosixPath(spec.code).name: (entries[path].mode, data) for path, data in contents.items()}


def _version(workspace: Workspace, catalog: Catalog, document: Document, asked: Asked) -> int:
    if asked.model_version is not None:
        return asked.model_version
    if trained_here(document, catalog.environment):
        found = accepted.in_use(workspace.ledger.recorded(), catalog.environment, document.key)
    else:
        found = promoted_version(document, catalog)
    if found is None:
        raise WorkspaceError(
            f"{document.key} has no version in {catalog.environment}: `trueup apply {catalog.environment}` trains or promotes one. "
            "Or name one of the registry with --model-version.",
            NOTHING_SELECTED,
        )
    return found


def _downloaded(
    workspace: Workspace, catalog: Catalog, document: Document, registered: str, version: int, scratch: Path
) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    uri = tracking_uri(catalog)
    try:
        place = tracking.client(workspace.home, uri).get_model_version_download_uri(registered, str(version))
        resolved = tracking.tracking_uri(workspace.home, uri)
        return Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=place, dst_path=str(scratch / "model"), tracking_uri=resolved
            )
        )
    except MlflowException as error:
        if not tracking.missing(error):
            raise WorkspaceError(
                f"The registry {uri} does not give version {version} of {registered}: {error}."
            ) from None
        raise WorkspaceError(
            f"The registry {uri} has no version {version} of {registered}. See `trueup status {catalog.environment}` for those in use.",
            NOTHING_SELECTED,
        ) from None


def _holds(lock: Lock, recipe: Recipe) -> None:
    """Whether the lock file has what the image's command imports."""
    if absent := [name for name in recipe.needs if name not in lock.names]:
        whose, extra = ("model server needs", "server") if recipe.kind == "Model" else ("built-in steps need", "steps")
        raise WorkspaceError(
            f"The lock file {lock.path} lacks {', '.join(absent)}, which the {whose}: lock `trueup[{extra}]` with your packages, and name "
            "that file with --lock."
        )
