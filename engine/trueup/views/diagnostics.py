"""Diagnostics as text for people, JSON, SARIF 2.1.0 for code scanning, and annotations of GitHub's jobs. Sees values only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal
from urllib.parse import quote

from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location

Form = Literal["text", "json", "sarif", "github"]
ReadLine = Callable[[str, int], str | None]
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_WIDEST = 160


def render(diagnostics: Iterable[Diagnostic], form: Form, read_line: ReadLine = lambda _file, _line: None) -> str:
    """All diagnostics in one of the forms; `read_line` gives a line of a file of the repository, or None."""
    found = list(diagnostics)
    match form:
        case "json":
            return json.dumps([_json(d) for d in found], indent=2, ensure_ascii=False) + "\n"
        case "sarif":
            return json.dumps(_sarif(found), indent=2, ensure_ascii=False) + "\n"
        case "github":
            return "".join(f"{_annotation(d)}\n" for d in found)
    return "\n".join(line for d in found for line in _text(d, read_line)) + ("\n" if found else "")


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; `no problems` where there are none."""
    found = list(diagnostics)
    parts = []
    for severity in Severity:
        number = sum(d.severity is severity for d in found)
        if number:
            parts.append(f"{number} {severity.value}{'s' if number != 1 else ''}")
    return ", ".join(parts) or "no problems"


def _text(diagnostic: Diagnostic, read_line: ReadLine) -> Iterator[str]:
    yield f"{diagnostic.location}: {diagnostic.severity.value} {diagnostic.code}: {diagnostic.summary}"
    yield from _excerpt(diagnostic.location, read_line)
    if diagnostic.detail:
        yield f"    why: {diagnostic.detail}"
    if diagnostic.fix:
        yield f"    fix: {diagnostic.fix}"
    for related in diagnostic.related:
        yield f"    {related.location}: {related.message}"


def _excerpt(location: Location, read_line: ReadLine) -> Iterator[str]:
    source = read_line(location.file, location.line) if location.line else None
    if source is None or not source.strip():
        return
    shown = "".join(c if c.isprintable() else " " for c in source.rstrip())
    cut = max(0, location.column - _WIDEST // 2) if len(shown) > _WIDEST else 0
    shown = shown[cut : cut + _WIDEST]
    yield f"    {location.line} | {shown}"
    if 0 < location.column - cut <= len(shown) + 1:
        yield f"    {' ' * len(str(location.line))} | {' ' * (location.column - cut - 1)}^"


def _json(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "fix": diagnostic.fix,
        **_place(diagnostic.location),
        "related": [{"message": r.message, **_place(r.location)} for r in diagnostic.related],
    }


def _place(location: Location) -> dict[str, Any]:
    return {"file": location.file, "line": location.line, "column": location.column}


def _sarif(diagnostics: list[Diagnostic]) -> dict[str, Any]:
    codes = sorted({d.code for d in diagnostics})
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
    results = [
        {
            "ruleId": d.code,
            "ruleIndex": codes.index(d.code),
            "level": levels[d.severity],
            "message": {"text": f"{d.summary} {d.fix}".strip()},
            "locations": [_physical(d.location)],
            "relatedLocations": [{**_physical(r.location), "message": {"text": r.message}} for r in d.related],
        }
        for d in diagnostics
    ]
    driver = {
        "name": "Trueup",
        "informationUri": "https://trueup.dev",
        "rules": [
            {"id": c, "shortDescription": {"text": next(d.summary for d in diagnostics if d.code == c)}} for c in codes
        ],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _physical(location: Location) -> dict[str, Any]:
    uri = quote(location.file, safe="/", errors="surrogateescape")
    place: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}
    if location.line:
        place["region"] = {"startLine": location.line, "startColumn": max(location.column, 1)}
    return {"physicalLocation": place}


def _annotation(diagnostic: Diagnostic) -> str:
    """A workflow command, escaped as GitHub's runner reads it."""
    location = diagnostic.location
    where = f"file={_property(location.file)}"
    if location.line:
        where += f",line={location.line},col={max(location.column, 1)}"
    text = f"{diagnostic.summary} {diagnostic.fix}".strip()
    return f"::{_LEVELS[diagnostic.severity]} {where},title={_property(diagnostic.code)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
