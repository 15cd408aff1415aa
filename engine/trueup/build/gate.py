"""The vulnerability gate: whether what advisories say of an image's inventory lets it be published. Called by `workspace/building.py`.

An exception is a decision of somebody, so it has a reason and an end, and the report shows it. After its day it counts no longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from trueup.build import advisories
from trueup.build.advisories import LEVELS, Hit
from trueup.build.errors import BuildError
from trueup.build.inventory import Part
from trueup.build.locks import normal

FORM = "a YAML list of {id: CVE-…, package: NAME (by default any), reason: WHY, expires: YYYY-MM-DD}"


@dataclass(frozen=True, slots=True)
class Excepted:
    """Somebody's decision that an advisory does not count, until a day."""

    id: str
    reason: str
    expires: date
    package: str = ""

    def covers(self, hit: Hit) -> bool:
        """Whether it is about a hit."""
        named = self.package in ("", hit.part.name, hit.part.shown) or normal(self.package) == hit.part.name
        return named and self.id in (hit.id, *hit.aliases)


@dataclass(frozen=True, slots=True)
class Judged:
    """A hit, whether it stands against the image, and why it does not where it would."""

    hit: Hit
    refused: bool
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the gate says."""

    fail_on: str
    judged: tuple[Judged, ...]
    parts: int
    uncovered: tuple[tuple[str, int], ...]
    """Ecosystems of which no advisory was given, with how many parts are of them: nothing is known of those."""
    read: int
    newest: str

    @property
    def passed(self) -> bool:
        """Whether the image may be published."""
        return not any(j.refused for j in self.judged)


def judge(inventory: Iterable[Part], place: Path, fail_on: str, excepted: Iterable[Excepted], today: date) -> Verdict:
    """Judges an inventory. Raises BuildError for advisories or a level that cannot be used."""
    if fail_on not in LEVELS[1:]:
        raise BuildError(f"{fail_on!r} is no severity: --fail-on takes {', '.join(LEVELS[1:])}.")
    parts = list(inventory)
    found = advisories.search(place, parts)
    listed = list(excepted)
    judged = tuple(_judged(hit, fail_on, listed, today) for hit in found.hits)
    counted = Counter(p.ecosystem for p in parts)
    uncovered = tuple(
        (e or "a distribution that OSV does not know", n)
        for e, n in sorted(counted.items())
        if e not in found.ecosystems
    )
    return Verdict(fail_on, judged, len(parts), uncovered, found.read, found.newest)


def _judged(hit: Hit, fail_on: str, excepted: list[Excepted], today: date) -> Judged:
    if advisories.rank(hit.severity) < LEVELS.index(fail_on):
        return Judged(hit, False)
    about = sorted((e for e in excepted if e.covers(hit)), key=lambda e: e.expires, reverse=True)
    if not about:
        return Judged(hit, True)
    latest = about[0]
    if latest.expires < today:
        return Judged(hit, True, f"the exception ({latest.reason}) ended on {latest.expires}")
    return Judged(hit, False, f"excepted until {latest.expires}: {latest.reason}")


def exceptions(path: Path) -> tuple[Excepted, ...]:
    """The exceptions in a YAML file. Raises BuildError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise BuildError(f"The exceptions in {path} cannot be read: {error}") from None
    if not isinstance(found, list):
        raise BuildError(f"The exceptions in {path} are not {FORM}.")
    return tuple(_exception(entry, path, number) for number, entry in enumerate(found, 1))


def _exception(entry: Any, path: Path, number: int) -> Excepted:
    known = entry if isinstance(entry, Mapping) else {}
    expires = known.get("expires")
    if isinstance(expires, str):
        try:
            expires = date.fromisoformat(expires)
        except ValueError:
            expires = None
    reason, name = known.get("reason"), known.get("id")
    if not isinstance(name, str) or not isinstance(reason, str) or not reason.strip() or type(expires) is not date:
        raise BuildError(
            f"Exception {number} in {path} lacks its id, its reason or the day on which it ends: an exception is a decision that somebody "
            f"answers for, for a time. The file is {FORM}."
        )
    return Excepted(name, reason.strip(), expires, str(known.get("package") or ""))
