"""`trueup promote`: pins a model's version for an environment, as an edit of the specs that is committed and reviewed like any other.

What is promoted was accepted, by its gates, in the environment before, and has served there as long as the model asks. The edit is a
version in an Overlay document; nothing else of the files changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trueup.exits import DENIED, INVALID, NOTHING_SELECTED
from trueup.load.trees import Tree, WorkingTree, named
from trueup.plan.recorded import Recorded
from trueup.record import accepted
from trueup.resolve import catalog
from trueup.resolve.catalog import Catalog
from trueup.validate.validation import validate
from trueup.workspace import naming, overlays, serving
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key, catalog_of, validated
from trueup_specs.core.diagnostics import failed
from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.references import Key
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.overlay.spec import OverlaySpec


@dataclass(frozen=True, slots=True)
class Promoted:
    """What was pinned."""

    file: str
    """Relative to the repository."""
    model: str
    version: int
    environment: str


@dataclass(frozen=True)
class Choice:
    """A version that goes on to an environment, and the edit that says so."""

    model: Document
    source: str
    """The environment before it on the path."""
    target: str
    version: int
    file: str
    """Relative to the workspace."""
    text: str
    """What the file holds then."""
    live: tuple[str, ...] = ()
    """The live checks that it meets, one sentence each."""

    def promoted(self, workspace: Workspace) -> Promoted:
        """What is said of it."""
        return Promoted(named(workspace.prefix, self.file), str(self.model.key), self.version, self.target)


def promote(workspace: Workspace, model: str, to: str = "", version: int | None = None) -> Promoted:
    """Pins the version of a model for an environment; by default the one accepted before it, for the next of the path.

    Raises WorkspaceError where there is nothing to promote, the version was never accepted before, has not soaked, or misses a live
    check.
    """
    tree = WorkingTree(workspace.repository, workspace.prefix)
    choice = choose(workspace, tree, model, to, version)
    path = workspace.folder / choice.file
    old = path.read_bytes() if path.exists() else None
    if old == choice.text.encode("utf-8"):
        raise WorkspaceError(
            f"{choice.file} pins version {choice.version} of {choice.model.key} for {choice.target} already, so nothing was changed.",
            NOTHING_SELECTED,
        )
    if old is not None and choice.file not in tree.entries():
        raise WorkspaceError(f"There is a file {choice.file} that Git ignores. Move it away first.", INVALID)
    path.write_text(choice.text, encoding="utf-8")
    problem = problem_with(workspace, WorkingTree(workspace.repository, workspace.prefix), choice)
    if problem:
        _put_back(path, old)
        raise WorkspaceError(problem, INVALID)
    return choice.promoted(workspace)


def choose(workspace: Workspace, tree: Tree, model: str, to: str = "", version: int | None = None) -> Choice:
    """Which version goes where, and the edit of a tree's files that says so; nothing is written. Raises WorkspaceError."""
    documents = by_key(validated(tree))
    document = documents[naming.model_in(documents, model)]
    recorded = workspace.ledger.recorded()
    spec = document.spec
    assert isinstance(spec, ModelSpec)
    if len(spec.promotion.path) < 2:
        raise WorkspaceError(
            f"{document.key} has no `promotion.path` of several environments.",
            NOTHING_SELECTED,
        )
    target = to or _next(document.key, spec, recorded)
    before = _before(document.key, spec, target)
    chosen = _version(workspace, document.key, before, version, recorded)
    _soaked(workspace, document.key, spec, before)
    live = _live(workspace, catalog_of(workspace, documents, before), document.key, chosen, recorded)
    file, text = _edit(workspace, tree, documents, document, target, chosen)
    return Choice(document, before, target, chosen, file, text, live)


def _next(key: Key, spec: ModelSpec, recorded: Recorded) -> str:
    """The first environment of the path that does not have what the one before it has."""
    path = spec.promotion.path
    if accepted.in_use(recorded, path[0], key) is None:
        raise WorkspaceError(_unused(key, path[0]), NOTHING_SELECTED)
    for before, after in itertools.pairwise(path):
        version = accepted.in_use(recorded, before, key)
        if version is not None and version != accepted.in_use(recorded, after, key):
            return after
    raise WorkspaceError(
        f"{key} is the same version all along {' → '.join(path)}, as far as it was applied.",
        NOTHING_SELECTED,
    )


def _before(key: Key, spec: ModelSpec, target: str) -> str:
    path = spec.promotion.path
    if target not in path[1:]:
        raise WorkspaceError(
            f"{key} is promoted along {' → '.join(path)}; {target!r} is none of {', '.join(path[1:])}.",
            NOTHING_SELECTED,
        )
    return path[path.index(target) - 1]


def _version(workspace: Workspace, key: Key, before: str, asked: int | None, recorded: Recorded) -> int:
    found = asked if asked is not None else accepted.in_use(recorded, before, key)
    if found is None:
        raise WorkspaceError(_unused(key, before), NOTHING_SELECTED)
    if asked is not None and asked != accepted.in_use(recorded, before, key):
        known = accepted.ever(workspace.ledger, before, key)
        if asked not in known:
            listed = ", ".join(map(str, sorted(known))) or "none"
            raise WorkspaceError(
                f"Version {asked} of {key} was never in use in {before}. These were: {listed}.",
                DENIED,
            )
    return found


def _unused(key: Key, environment: str) -> str:
    return f"No version of {key} is in use in {environment}. Apply it there first: trueup apply {environment}."


def _soaked(workspace: Workspace, key: Key, spec: ModelSpec, before: str) -> None:
    if spec.promotion.soak is None:
        return
    served = accepted.served(workspace.ledger, before, key)
    if served < seconds(spec.promotion.soak):
        raise WorkspaceError(
            f"{key} has been as it is in {before} for {served / 60:.0f} min; `promotion.soak` is {spec.promotion.soak}.",
            DENIED,
        )


def _live(workspace: Workspace, before: Catalog, key: Key, version: int, recorded: Recorded) -> tuple[str, ...]:
    """The live checks that a version meets in the environment before. Raises WorkspaceError where it misses one."""
    judged = serving.judged(workspace, before, before.documents[key], version, recorded)
    if missed := [j.text for j in judged if not j.holds]:
        raise WorkspaceError(
            f"Version {version} of {key} does not go on from {before.environment}, by what it has answered there: {' '.join(missed)}",
            DENIED,
        )
    return tuple(j.text for j in judged)


def _edit(
    workspace: Workspace, tree: Tree, documents: Mapping[Key, Document], model: Document, target: str, version: int
) -> tuple[str, str]:
    """The file within the workspace that pins the version, and what it holds then."""
    found = _overlay(documents, model.key, target)
    if found is None:
        name = _free(workspace, tree, model, target)
        why = "Written by `trueup promote`: the version that the environment uses."
        plain = name.rpartition("/")[2].removesuffix(".yaml")
        return name, overlays.fresh(model, plain, target, {"version": version}, why)
    name = found.source.file.removeprefix(f"{workspace.prefix}/") if workspace.prefix else found.source.file
    return name, overlays.pinned(tree.read([name])[name].decode("utf-8"), found.source.index, version)


def _overlay(documents: Mapping[Key, Document], key: Key, target: str) -> Document | None:
    """The overlay to change: of this model in this environment alone; one that pins a version already comes first."""
    found = []
    for overlay in catalog.overlays(documents, target).get(key, ()):
        assert isinstance(overlay.spec, OverlaySpec)
        if tuple(overlay.spec.environments) == (target,):
            found.append(overlay)
    pinning = [o for o in found if isinstance(o.spec, OverlaySpec) and "version" in o.spec.patch]
    return next(iter([*reversed(pinning), *found]), None)


def _free(workspace: Workspace, tree: Tree, model: Document, target: str) -> str:
    """A file beside the model's that is not there yet; the overlay is called like it."""
    file = model.source.file.removeprefix(f"{workspace.prefix}/") if workspace.prefix else model.source.file
    folder = file.rpartition("/")[0]
    base = f"{model.key.name}-version-{target}"[:60].rstrip("-")
    for name in (base, *(f"{base}-{n}" for n in range(2, 10))):
        path = f"{folder}/{name}.yaml" if folder else f"{name}.yaml"
        if path not in tree.entries():
            return path
    raise WorkspaceError(
        f"There are files {base}.yaml to {base}-9.yaml already. Remove those that are not needed.", INVALID
    )


def problem_with(workspace: Workspace, tree: Tree, choice: Choice) -> str:
    """What is wrong with a tree in which the choice is written; empty where the version is what was asked for."""
    problem = _problem(workspace, tree, choice.model.key, choice.target, choice.version)
    if not problem:
        return ""
    return f"{choice.file} cannot pin version {choice.version} of {choice.model.key} for {choice.target}: {problem}"


def _problem(workspace: Workspace, tree: Tree, key: Key, target: str, version: int) -> str:
    found = validate(tree)
    if failed(found.diagnostics):
        return next(f"{d.location}: {d.summary}" for d in found.diagnostics if d.severity == "error")
    document = catalog_of(workspace, by_key(found), target).get(key)
    if document is None:
        return f"{key} does not exist in {target} (metadata.environments)."
    assert isinstance(document.spec, ModelSpec)
    return (
        ""
        if document.spec.version == version
        else f"another overlay sets version {document.spec.version} after it. Change that one."
    )


def _put_back(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink()
    else:
        path.write_bytes(old)
