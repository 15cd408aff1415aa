"""Where a thing stands in a file. Lines and columns count from one, as editors show them."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way from a document's root to a value: mapping keys and list indices."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file of the workspace.

    `file` is relative to the workspace's repository, with forward slashes; `line` and `column` count from one and
    are 0 where only the file is known.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def dotted(path: Path) -> str:
    """`("spec", "steps", 0, "name")` as people write it: `spec.steps[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
