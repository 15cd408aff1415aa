"""What starts a run and what does not, as `triggers` and `onUpstreamChange` of a pipeline say."""

from __future__ import annotations

from typing import Any

import pytest

World = Any
FIT = "def fit(context):\n    return {0}\n"
STEP = "    - name: more\n      uses: fit.py:fit\n      needs: [load]\n"


def starts(world: World) -> list[str]:
    """The models that a plan trains."""
    prepared = world.prepare()
    assert not prepared.forbidden, prepared.diagnostics
    return [name for name, _ in prepared.plan.evidence.runs]


@pytest.fixture
def coded(world: World) -> World:
    """The quickstart with code of its own in the pipeline."""
    (world.folder / "steps").mkdir()
    world.write("steps/fit.py", FIT.format(1))
    world.edit("model.yaml", "  seed: 7\n", "  seed: 7\n  code: steps\n")
    world.edit("model.yaml", "  steps:\n", "  steps:\n" + STEP)
    return world


def test_changed_code_starts_a_run(coded: World) -> None:
    coded.commit()
    coded.apply()
    coded.write("steps/fit.py", FIT.format(2))
    coded.commit()
    assert starts(coded) == ["Model/credit/risk"]


@pytest.mark.capability("model-development/training-automation", by="trueup_stacks.local.training:_held_back")
def test_with_on_code_false_changed_code_waits_for_another_reason(coded: World) -> None:
    coded.edit("model.yaml", "  seed: 7\n", "  seed: 7\n  triggers: [{onCode: false}]\n")
    coded.commit()
    coded.apply()
    coded.write("steps/fit.py", FIT.format(2))
    coded.commit()
    prepared = coded.prepare()
    assert prepared.plan.empty
    coded.edit("model.yaml", "seed: 7", "seed: 8")
    coded.commit()
    assert starts(coded) == ["Model/credit/risk"]
    run = next(r for r in coded.prepare().compilation.resources() if r.address.type == "trueup:run:Run")
    assert run.properties["code"]["tree"] == coded.git("rev-parse", "HEAD:steps"), (
        "the run that starts has the new code"
    )


@pytest.mark.parametrize(
    ("policy", "by_contract", "by_data"), [("retrain", 1, 1), ("forwardOnly", 0, 1), ("hold", 0, 0)]
)
def test_a_breaking_change_upstream_starts_what_the_pipeline_says(
    world: World, policy: str, by_contract: int, by_data: int
) -> None:
    world.edit("model.yaml", "  seed: 7\n", f"  seed: 7\n  onUpstreamChange: {policy}\n")
    world.commit()
    world.apply()
    world.edit("data.yaml", "name: price, logicalType: integer", "name: price, logicalType: number")
    world.commit()
    assert len(starts(world)) == by_contract
    assert any(s.address.type == "trueup:data:Table" for s in world.prepare().plan.steps), "the table is loaded anew"
    world.apply()
    path = world.folder / "data" / "credit.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    world.commit()
    assert len(starts(world)) == by_data


def test_a_column_that_is_gone_is_an_error_whatever_the_pipeline_says(world: World) -> None:
    world.edit("model.yaml", "  seed: 7\n", "  seed: 7\n  onUpstreamChange: forwardOnly\n")
    world.commit()
    world.apply()
    world.edit("data.yaml", "      - { name: price, logicalType: integer, required: true }\n", "")
    world.commit()
    assert "TRU2101" in [d.code for d in world.prepare().diagnostics]


def test_a_renamed_dataset_and_pipeline_start_no_run(world: World) -> None:
    world.commit()
    world.apply()
    world.edit("data.yaml", "name: applications\n", "name: requests\n  movedFrom: applications\n")
    for uses in ("load", "check"):
        step = "      uses: {0}\n      with: {{ dataset: {1} }}"
        world.edit("model.yaml", step.format(uses, "applications"), step.format(uses, "requests"))
    world.edit("model.yaml", "name: training\n", "name: fitting\n  movedFrom: training\n")
    world.edit("model.yaml", "pipeline: training", "pipeline: fitting")
    world.commit()
    assert starts(world) == []
    world.apply()
    world.edit("data.yaml", "  movedFrom: applications\n", "")
    world.commit()
    assert starts(world) == [], "nor does the end of the renaming, when `movedFrom` is taken out"
    world.edit("model.yaml", "seed: 7", "seed: 8")
    world.commit()
    assert starts(world) == ["Model/credit/risk"]
