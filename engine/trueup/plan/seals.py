"""The seal of a plan: what an approval covers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trueup.plan.values import ABSENT, SealEntry, Step


def seal(steps: Iterable[Step], project: str) -> tuple[SealEntry, ...]:
    """One entry per changed property of each step that needs an approval; one for the whole where there is no property."""
    return tuple(entry for step in steps if not step.exempt for entry in _entries(step, project))


def _entries(step: Step, project: str) -> Iterator[SealEntry]:
    stack, urn = str(step.address.stack), step.address.urn(project)
    if not step.changes:
        yield SealEntry(stack, urn, step.action, "", ABSENT, ABSENT)
    for change in step.changes:
        yield SealEntry(stack, urn, step.action, change.path, change.recorded, change.desired)
