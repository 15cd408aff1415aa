"""The lineage of what a plan touches, drawn by the forge: bounded, with what changed marked. Called by the sections of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from trueup.plan.values import Action, Category
from trueup.views.comments.blocks import Fence
from trueup.views.comments.values import EnvironmentPlan
from trueup.views.graphs import flowchart
from trueup_specs.core.references import Key

_EDGES_PER_NODE = 3
_PASSIVE = ("reached", "removed")
"""What these use is not drawn, but for the gates that decide about them."""


def graph(environment: EnvironmentPlan, most: int) -> Fence | None:
    """A Mermaid flowchart of at most `most` documents: the changed ones first, then what they reach, then what they use."""
    marks = marked(environment)
    if not marks or not most or not environment.edges:
        return None
    wanted = list(_wanted(environment, marks))
    chosen = wanted[:most]
    lines = flowchart(
        sorted(edge for edge in environment.edges if edge[0] in chosen and edge[1] in chosen)[: most * _EDGES_PER_NODE],
        {key: marks.get(key, "") for key in chosen},
        hidden=len(wanted) - len(chosen),
    )
    return Fence("mermaid", tuple(lines))


def marked(environment: EnvironmentPlan) -> dict[Key, str]:
    """What each document of the plan is: added, changed, removed, described (its metadata alone changed) or reached."""
    found: dict[str, str] = {}
    for change in environment.plan.changes:
        described = change.change == "changed" and change.category is Category.METADATA
        mark = {"added": "added", "removed": "removed"}.get(change.change, "described" if described else "changed")
        found[change.key] = mark
    for text in environment.plan.evidence.downstream:
        found.setdefault(text, "reached")
    for step in environment.plan.steps:
        gone = step.action in (Action.DELETE, Action.FORGET, Action.GIVE_UP)
        found.setdefault(step.origin, "removed" if gone else "changed" if step.direct else "reached")
    return {Key.parse(text): mark for text, mark in found.items() if text.count("/") in (1, 2)}


def _wanted(environment: EnvironmentPlan, marks: dict[Key, str]) -> Iterator[Key]:
    order = ("removed", "changed", "added", "reached", "described")
    yield from sorted(marks, key=lambda k: (order.index(marks[k]), k))
    sources = {a for a, b in environment.edges if b in marks and (a.kind == "QualityGate" or marks[b] not in _PASSIVE)}
    yield from sorted(sources - marks.keys())
