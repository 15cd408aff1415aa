"""Advisories in the Open Source Vulnerability format (https://ossf.github.io/osv-schema/), from files: no network. Called by `gate`.

OSV's own exports are what this is for: `https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip`, and `Debian/all.zip` for the
base image's packages; a copy of them is all that a machine without internet needs.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.build import versions
from trueup.build.errors import BuildError
from trueup.build.inventory import Part
from trueup.build.locks import normal

LEVELS = ("none", "low", "medium", "high", "critical")
UNKNOWN = "unknown"
_WORDS = {"moderate": "medium", "negligible": "low", "unimportant": "low", "important": "high"}


@dataclass(frozen=True, slots=True)
class Hit:
    """A package that an advisory is about."""

    part: Part
    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: str
    """One of LEVELS, or `unknown`."""
    score: float | None
    fixed: str
    """The first version without it; empty for none."""


@dataclass(frozen=True)
class Found:
    """What advisories say about the parts of an image, and how new they are."""

    hits: tuple[Hit, ...]
    read: int
    """How many there were."""
    newest: str
    """When the newest of them was changed, as it says."""
    ecosystems: frozenset[str] = frozenset()
    """Those that they are about: of others nothing is known."""


def search(place: Path, parts: Iterable[Part]) -> Found:
    """Which parts the advisories in a file, a folder or a zip archive are about. Raises BuildError."""
    wanted: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        wanted.setdefault((part.ecosystem, part.name), []).append(part)
    read, newest = 0, ""
    hits: list[Hit] = []
    about: set[str] = set()
    for name, record in _records(place):
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            raise BuildError(
                f"{name} is no advisory in the OSV format: it has no `id`. See https://ossf.github.io/osv-schema/."
            )
        read += 1
        newest = max(newest, str(record.get("modified") or ""))
        about |= {str((a.get("package") or {}).get("ecosystem")) for a in record.get("affected") or ()}
        if not record.get("withdrawn"):
            hits += _hits(record, wanted)
    if not read:
        raise BuildError(
            f"There is no advisory in {place}: nothing would be found. Name a file, a folder or an archive with OSV's JSON files."
        )
    return Found(_merged(hits), read, newest, frozenset(about))


def _records(place: Path) -> Iterator[tuple[str, Any]]:
    if not place.exists():
        raise BuildError(f"There are no advisories at {place}: the file or folder does not exist.")
    files = sorted(p for p in place.rglob("*") if p.suffix in (".json", ".zip")) if place.is_dir() else [place]
    for path in files:
        try:
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    for name in sorted(n for n in archive.namelist() if n.endswith(".json")):
                        yield f"{path}:{name}", json.loads(archive.read(name))
                continue
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise BuildError(f"The advisories in {path} cannot be read: {error}.") from None
        listed = (
            found if isinstance(found, list) else found.get("vulns", [found]) if isinstance(found, dict) else [found]
        )
        yield from ((str(path), record) for record in listed)


def _hits(record: Mapping[str, Any], wanted: Mapping[tuple[str, str], list[Part]]) -> Iterator[Hit]:
    for affected in record.get("affected") or ():
        package = affected.get("package") or {}
        ecosystem, name = str(package.get("ecosystem")), str(package.get("name"))
        for part in wanted.get((ecosystem, normal(name) if ecosystem == "PyPI" else name), ()):
            if _affects(affected, part):
                severity, score = _severity(record, affected)
                yield Hit(
                    part,
                    record["id"],
                    tuple(sorted({*(record.get("aliases") or ()), *(record.get("upstream") or ())})),
                    str(record.get("summary") or record.get("details") or "").strip().split("\n")[0][:200],
                    severity,
                    score,
                    _fixed(affected, part),
                )


def _affects(affected: Mapping[str, Any], part: Part) -> bool:
    """Whether a version is listed, or lies in a range. A version that cannot be compared counts as affected: nobody knows better."""
    if part.version in (affected.get("versions") or ()):
        return True
    return any(_within(r, part) for r in affected.get("ranges") or () if r.get("type") in ("ECOSYSTEM", "SEMVER"))


def _within(given: Mapping[str, Any], part: Part) -> bool:
    """The evaluation of the OSV schema: the last event at or before the version decides."""
    inside = False
    try:
        for kind, version in _events(given, part.ecosystem):
            before = version != "0" and versions.earlier(part.ecosystem, part.version, version)
            if kind == "introduced" and not before:
                inside = True
            elif (kind == "fixed" and not before) or (
                kind == "last_affected" and versions.earlier(part.ecosystem, version, part.version)
            ):
                inside = False
    except ValueError:
        return True
    return inside


def _events(given: Mapping[str, Any], ecosystem: str) -> list[tuple[str, str]]:
    """Events in the order of their versions."""
    from functools import cmp_to_key

    found = [(k, str(v)) for event in given.get("events") or () for k, v in event.items() if k != "limit"]

    def order(one: tuple[str, str], other: tuple[str, str]) -> int:
        if one[1] == other[1]:
            return 0
        if "0" in (one[1], other[1]):
            return -1 if one[1] == "0" else 1
        return -1 if versions.earlier(ecosystem, one[1], other[1]) else 1

    return sorted(found, key=cmp_to_key(order))


def _fixed(affected: Mapping[str, Any], part: Part) -> str:
    fixes = [
        str(event["fixed"])
        for given in affected.get("ranges") or ()
        if given.get("type") in ("ECOSYSTEM", "SEMVER")
        for event in given.get("events") or ()
        if "fixed" in event
    ]
    try:
        later = [v for v in fixes if versions.earlier(part.ecosystem, part.version, v)]
        found = later[:1]
        for version in later[1:]:
            found = [version] if versions.earlier(part.ecosystem, version, found[0]) else found
    except ValueError:
        found = fixes[:1]
    return found[0] if found else ""


def _severity(record: Mapping[str, Any], affected: Mapping[str, Any]) -> tuple[str, float | None]:
    """By the highest CVSS vector, else by the word of the database that published it."""
    scores = [
        score
        for entry in (*(affected.get("severity") or ()), *(record.get("severity") or ()))
        if (score := _score(str(entry.get("type")), str(entry.get("score")))) is not None
    ]
    if scores:
        return level(max(scores)), max(scores)
    for place in (
        affected.get("database_specific"),
        affected.get("ecosystem_specific"),
        record.get("database_specific"),
    ):
        word = str((place or {}).get("severity") or (place or {}).get("urgency") or "").lower()
        if (named := _WORDS.get(word, word)) in LEVELS:
            return named, None
    return UNKNOWN, None


def _score(kind: str, vector: str) -> float | None:
    from cvss import CVSS2, CVSS3, CVSS4
    from cvss.exceptions import CVSSError

    known: dict[str, Any] = {"CVSS_V2": CVSS2, "CVSS_V3": CVSS3, "CVSS_V4": CVSS4}
    if kind not in known:
        return None
    try:
        return float(known[kind](vector).scores()[0])
    except (CVSSError, ValueError):
        return None


def level(score: float) -> str:
    """The word for a score (CVSS v3.1, section 5)."""
    return (
        "none" if score == 0 else "low" if score < 4 else "medium" if score < 7 else "high" if score < 9 else "critical"
    )


def rank(severity: str) -> int:
    """How grave; what is unknown counts as high, so that nothing passes for want of a number."""
    return LEVELS.index("high" if severity == UNKNOWN else severity)


def _merged(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """One hit where several databases tell of the same: with a number rather than without, the gravest of those."""
    found: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.severity == UNKNOWN, -rank(h.severity), h.id)):
        names = {hit.id, *hit.aliases}
        same = next((n for n, f in enumerate(found) if f.part == hit.part and names & {f.id, *f.aliases}), None)
        if same is None:
            found.append(hit)
        else:
            kept = found[same]
            aliases = tuple(sorted({*kept.aliases, *names} - {kept.id}))
            found[same] = Hit(
                kept.part,
                kept.id,
                aliases,
                kept.summary or hit.summary,
                kept.severity,
                kept.score,
                kept.fixed or hit.fixed,
            )
    return tuple(sorted(found, key=lambda h: (-rank(h.severity), h.part.name, h.id)))
