"""Which workspace and which tree a command works on. Used by the commands; prints nothing but a note about a pinned environment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trueup.exits import NOTHING_SELECTED
from trueup.load import trees, workspaces
from trueup.load.trees import Tree, WorkingTree
from trueup.plan.recorded import Recorded
from trueup.resolve.catalog import Catalog
from trueup.validate.validation import validate
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import InvalidSpecs, by_key, catalog_of, validated
from trueup_specs.core.diagnostics import failed, nearest


def tree_of(workspace: Workspace, revision: str = "") -> Tree:
    """The working tree, or a revision of it. Raises WorkspaceError where Git has no such revision."""
    if not revision:
        return WorkingTree(workspace.repository, workspace.prefix)
    found = trees.revision(workspace.repository, revision, workspace.prefix)
    if found is None:
        raise WorkspaceError(
            f"Git has no revision {revision!r} here that holds the workspace. A shallow clone may lack it: "
            "fetch it with `git fetch --unshallow`.",
            NOTHING_SELECTED,
        )
    return found


def desired_tree(workspace: Workspace, environment: str, revision: str = "") -> tuple[Tree, str]:
    """What an environment should be: the revision asked for, else what a rollback pinned, else the working tree.

    The second value says so where it is a pin.
    """
    if revision:
        return tree_of(workspace, revision), ""
    pinned = workspace.ledger.recorded(namespaces=frozenset()).pins.get(environment)
    if pinned is None:
        return tree_of(workspace), ""
    note = f"{environment} is pinned at {pinned[:10]} by a rollback; `trueup rollback {environment} --lift` goes back to the specs."
    return tree_of(workspace, pinned), note


def merged_tree(workspace: Workspace, base: str, head: str) -> tuple[Tree, Tree]:
    """The in-memory merge of `head` into `base`, and the base, whose rules hold. Raises InvalidSpecs with the conflicts."""
    merged = trees.merged(workspace.repository, base, head, workspace.prefix)
    if failed(merged.diagnostics):
        raise InvalidSpecs(tuple(merged.diagnostics))
    if merged.tree is None:
        missing = [r for r in (base, head) if trees.revision(workspace.repository, r, workspace.prefix) is None]
        names = " and ".join(map(repr, missing)) or f"common history of {base!r} and {head!r}"
        raise WorkspaceError(
            f"Git has no {names} here that holds the workspace. Fetch it (`git fetch --unshallow origin`), or name the branch to merge "
            "into with --base, such as `--base main`.",
            NOTHING_SELECTED,
        )
    return merged.tree, tree_of(workspace, base)


def opened(workspace: Workspace, environment: str, revision: str = "") -> tuple[Catalog, Recorded]:
    """The catalog of an environment with what is recorded, for commands that only look."""
    tree, _ = desired_tree(workspace, environment, revision)
    recorded = workspace.ledger.recorded()
    return catalog_of(workspace, by_key(validated(tree)), environment), recorded


def known(workspace: Workspace, environment: str) -> Recorded:
    """What is recorded, where the ledger or the specs know the environment. Raises WorkspaceError where neither does."""
    recorded = workspace.ledger.recorded()
    names = {id.environment for id in recorded.stacks}
    if environment not in names:
        names |= set(environment_names(workspace.folder))
        if environment not in names:
            close = nearest(environment, names)
            hint = f" Did you mean {close}?" if close else ""
            listed = ", ".join(sorted(names)) or "none"
            raise WorkspaceError(
                f"There is no environment {environment!r}.{hint} The workspace has: {listed}.", NOTHING_SELECTED
            )
    return recorded


def environment_names(folder: Path) -> Iterable[str]:
    """The environments of the workspace around `folder`; none where there is no workspace."""
    found = workspaces.find(folder)
    repository = workspaces.repository_of(found) if found else None
    if found is None or repository is None:
        return []
    prefix = found.relative_to(repository).as_posix()
    documents = validate(WorkingTree(repository, "" if prefix == "." else prefix)).documents
    return sorted(d.key.name for d in documents if d.key.kind == "Environment")
