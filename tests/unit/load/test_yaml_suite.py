"""The YAML test suite's cases against the two readers: what `read` gives for each, and exactly where it is stricter than YAML.

The suite's files are looked for beside the checkout (`../shared/yaml-test-suite`); without them there is nothing to run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from trueup.load import yaml

SUITE = Path(__file__).parents[4] / "shared" / "yaml-test-suite" / "src"
if not SUITE.is_dir():
    pytest.skip("the YAML test suite is not beside the checkout (../shared/yaml-test-suite)", allow_module_level=True)

VISIBLE = (
    ("␣", " "),
    ("————»", "\t"),
    ("———»", "\t"),
    ("——»", "\t"),
    ("—»", "\t"),
    ("»", "\t"),
    ("↵", ""),
    ("∎\n", ""),
    ("←", "\r"),
    ("⇔", "\ufeff"),
)
TAGS = "2XXW/0 565N/0 5TYM/0 6CK3/0 6WLZ/0 7FWL/0 9WXW/0 C4HZ/0 CC74/0 CUP7/0 J7PZ/0 M5C3/0 P76L/0 UGM3/0 WZ62/0 Z67P/0 Z9M4/0"
"""Tags of an application, and of types that specs do not have."""
TABS = "6BCT/0 6CA3/0 A2M4/0 DC7X/0 DK95/0 DK95/3 DK95/4 DK95/5 DK95/7 HS5T/0 J3BT/0 K54U/0 MUS6/3 NB6Z/0 Q5MG/0 UV7Q/0 Y79Y/10"
"""Tabs that YAML would allow between tokens."""
BROKEN_KEYS = "4MUZ/0 4MUZ/1 4MUZ/2 5MUD/0 9SA2/0 K3WX/0 NJ66/0 UT92/0 VJP3/1"
"""A flow mapping's key on another line than its colon."""
INDENTS = "4QFQ/0 DWX9/0 R4YG/0 T26H/0"
"""Block scalars whose leading blank lines are indented more than their text."""
ENDS = "HWV9/0 M7A3/0 QT73/0"
"""A document's end without a document."""
DIRECTIVES = "BEC7/0 ZYU8/1 ZYU8/2 ZYU8/3"
"""Directives other than `%YAML 1.2`."""
UNCLEAR = "4ABK/0 652Z/0 HM87/1"
"""`?` or `:` in a flow value where the grammar and ruamel read different things."""
KEYS = (
    "2JQS/0 4FJ6/0 6BFJ/0 6M2F/0 6PBE/0 9MMW/0 CFD4/0 DFF7/0 FH7J/0 FRK4/0 KK5P/0 LX3P/0 M2N8/0 M2N8/1 "
    "M5DY/0 NHX8/0 NKF9/0 PW8X/0 Q9WF/0 RZP5/0 S3PD/0 SBG9/0 SM9W/1 UKK6/0 V9D5/0 X38W/0 XW4D/0"
)
"""Keys that are no text."""
STRICTER = frozenset(f"{TAGS} {TABS} {BROKEN_KEYS} {INDENTS} {ENDS} {DIRECTIVES} {UNCLEAR} {KEYS}".split())


@dataclass(frozen=True)
class Case:
    """One case: its text, and the values that it means; None where it is not YAML or has no form in JSON."""

    id: str
    text: str
    invalid: bool
    values: list[Any] | None


def cases() -> Iterator[Case]:
    """Every case; a file's later cases take from the first what they do not say."""
    for file in sorted(SUITE.glob("*.yaml")):
        before: dict[str, Any] = {}
        for number, item in enumerate(YAML(typ="safe", pure=True).load(file.read_text("utf-8"))):
            case = {k: v for k, v in before.items() if k != "fail"} | item
            text = case["yaml"]
            for shown, meant in VISIBLE:
                text = text.replace(shown, meant)
            invalid = bool(item.get("fail"))
            values = list(documents(case["json"])) if not invalid and case.get("json") is not None else None
            yield Case(f"{file.stem}/{number}", text, invalid, values)
            before = case


def documents(text: str) -> Iterator[Any]:
    """The values of several JSON documents, one after the other, without those that are null."""
    decoder, place = json.JSONDecoder(), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        value, place = decoder.raw_decode(text, place)
        if value is not None:
            yield value


ALL = tuple(cases())


def test_the_suite_is_whole() -> None:
    assert len(ALL) > 400
    assert {c.id for c in ALL} >= STRICTER


@pytest.mark.parametrize("case", ALL, ids=lambda c: c.id)
def test_case(case: Case) -> None:
    """Invalid YAML is refused with a place; valid YAML means what the suite says, or is refused for a reason that is listed."""
    found = yaml.read("case.yaml", case.text.encode())
    assert all(d.location.line > 0 and d.location.column > 0 for d in found.diagnostics)
    if case.invalid or case.id in STRICTER:
        assert found.diagnostics and not found.values
    else:
        assert not found.diagnostics
        assert case.values is None or list(found.values) == case.values


@pytest.mark.parametrize(
    "case", [c for c in ALL if yaml.quick(yaml.text_of(c.text.encode())) is not None], ids=lambda c: c.id
)
def test_the_bulk_reader_agrees_with_the_one_that_knows_places(case: Case) -> None:
    """What is read quickly is what is read closely, so a file's values do not depend on whether something in it is pointed at."""
    text = yaml.text_of(case.text.encode())
    close = yaml.closely("case.yaml", text)
    assert not close.diagnostics
    assert list(close.values) == yaml.quick(text)


def test_most_cases_without_tags_and_tabs_are_read_quickly() -> None:
    """The bulk reader is of use: a good part of the suite, which is made of odd cases, needs no second reading."""
    assert sum(yaml.quick(yaml.text_of(c.text.encode())) is not None for c in ALL) >= 50
