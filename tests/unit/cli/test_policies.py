"""`trueup init --policies`: the starter set in a workspace, where it is judged and refuses nothing yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

World = Any


def test_policies_to_begin_with_warn_in_the_plan_and_refuse_nothing(world: World, trueup: Callable[..., Any]) -> None:
    said = trueup(world, "init", "--policies")
    assert said.code == 0 and "advisory at first" in said.out
    assert trueup(world, "validate").code == 0, "their examples are run"
    text = (world.folder / "policies.yaml").read_text()
    assert text.count("kind: Policy") >= 10 and text.count("level: advisory # later: ") == text.count("kind: Policy")
    plan = trueup(world, "plan", "dev", "--output", "json").json
    refused = {v[0]: v[1] for v in plan["evidence"]["verdicts"] if not v[2]}
    assert "owner-present" in refused and set(refused.values()) == {"advisory"}
    assert "warns  owner-present" in trueup(world, "plan", "dev").out


def test_what_is_there_is_not_overwritten(world: World, trueup: Callable[..., Any]) -> None:
    world.write("policies.yaml", "# mine\n")
    said = trueup(world, "init", "--policies")
    assert said.code == 64 and "policies.yaml already" in said.err
    assert (world.folder / "policies.yaml").read_text() == "# mine\n"


def test_they_come_with_a_new_workspace_and_with_the_workflows(tmp_path: Any, trueup: Callable[..., Any]) -> None:
    class Place:
        folder = tmp_path

    said = trueup(Place, "init", "fresh", "--policies", "--ci", "github")
    assert said.code == 0, said.err
    made = {p.name for p in (tmp_path / "fresh").rglob("*.y*ml")}
    assert {"policies.yaml", "trueup.yaml", "model.yaml"} <= made and any("plan" in name for name in made)
