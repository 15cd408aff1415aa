"""How much of a plan is shown: the levels that a comment goes down, what matters least first, before it is divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Detail:
    """What the sections show at one level. What is deleted or replaced is cut last."""

    nodes: int = 40
    """Documents in the lineage graph; 0 for none."""
    width: int = 240
    """Characters of one value."""
    changes: int = 40
    """Properties of a step that does no harm."""
    dangerous: int = 80
    """Properties of a step that replaces or deletes."""
    created: int = 8
    """Properties of what is new."""
    metadata: bool = True
    """Whether steps that change nothing but metadata are listed, rather than counted."""
    paths: int = 12
    """Paths of a changed spec."""
    preview: bool = True
    rows: int = 1000
    """Rows of a table or items of a list, and steps of a stack."""


def _levels() -> Iterator[Detail]:
    level = Detail()
    yield level
    for cut in (
        {"nodes": 15},
        {"nodes": 0},
        {"width": 72, "created": 3},
        {"changes": 10, "dangerous": 30, "created": 0},
        {"changes": 3, "dangerous": 20},
        {"metadata": False, "paths": 3},
        {"changes": 1, "dangerous": 12, "preview": False},
    ):
        level = replace(level, **cut)  # type: ignore[arg-type]
        yield level


LEVELS = tuple(_levels())
