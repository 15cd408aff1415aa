"""Steps as diffs: per stack, what happens to each resource and which properties differ. Called by the sections of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from trueup.apply.outcome import PropertyDiff, StackPreview
from trueup.plan.values import ABSENT, Action, Danger, PropertyChange, Step
from trueup.views.comments import risks
from trueup.views.comments.blocks import Block, Fence, Fold
from trueup.views.comments.details import Detail
from trueup.views.comments.escaping import html_code, line_of_fence, steady, visible
from trueup.views.plans import SIGNS, meaningful, step_notes
from trueup.views.words import plural, worded

_FEW = 12
"""Stacks of so few steps are shown open."""
_SAME = ("same", "read", "refresh")
_EVERYTHING = 100_000


def stacks(steps: Iterable[Step], detail: Detail) -> Iterator[Block]:
    """A fold for each stack, that with the most dangerous step first; within it the most dangerous step first."""
    ordered = sorted(steps, key=lambda s: s.address.stack)
    groups = [list(group) for _, group in groupby(ordered, key=lambda s: s.address.stack)]
    few = len(ordered) <= _FEW
    for group in sorted(groups, key=lambda g: -max(s.danger for s in g)):
        title = f"{html_code(str(group[0].address.stack))}: {risks.counts(group)}"
        yield Fold(title, (Fence("diff", tuple(_lines(group, detail))),), open=few)


def _lines(steps: list[Step], detail: Detail) -> Iterator[str]:
    listed = [s for s in steps if detail.metadata or not risks.quiet(s) or s.danger > Danger.UPDATE]
    shown = sorted(listed, key=lambda s: -s.danger)[: detail.rows]
    for step in shown:
        yield from _step(step, detail)
    if hidden := len(steps) - len(listed):
        yield f"  … and {plural(hidden, 'step')} that change nothing but metadata"
    if len(listed) > len(shown):
        yield f"  … and {plural(len(listed) - len(shown), 'more step')}"


def _step(step: Step, detail: Detail) -> Iterator[str]:
    mark = {"+": "+", "-": "-"}.get(SIGNS[step.action], "!")
    notes = step_notes(step)
    reason = f"  ({'; '.join(notes)})" if notes else ""
    name = f"{risks.WORDS[step.action]} {step.address.type} {step.address.name}"
    yield line_of_fence(f"{mark} {name}{reason}")
    changes = _changes(step, detail)
    most = detail.created if _new(step) else detail.dangerous if step.danger > Danger.UPDATE else detail.changes
    for change in changes[:most]:
        yield from _change(change, detail.width)
    if len(changes) > most and not (_new(step) and not most):
        yield f"      … and {plural(len(changes) - most, 'more propertie' if len(changes) - most > 1 else 'more property')}"


def _new(step: Step) -> bool:
    return step.action is Action.CREATE and bool(step.changes) and not step.changes[0].path


def _changes(step: Step, detail: Detail) -> list[PropertyChange]:
    if not _new(step):
        return meaningful(step)
    desired = step.changes[0].desired
    return [PropertyChange(str(k), ABSENT, v) for k, v in sorted(desired.items()) if detail.created and not _digest(k)]


def _digest(name: str) -> bool:
    return name.lower().endswith("fingerprint")


def _change(change: PropertyChange, width: int) -> Iterator[str]:
    old, new = apart(worded(change.recorded, _EVERYTHING), worded(change.desired, _EVERYTHING), width)
    path = visible(change.path)
    if old == new:
        yield line_of_fence(f"!     {path}: {new}", width * 2)
        return
    if change.recorded != ABSENT:
        yield line_of_fence(f"-     {path}: {old}", width * 2)
    if change.desired != ABSENT:
        yield line_of_fence(f"+     {path}: {new}", width * 2)


def apart(old: str, new: str, width: int) -> tuple[str, str]:
    """Both values on at most `width` characters, from a little before where they begin to differ, if that would be cut off."""
    old, new = visible(old), visible(new)
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, same - width // 3) if max(len(old), len(new)) > width and same > width // 2 else 0
    return _window(old, start, width), _window(new, start, width)


def _window(text: str, start: int, width: int) -> str:
    shown = text[start : start + width]
    return steady(f"{'…' if start else ''}{shown}{'…' if start + width < len(text) else ''}")


def previews(found: Iterable[StackPreview]) -> Iterator[Block]:
    """What the providers say of each stack."""
    for preview in found:
        changed = [s for s in preview.steps if s.action not in _SAME]
        said = f"{len(changed)} to change" if preview.ok else "⛔ the preview failed"
        lines = [line_of_fence(f"! {line}") for line in preview.error.splitlines() if line.strip()]
        for step in changed:
            mark = {"create": "+", "delete": "-"}.get(step.action, "!")
            why = f"  (replaced for {', '.join(step.replace_keys)})" if step.replace_keys else ""
            lines.append(line_of_fence(f"{mark} {step.action} {step.address.type} {step.address.name}{why}"))
            lines += [line for diff in step.diffs for line in _diff(diff)]
        yield Fold(f"{html_code(str(preview.stack))}: {said}", (Fence("diff", tuple(lines)),))


def _diff(diff: PropertyDiff) -> Iterator[str]:
    old: Any = ABSENT if diff.kind == "add" else diff.old
    new: Any = ABSENT if diff.kind == "delete" else diff.new
    yield from _change(PropertyChange(diff.path, old, new), 72)
