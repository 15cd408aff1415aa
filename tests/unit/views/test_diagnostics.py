"""The four forms of diagnostics: text with the line, JSON, SARIF that code scanning takes, annotations as GitHub's runner reads them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from trueup.views import diagnostics as views
from trueup_specs.core.diagnostics import Diagnostic, Related, Severity
from trueup_specs.core.positions import Location

REGION = {
    "type": "object",
    "required": ["startLine"],
    "properties": {"startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
PHYSICAL = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "message": {"type": "object", "required": ["text"]},
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "additionalProperties": False,
            "properties": {
                "region": REGION,
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "additionalProperties": False,
                    "properties": {
                        "uri": {"type": "string", "pattern": "^[^/\\\\ ][^\\\\ ]*$"},
                        "uriBaseId": {"type": "string"},
                    },
                },
            },
        },
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {"driver": {"type": "object", "required": ["name", "rules"]}},
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "ruleId", "ruleIndex", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "message": {
                                    "type": "object",
                                    "required": ["text"],
                                    "properties": {"text": {"minLength": 1}},
                                },
                                "locations": {"type": "array", "minItems": 1, "items": PHYSICAL},
                                "relatedLocations": {"type": "array", "items": PHYSICAL},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What SARIF 2.1.0 demands of the parts that are used here, from its schema."""

FOUND = (
    Diagnostic(
        "TRU0004",
        Severity.ERROR,
        "The key 'a' stands twice: 100%, here.",
        Location("dir/ä b.yaml", 3, 7),
        detail="Only one can hold.",
        related=(Related(Location("dir/ä b.yaml", 1, 1), "The first one."),),
        fix="Keep one\nof them.",
    ),
    Diagnostic("TRU0301", Severity.WARNING, "Odd.", Location("b,c:d.yaml", 1, 1)),
    Diagnostic("TRU0002", Severity.NOTE, "The file is large.", Location("c.yaml")),
)
LINES = {("dir/ä b.yaml", 3): "日本: \tA  ", ("b,c:d.yaml", 1): "x" * 400}


def read_line(file: str, line: int) -> str | None:
    return LINES.get((file, line))


def test_text_shows_the_line_and_points_into_it() -> None:
    text = views.render(FOUND, "text", read_line)
    lines = text.splitlines()
    assert lines[0] == "dir/ä b.yaml:3:7: error TRU0004: The key 'a' stands twice: 100%, here."
    assert lines[1] == "    3 | 日本:  A"
    assert lines[2].endswith("^")
    assert "    why: Only one can hold." in lines
    assert "    dir/ä b.yaml:1:1: The first one." in lines
    assert max(map(len, lines)) < 200
    assert lines[-1] == "c.yaml: note TRU0002: The file is large."


def test_the_mark_stands_under_the_column() -> None:
    where = Diagnostic("TRU0001", Severity.ERROR, "Wrong.", Location("a.yaml", 1, 4))
    _, line, mark = views.render([where], "text", lambda _f, _l: "a: value").splitlines()
    assert line[mark.index("^")] == "v"


@pytest.mark.parametrize("column", [1, 100, 390])
def test_a_long_line_is_cut_around_the_place(column: int) -> None:
    source = "".join(chr(0x4E00 + i) for i in range(400))
    where = Diagnostic("TRU0001", Severity.ERROR, "Wrong.", Location("a.yaml", 1, column))
    _, line, mark = views.render([where], "text", lambda _f, _l: source).splitlines()
    assert line[mark.index("^")] == source[column - 1]


def test_json_is_whole() -> None:
    first, second, third = json.loads(views.render(FOUND, "json", read_line))
    assert (first["code"], first["severity"], first["file"], first["line"], first["column"]) == (
        "TRU0004",
        "error",
        "dir/ä b.yaml",
        3,
        7,
    )
    assert first["related"] == [{"message": "The first one.", "file": "dir/ä b.yaml", "line": 1, "column": 1}]
    assert second["severity"] == "warning" and third["line"] == 0
    assert json.loads(views.render((), "json")) == []


@pytest.mark.parametrize("found", [FOUND, ()], ids=["some", "none"])
def test_sarif_is_valid(found: tuple[Diagnostic, ...]) -> None:
    value: dict[str, Any] = json.loads(views.render(found, "sarif", read_line))
    jsonschema.Draft202012Validator(SARIF).validate(value)
    (run,) = value["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(found)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_annotations_are_escaped_as_the_runner_reads_them() -> None:
    first, second, third = views.render(FOUND, "github", read_line).splitlines()
    head, _, message = first.removeprefix("::").partition("::")
    assert head == "error file=dir/ä b.yaml,line=3,col=7,title=TRU0004"
    assert message == "The key 'a' stands twice: 100%25, here. Keep one%0Aof them."
    assert second.startswith("::warning file=b%2Cc%3Ad.yaml,line=1,col=1,")
    assert third.startswith("::notice file=c.yaml,title=")


def test_counting() -> None:
    assert views.counted(FOUND) == "1 error, 1 warning, 1 note"
    assert views.counted(()) == "no problems"
