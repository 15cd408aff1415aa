"""What people call documents, as keys. Called by the commands that take a document's or a model's name."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.exits import NOTHING_SELECTED, USAGE
from trueup.load.trees import WorkingTree
from trueup.validate.validation import validate
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.references import Key


def key_in(workspace: Workspace, text: str, environment: str = "") -> Key:
    """The key that `KIND/NAME` or `KIND/NAMESPACE/NAME` means: of a document that is there, or that is or was recorded.

    Raises WorkspaceError for what is none, and for what could be several.
    """
    if text.count("/") not in (1, 2):
        raise WorkspaceError(
            f"{text!r} names no document: write KIND/NAME or KIND/NAMESPACE/NAME, such as Model/risk.", USAGE
        )
    return chosen(text, {*written(workspace), *recorded(workspace, environment)})


def written(workspace: Workspace) -> set[Key]:
    """The documents of the working tree, also where others of it have errors."""
    tree = WorkingTree(workspace.repository, workspace.prefix)
    return {d.key for d in validate(tree).documents}


def recorded(workspace: Workspace, environment: str = "") -> set[Key]:
    """The documents that the ledger knows: of what is applied, and of every entry."""
    stacks = workspace.ledger.recorded(environment or None).stacks.values()
    found = {r.origin for s in stacks for r in s.resources.values()}
    for entry in workspace.ledger.entries():
        if environment in ("", entry.event.environment):
            found |= {d for d in entry.event.details.get("documents") or () if isinstance(d, str)}
    return {Key.parse(text) for text in found}


def chosen(text: str, known: Iterable[Key]) -> Key:
    """The one key that a text means; the kind in any case. Raises WorkspaceError with what was probably meant."""
    keys = sorted(known)
    kind, _, rest = text.partition("/")
    found = [k for k in keys if k.kind.lower() == kind.lower() and rest in (k.name, f"{k.namespace}/{k.name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise WorkspaceError(
            f"{text!r} could be {' or '.join(map(str, found))}: write the one that you mean.", NOTHING_SELECTED
        )
    close = nearest(text, [f"{k.kind}/{k.name}" for k in keys] + [str(k) for k in keys])
    hint = f" Did you mean {close}?" if close else ""
    raise WorkspaceError(f"There is no {text}, and the ledger knows none.{hint}", NOTHING_SELECTED)


def model_in(known: Iterable[Key], text: str) -> Key:
    """The model that `name` or `namespace/name` means. Raises WorkspaceError."""
    plain = text.removeprefix("Model/")
    return chosen(f"Model/{plain}", [k for k in known if k.kind == "Model"])
