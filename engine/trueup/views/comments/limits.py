"""How long a body may be, and in which unit a forge counts. Values and one measure; used by whatever fits text into a comment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a forge counts."""

    CHARACTERS = "characters"
    """Unicode code points."""
    UTF8 = "bytes"
    """Bytes of UTF-8."""
    UTF16 = "utf-16"
    """UTF-16 code units, as JavaScript and Java count."""


def measure(text: str, unit: Unit) -> int:
    """The length of a text in a unit. It adds up: `measure(a + b) == measure(a) + measure(b)`."""
    if text.isascii() or unit is Unit.CHARACTERS:
        return len(text)
    if unit is Unit.UTF8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(c > "\uffff" for c in text)


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest body that a forge takes."""

    size: int
    unit: Unit = Unit.CHARACTERS

    def fits(self, text: str) -> bool:
        """Whether the forge takes a body of this text."""
        return measure(text, self.unit) <= self.size


SMALLEST = 16_000
"""Below this a summary of long names in many-byte letters might not fit; no forge is near it."""

UNLIMITED = Limit(2**40)
GITHUB = Limit(65_536)
GITLAB = Limit(1_000_000)
GITEA = Limit(65_535, Unit.UTF8)
"""Gitea itself has no limit; this is what the narrowest column type of its databases holds."""
BITBUCKET = Limit(32_768)
JOB_SUMMARY = Limit(1_048_576, Unit.UTF8)
"""GitHub's for the summary of one step of a job."""
CHECK = Limit(65_535, Unit.UTF8)
"""GitHub's for the summary of a check."""
DESCRIPTION = GITHUB
"""The body of a pull request: as long as a comment."""

BY_FORGE = {"github": GITHUB, "gitlab": GITLAB, "gitea": GITEA, "bitbucket": BITBUCKET}
"""By `Forge.name`."""
