"""The resources of each target, as they were agreed on. `TRUEUP_UPDATE_GOLDEN=1` writes them anew; the diff is for a reviewer."""

from __future__ import annotations

import json
import os

import pytest
from trueup_test_scenes import FOLDER, TARGETS, compiled, scenes

from trueup.compile.compilation import compile_catalog
from trueup_stacks.core.resources import encode
from trueup_stacks.targets import TARGETS as KNOWN


@pytest.mark.parametrize("target", (*TARGETS, "monitoring", "mesh"))
def test_the_resources_are_the_agreed_ones(target: str) -> None:
    made = [
        {
            "address": str(r.address),
            "document": str(r.origin),
            "properties": encode(r.properties),
            "dependsOn": [str(a) for a in r.depends_on],
            "options": {
                "retain": r.options.retain,
                "immutable": sorted(r.options.immutable),
                "maybeImmutable": sorted(r.options.maybe_immutable),
                "holdsData": r.options.holds_data,
            },
        }
        for r in compiled(target).resources()
    ]
    path = FOLDER / "golden" / f"{target}.json"
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("TRUEUP_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(text)


@pytest.mark.parametrize("target", TARGETS)
def test_every_kind_of_a_target_that_emits_is_in_its_scene(target: str) -> None:
    origins = {r.origin.kind for given in scenes(target) for r in compile_catalog(given).resources()}
    silent = {"DataSource", "QualityGate"} | ({"Pipeline"} if target == "local" else set())
    expected = {k for k, support in KNOWN[target].kinds.items() if not support.elsewhere} - silent
    assert origins == expected
