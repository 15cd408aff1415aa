"""What Pulumi's preview says of the touched stacks, as text and JSON. Sees values only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trueup.apply.outcome import PropertyDiff, StackPreview
from trueup.views.words import worded

_SAME = ("same", "read", "refresh")


def text(previews: Iterable[StackPreview]) -> str:
    """One paragraph a stack."""
    return "\n".join(_lines(previews)) + "\n"


def _lines(previews: Iterable[StackPreview]) -> Iterator[str]:
    yield "Asked of the providers (Pulumi preview)"
    for preview in previews:
        changed = [s for s in preview.steps if s.action not in _SAME]
        if preview.skipped:
            yield f"  {preview.stack}: NOT ASKED, {preview.skipped}"
            continue
        yield f"  {preview.stack}: " + (f"{len(changed)} to change" if preview.ok else "FAILED")
        yield from (f"    {line}" for line in preview.error.splitlines())
        for step in changed:
            why = f"  (replaced for {', '.join(step.replace_keys)})" if step.replace_keys else ""
            yield f"    {step.action} {step.address.type} {step.address.name}{why}"
            yield from (f"        {_diff(d)}" for d in step.diffs)


def _diff(diff: PropertyDiff) -> str:
    sides = {"add": worded(diff.new), "delete": f"{worded(diff.old)} is removed"}
    return f"{diff.path}: " + sides.get(diff.kind, f"{worded(diff.old)} → {worded(diff.new)}")


def as_json(previews: Iterable[StackPreview]) -> list[dict[str, Any]]:
    """The preview for machines."""
    return [
        {
            "stack": str(p.stack),
            "ok": p.ok,
            "error": p.error,
            **({"skipped": p.skipped} if p.skipped else {}),
            "steps": [
                {
                    "resource": str(s.address),
                    "action": s.action,
                    "replaceKeys": list(s.replace_keys),
                    "paths": [d.path for d in s.diffs],
                }
                for s in p.steps
            ],
        }
        for p in previews
    ]
