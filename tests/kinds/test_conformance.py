"""Every kind and rule of the registry, the moment it is listed: examples behave, cases stand, documentation is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from trueup_specs.core.rules import Rule
from trueup_specs.kinds import KINDS

RULES = sorted({rule for kind in KINDS.values() for rule in kind.rules}, key=lambda rule: rule.code)
Judge = Callable[[str], list[Any]]


def carets(text: str) -> list[tuple[int, int]]:
    """Where the comments `#   ^` of an example point: line (the last that is no such comment) and columns."""
    found, line = [], 0
    for number, content in enumerate(text.splitlines(), 1):
        if re.fullmatch(r"#[ ^]*\^", content):
            found += [(line, column + 1) for column, char in enumerate(content) if char == "^"]
        else:
            line = number
    assert found, f"the bad example points nowhere:\n{text}"
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_bad_example_breaks_this_rule_only_and_where_it_says(rule: type[Rule], judge: Judge) -> None:
    assert [str(found) for found in judge(rule.bad)] == [
        f"{rule.code} {line}:{column}" for line, column in carets(rule.bad)
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_good_example_breaks_no_rule(rule: type[Rule], judge: Judge) -> None:
    assert [str(found) for found in judge(rule.good)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_findings_are_sentences_that_say_what_to_do(rule: type[Rule], judge: Judge) -> None:
    for found in judge(rule.bad):
        if found.code == rule.code:
            assert found.finding.summary.endswith((".", "?")), found.finding.summary
            assert found.finding.fix.endswith((".", "?")), found.finding.fix


def test_codes_are_stable_and_used_once() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"TRU1\d{3}", code) for code in codes)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_message_is_one_sentence(rule: type[Rule]) -> None:
    assert (rule.__doc__ or "").strip().endswith(".")
    assert rule.reason.endswith(".")
