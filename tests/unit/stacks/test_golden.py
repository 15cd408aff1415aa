"""The resources of each target, as they were agreed on. `TRUEUP_UPDATE_GOLDEN=1` writes them anew; the diff is for a reviewer."""

from __future__ import annotations

import pytest
from trueup_test_scenes import TARGETS, assert_agreed, compiled, scenes

from trueup.compile.compilation import compile_catalog
from trueup_stacks.core.resources import encode
from trueup_stacks.targets import TARGETS as KNOWN


@pytest.mark.parametrize("target", (*TARGETS, "backups", "monitoring", "mesh", "registry", "registry-plain"))
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
    assert_agreed(target, made)


@pytest.mark.parametrize("target", TARGETS)
def test_every_kind_of_a_target_that_emits_is_in_its_scene(target: str) -> None:
    origins = {r.origin.kind for given in scenes(target) for r in compile_catalog(given).resources()}
    silent = {"DataSource", "QualityGate"} | ({"Pipeline"} if target == "local" else set())
    silent |= {"Environment"} if target != "kubernetes" else set()
    expected = {k for k, support in KNOWN[target].kinds.items() if not support.elsewhere} - silent
    assert origins == expected
