"""The lineage of what a plan touches, drawn by the forge: bounded, with what changed marked. Called by the sections of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from trueup.plan.values import Category
from trueup.views.comments.blocks import Fence
from trueup.views.comments.values import EnvironmentPlan
from trueup.views.graphs import flowchart
from trueup_specs.core.references import Key

_EDGES_PER_NODE = 3


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
    found: dict[Key, str] = {}
    for change in environment.plan.changes:
        described = change.change == "changed" and change.category is Category.METADATA
        found[Key.parse(change.key)] = {"added": "added", "removed": "removed"}.get(
            change.change, "described" if described else "changed"
        )
    for text in environment.plan.evidence.downstream:
        found.setdefault(Key.parse(text), "reached")
    for step in environment.plan.steps:
        found.setdefault(Key.parse(step.origin), "changed" if step.direct else "reached")
    return found


def _wanted(environment: EnvironmentPlan, marks: dict[Key, str]) -> Iterator[Key]:
    order = ("removed", "changed", "added", "reached", "described")
    yield from sorted(marks, key=lambda k: (order.index(marks[k]), k))
    sources = {used for used, user in environment.edges if marks.get(user, "reached") not in ("reached", "removed")}
    yield from sorted(sources - marks.keys())
