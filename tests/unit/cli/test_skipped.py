"""Stacks that failed, were locked or were not tried, and applies that had nothing to do: a code and a text each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from trueup_test_world import outputs

from trueup.apply.outcome import StackResult, StepResult
from trueup.apply.pulumi import Driver
from trueup.workspace import permitting

pytestmark = pytest.mark.usefixtures("pulumi_cli")
World = Any
Trueup = Callable[..., Any]
FAILURE, LOCKED, PARTLY = 1, 6, 10


@pytest.fixture
def stacks(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, StackResult]:
    """What the driver comes to by layer; a layer that is not named goes well. The state outlives a job."""
    state = world.folder.parent / "state"
    world.edit("environments.yaml", "  target: local", f'  target: local\n  state: {{ backend: "file://{state}" }}')
    world.commit()
    found: dict[str, Any] = {}

    def up(self: Driver, stack: Any, *_others: Any) -> StackResult:
        if stack.id.layer in found:
            return found[stack.id.layer](stack.id)  # type: ignore[no-any-return]
        steps = tuple(StepResult(r.address, "create", "done") for r in stack.resources)
        made = {r.address: outputs(r, 1) for r in stack.resources}
        return StackResult(stack.id, ok=True, steps=steps, outputs=made, ids={a: a.name for a in made})

    monkeypatch.setattr(Driver, "up", up)
    monkeypatch.setattr(Driver, "outputs", lambda _self, _id: {})
    return found


def failing(text: str, *, locked: bool = False) -> Callable[[Any], StackResult]:
    return lambda id: StackResult(id, ok=False, error=text, locked=locked)


@pytest.mark.parametrize("command", [["apply", "dev", "--yes"], ["ci", "apply"], ["ci", "apply", "dev"]], ids=" ".join)
def test_a_stack_that_is_not_tried_makes_it_10(
    world: World, trueup: Trueup, stacks: dict[str, Any], command: list[str]
) -> None:
    stacks["model"] = failing("the registry does not answer")
    said = trueup(world, *command)
    assert said.code == PARTLY
    assert "FAILED dev.credit.model" in said.out and "the registry does not answer" in said.out
    assert "NOT TRIED dev.credit.serving: it needs" in said.out and "Applied dev in part" in said.out


def test_where_nothing_went_well_it_is_1(world: World, trueup: Trueup, stacks: dict[str, Any]) -> None:
    stacks["data"] = failing("the disk is full")
    said = trueup(world, "apply", "dev", "--yes")
    assert said.code == FAILURE and "Nothing of dev was applied" in said.out
    assert said.out.count("NOT TRIED") == 2


@pytest.mark.parametrize("command", [["apply", "dev", "--yes"], ["ci", "apply", "--wait", "0"]], ids=" ".join)
def test_a_lock_that_somebody_holds_is_6(
    world: World, trueup: Trueup, stacks: dict[str, Any], command: list[str]
) -> None:
    stacks["data"] = failing("dev.credit.data is locked by ada@host since 12:00", locked=True)
    said = trueup(world, *command)
    assert said.code == LOCKED and "locked by ada@host" in said.out and "Applied dev" not in said.out


def test_json_of_a_job_is_one_document_with_every_environment(
    world: World, trueup: Trueup, stacks: dict[str, Any]
) -> None:
    state = world.folder.parent / "other"
    text = (world.folder / "environments.yaml").read_text()
    more = f'metadata: {{ name: lab }}\nspec: {{ target: local, state: {{ backend: "file://{state}" }} }}\n'
    world.write("environments.yaml", f"{text}---\napiVersion: trueup.dev/v1alpha1\nkind: Environment\n{more}")
    world.edit("model.yaml", "  gates: [good-enough]", "  gates: [good-enough]\n  train: { in: each }")
    commit = world.commit()
    stacks["serving"] = failing("no port is free")
    said = trueup(world, "ci", "apply", "--output", "json")
    assert (said.code, said.json["code"], said.json["commit"]) == (PARTLY, PARTLY, commit)
    found = {e["environment"]: e for e in said.json["environments"]}
    assert set(found) == {"dev", "lab"} and {e["outcome"] for e in found.values()} == {"partly"}
    assert [s["ok"] for s in found["lab"]["stacks"]].count(False) == 1 and found["lab"]["entry"]
    assert list(found["dev"]["gates"]) == ["dev.credit.model::trueup:run:Gate::risk"], "what passed is told"


def test_going_back_to_where_it_is_pins_and_claims_nothing(
    world: World, trueup: Trueup, stacks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply()  # in the ledger only: there is no state that could be missed
    monkeypatch.setattr(permitting, "check_state", lambda *_given: None)
    said = trueup(world, "rollback", "dev", "--to", "HEAD")
    assert said.code == 0 and "Nothing to do" in said.out and "is pinned at" in said.out and "Applied" not in said.out
