"""Preparing and showing plans, for the commands of the loop and of CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trueup.apply.outcome import StackPreview
from trueup.cli.failures import read_line
from trueup.cli.selection import desired_tree, merged_tree
from trueup.cli.terminal import emit, emit_json, note
from trueup.plan import saved
from trueup.views import plans, previews
from trueup.views.diagnostics import render
from trueup.workspace.narrowing import prepare_narrowly
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared, prepare


def prepare_for(
    workspace: Workspace, environment: str, revision: str, base: str, live: bool, whole: bool = False
) -> Prepared:
    """The plan of an environment: of its tree, or of the merge of `revision` into `base`.

    Catalog and compilation hold everything only where `whole` or `live` asks for it.
    """
    rules = None
    if base:
        tree, rules = merged_tree(workspace, base, revision or "HEAD")
    else:
        tree, pinned = desired_tree(workspace, environment, revision)
        if pinned:
            note(pinned)
    if live:
        from trueup.record.events import LedgerError
        from trueup.workspace import surveying
        from trueup.workspace.operating import sight

        see = lambda catalog, recorded: sight(workspace, catalog, recorded)  # noqa: E731 — what `prepare` calls
        found = prepare(workspace, environment, tree, rules=rules, see=see)
        try:
            surveying.record(workspace, environment, found.recorded, found.looked)
        except LedgerError as error:
            note(f"What the cluster has is not recorded, so that plans without --live do not know it: {error}")
        return found
    if whole:
        return prepare(workspace, environment, tree, rules=rules)
    return prepare_narrowly(workspace, environment, tree, rules=rules)


def preview(workspace: Workspace, prepared: Prepared, refresh: bool = False) -> Sequence[StackPreview]:
    """What Pulumi and the providers say of the touched stacks, or of all as they really are. Changes nothing; runs provider code with its
    credentials."""
    from trueup.workspace.previewing import preview as ask

    return ask(workspace, prepared, lambda _event: None, refresh)


def as_json(prepared: Prepared, preview: Sequence[StackPreview] = ()) -> dict[str, Any]:
    """A plan with what stands against it, for machines."""
    value: dict[str, Any] = json.loads(saved.dump(prepared.plan))
    value["diagnostics"] = json.loads(render(prepared.diagnostics, "json", read_line))
    if preview:
        value["preview"] = previews.as_json(preview)
    return value


def show(prepared: Prepared, form: str, detailed: bool, preview: Sequence[StackPreview] = ()) -> None:
    """Prints a plan with what stands against it."""
    if prepared.diagnostics and form != "json":
        note(render(prepared.diagnostics, "text", read_line))
    match form:
        case "json":
            emit_json(as_json(prepared, preview))
        case "markdown":
            from trueup.views import markdown

            emit(markdown.comment(prepared.plan, prepared.diagnostics))
        case _:
            emit(plans.text(prepared.plan, detailed=detailed))
            if preview:
                emit(previews.text(preview))
