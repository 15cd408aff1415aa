"""The policies to begin with: valid, and each allows and refuses as its own examples say."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from trueup.validate.validation import Places, judged, parse

FILE = Path(__file__).parents[2] / "engine/trueup/workspace/policies/starter.yaml"
POLICIES = {d["metadata"]["name"]: d for d in YAML(typ="safe", pure=True).load_all(FILE.read_text())}


def codes(text: str) -> list[str]:
    data = {"starter.yaml": text.encode()}
    found = judged({f: parse(f, d, "default") for f, d in data.items()}, Places(data.get), frozenset())
    return [d.code for d in found.diagnostics]


def dumped(document: dict[str, Any]) -> str:
    text = StringIO()
    YAML(typ="safe", pure=True).dump(document, text)
    return text.getvalue()


def test_all_of_them_are_right() -> None:
    assert len(POLICIES) >= 9
    assert codes(FILE.read_text()) == []


@pytest.mark.parametrize("name", POLICIES)
def test_each_is_shown_to_allow_and_to_refuse(name: str) -> None:
    policy = POLICIES[name]
    assert {e["allowed"] for e in policy["spec"]["examples"]} == {True, False}
    for example in policy["spec"]["examples"]:
        example["allowed"] = not example["allowed"]
    assert codes(dumped(policy)) == ["TRU1233"] * len(policy["spec"]["examples"]), "the examples are run"
