"""A saved plan is exactly what was planned, and is refused when anything that it rests on is another."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from trueup.plan import saved
from trueup.plan.values import Plan
from trueup.record.events import Event, EventKind
from trueup.record.updates import StackUpdate

World = Any
POLICY = """\
apiVersion: trueup.dev/v1alpha1
kind: Policy
metadata:
  name: few-replicas
spec:
  on: specs
  match: { kinds: [Endpoint] }
  expression: document.spec.predictor.minReplicas <= 3
  message: More than three replicas need a budget.
"""


@pytest.fixture
def plan(applied: World) -> Plan:
    """A plan that changes the training, of a commit."""
    applied.write("policies.yaml", POLICY)
    applied.edit("model.yaml", "default: 1.0", "default: 2.0")
    applied.commit()
    found: Plan = applied.prepare().plan
    return found


def again(world: World) -> Plan:
    found: Plan = world.prepare().plan
    return found


def test_a_plan_is_read_back_as_it_was_saved(plan: Plan) -> None:
    assert saved.load(saved.dump(plan)) == plan


def test_a_plan_holds_while_nothing_changes(applied: World, plan: Plan) -> None:
    assert saved.stale(saved.load(saved.dump(plan)), again(applied)) == ()


def test_another_commit_with_the_same_tree_is_the_same(applied: World, plan: Plan) -> None:
    applied.commit("Nothing")
    assert saved.stale(plan, again(applied)) == ()


def test_another_tree_is_refused(applied: World, plan: Plan) -> None:
    applied.write("README.md", "Another file.\n")
    applied.commit()
    assert [t for t in saved.stale(plan, again(applied)) if "another tree" in t]


def test_a_dirty_tree_is_refused(applied: World, plan: Plan) -> None:
    applied.write("README.md", "Another file.\n")
    assert [t for t in saved.stale(plan, again(applied)) if "uncommitted" in t]


def test_other_recorded_inputs_of_a_touched_resource_are_refused_by_name(applied: World, plan: Plan) -> None:
    run = next(s.address for s in plan.steps if s.address.type == "trueup:run:Run")
    other = applied.workspace.ledger.recorded().resource(run)
    update = StackUpdate(run.stack, (replace(other, digest="someone else's"),))
    applied.workspace.ledger.append(Event(EventKind.STEP, "dev"), update)
    stale = saved.stale(plan, again(applied))
    assert f"The recorded inputs of {run} changed since the plan was made." in stale


def test_another_id_of_a_touched_resource_is_refused(applied: World, plan: Plan) -> None:
    run = next(s.address for s in plan.steps if s.address.type == "trueup:run:Run")
    other = replace(applied.workspace.ledger.recorded().resource(run), id="made anew")
    applied.workspace.ledger.append(Event(EventKind.STEP, "dev"), StackUpdate(run.stack, (other,)))
    assert [t for t in saved.stale(plan, again(applied)) if str(run) in t]


def test_other_recorded_inputs_of_an_untouched_resource_are_no_matter(applied: World, plan: Plan) -> None:
    address = next(
        a
        for s in applied.workspace.ledger.recorded().stacks.values()
        for a in s.resources
        if a.type == "trueup:serve:Gateway"
    )
    assert address not in {s.address for s in plan.steps}
    other = replace(applied.workspace.ledger.recorded().resource(address), id="another")
    applied.workspace.ledger.append(Event(EventKind.STEP, "dev"), StackUpdate(address.stack, (other,)))
    assert saved.stale(plan, again(applied)) == ()


def test_other_data_is_refused_by_name(applied: World, plan: Plan) -> None:
    other = replace(plan, sources=dict.fromkeys(plan.sources, "git:0"))
    assert "The data of DataSource/credit/credit changed since the plan was made." in saved.stale(other, again(applied))


def test_changed_data_of_the_repository_is_refused(applied: World, plan: Plan) -> None:
    path = applied.folder / "data/credit.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    applied.commit()
    assert "The data of DataSource/credit/credit changed since the plan was made." in saved.stale(plan, again(applied))


def test_a_changed_policy_that_matches_is_refused_by_name(applied: World, plan: Plan) -> None:
    applied.edit("policies.yaml", "<= 3", "<= 2")
    applied.commit()
    assert "The policy few-replicas changed since the plan was made." in saved.stale(plan, again(applied))


def test_a_policy_of_another_environment_is_no_matter(applied: World, plan: Plan) -> None:
    applied.write(
        "environments2.yaml", "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: prod }\nspec: {}\n"
    )
    other = POLICY.replace("few-replicas", "prod-only").replace("kinds: [Endpoint]", "environments: [prod]")
    applied.write("policies2.yaml", other)
    applied.commit()
    assert not [t for t in saved.stale(plan, again(applied)) if "policy" in t]


def test_a_plan_of_another_environment_is_refused(plan: Plan) -> None:
    assert "not of" in saved.stale(replace(plan, environment="prod"), plan)[0]


def test_what_an_apply_did_meanwhile_makes_the_plan_stale(applied: World, plan: Plan) -> None:
    applied.apply(version=2)
    assert saved.stale(plan, again(applied))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v["seal"]["entries"].pop(), "seal does not fit"),
        (lambda v: v["seal"]["entries"][0].__setitem__(5, "other"), "seal does not fit"),
        (lambda v: v.pop("steps"), "damaged"),
        (lambda v: v.update(version=99), "plan anew"),
        (lambda v: v.update(kind="Deployment"), "no plan"),
    ],
)
def test_a_plan_that_was_changed_is_refused(plan: Plan, change: Any, said: str) -> None:
    value = json.loads(saved.dump(plan))
    change(value)
    with pytest.raises(ValueError, match=said):
        saved.load(json.dumps(value).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"kind": 1}'])
def test_what_is_no_plan_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        saved.load(data)
