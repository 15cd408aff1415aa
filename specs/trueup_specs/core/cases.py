"""The cases of a kind: documents as people write them, and what `trueup validate` must say. Read by tests and the documentation.

`cases.yaml` of a kind holds `given` (good documents that the cases refer to), `files` (other files of the tree), and the lists `good`
and `bad` of `{name, text}`; each bad case also has `found`, a list of `CODE LINE:COLUMN` in reading order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "cases.yaml"


@dataclass(frozen=True, slots=True)
class Case:
    """One text of one or more documents, and the findings that it must give."""

    name: str
    text: str
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cases:
    """All cases of a kind. The first good one is the example of its documentation."""

    given: str
    files: frozenset[str]
    good: tuple[Case, ...]
    bad: tuple[Case, ...]


def read(folder: Path) -> Cases:
    """The cases of the kind in `folder`. Raises OSError where there are none."""
    from ruamel.yaml import YAML

    value = YAML(typ="safe", pure=True).load(folder / FILE)
    return Cases(
        value.get("given", ""),
        frozenset(value.get("files", ())),
        tuple(map(_case, value["good"])),
        tuple(map(_case, value["bad"])),
    )


def _case(value: dict[str, Any]) -> Case:
    return Case(value["name"], value["text"], tuple(value.get("found", ())))
