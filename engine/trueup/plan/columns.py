"""Columns that a model uses and that a plan would take away: an error at plan, before anything is loaded or trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location
from trueup_stacks.core.resources import Resource


def removed_columns(run: Resource, recorded: Mapping[str, Any], file: str) -> Iterator[Diagnostic]:
    """An error for each column that the recorded run used, that its dataset lost, and that the steps do not let go of."""
    now = run.properties.get("datasets", {})
    for reference, before in recorded.get("datasets", {}).items():
        if reference not in now:
            continue
        kept = {c["name"] for c in now[reference]["properties"]}
        used = used_columns(recorded.get("steps", ()), [c["name"] for c in before["properties"]])
        for column in sorted(used - kept):
            if column not in let_go(run.properties["steps"], used):
                yield _diagnostic(run, reference, column, file)


def used_columns(steps: Any, columns: list[str]) -> frozenset[str]:
    """The columns that a pipeline's `train` steps use: the listed features and label, else all but the dropped ones."""
    used: set[str] = set()
    for step in steps:
        if step.get("uses") != "train":
            continue
        given = step.get("with", {})
        if given.get("features"):
            used |= {*given["features"], given.get("label") or ""}
        else:
            used |= set(columns) - set(given.get("drop", ()))
    return frozenset(used & set(columns))


def let_go(steps: Any, used: frozenset[str]) -> frozenset[str]:
    """The columns among `used` that the steps, as they are now, name as dropped or leave out of their features."""
    gone: set[str] = set()
    for step in steps:
        if step.get("uses") == "train":
            given = step.get("with", {})
            gone |= set(given.get("drop", ()))
            if given.get("features"):
                gone |= set(used) - {*given["features"], given.get("label") or ""}
    return frozenset(gone)


def _diagnostic(run: Resource, reference: str, column: str, file: str) -> Diagnostic:
    return Diagnostic(
        "TRU2101",
        Severity.ERROR,
        f"{run.origin} uses the column {column!r} of the Dataset {reference!r}, which no longer has it.",
        Location(file),
        detail="The model in use was trained on it, and its endpoints' callers send it.",
        fix="Keep the column, or let the model do without it: list `features` in the step `train`, "
        f"or apply `drop: [{column}]` there first.",
    )
