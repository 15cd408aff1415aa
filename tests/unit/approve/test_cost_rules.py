"""The cost of a plan as a reason to ask: rules of approval by its increase, and policies over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trueup.approve import seals
from trueup.workspace import permitting

World = Any
Approve = Callable[..., seals.Approval]
PLAIN = "  approvals: { required: 1, teams: [credit] }\n"
PRICES = "  prices: { billingCurrency: EUR, cpuHour: 0.04, memoryGibHour: 0.005 }\n"
RULE = "  approvals: { rules: [{ teams: [credit], costIncrease: 100 }] }\n"
CEILING = """\
apiVersion: trueup.dev/v1alpha1
kind: Policy
metadata: { name: cost-ceiling }
spec:
  on: plan
  level: mandatory
  expression: "!plan.cost.known || plan.cost.after <= 100.0"
  message: It would cost more than 100 a month.
"""


@pytest.fixture
def priced(world: World) -> Callable[[str], World]:
    """An environment with prices, whose endpoint asks for a core and 2 GiB in each replica: 36.5 EUR a month."""

    def made(rules: str) -> World:
        world.edit("environments.yaml", PLAIN, rules)
        world.edit("endpoint.yaml", "minReplicas: 1", "minReplicas: 1\n    resources: { cpu: 1, memory: 2Gi }")
        world.commit("Prices", email="cem@example.com")
        world.apply()
        return world

    return made


def scale(world: World, replicas: int) -> None:
    world.edit("endpoint.yaml", "minReplicas: 1", f"minReplicas: {replicas}")
    world.commit("More of them")


def refusals(world: World) -> list[str]:
    return [r.text for r in permitting.permission(world.workspace, world.prepare()).refusals]


def test_the_cost_is_that_of_the_requests_before_and_after(priced: Callable[[str], World]) -> None:
    world = priced(PRICES)
    scale(world, 3)
    cost = world.prepare().plan.evidence.cost
    assert (cost.currency, cost.before, cost.after, cost.increase) == ("EUR", 36.5, 109.5, 73.0)


def test_an_increase_over_the_amount_asks_for_an_approval(priced: Callable[[str], World], approve: Approve) -> None:
    world = priced(PRICES + RULE)
    scale(world, 4)
    (refusal,) = refusals(world)
    assert "not approved by 1 of credit where a month costs 100 more" in refusal
    assert world.prepare().plan.evidence.approval_rules == ("1 of credit where a month costs 100 more",)
    approve("bea")
    assert refusals(world) == []


def test_an_increase_up_to_the_amount_and_a_decrease_ask_for_none(priced: Callable[[str], World]) -> None:
    world = priced(PRICES + RULE)
    scale(world, 3)
    assert refusals(world) == [] and world.prepare().plan.evidence.approval_rules == ()


def test_a_cost_that_is_not_known_is_not_let_pass(priced: Callable[[str], World]) -> None:
    world = priced(PRICES.replace(", memoryGibHour: 0.005", "") + RULE)
    scale(world, 2)
    (refusal,) = refusals(world)
    assert "where a month costs 100 more" in refusal
    assert "no `memoryGibHour`" in world.prepare().plan.evidence.cost.unknown


def test_the_prices_are_the_base_branch_s(priced: Callable[[str], World]) -> None:
    """Who asks for more does not make it cheap in the same change."""
    world = priced(PRICES + RULE)
    base = world.tree("HEAD")
    world.edit("environments.yaml", "cpuHour: 0.04", "cpuHour: 0.0001")
    scale(world, 4)
    found = world.prepare(rules=base)
    assert found.plan.evidence.cost.increase == 109.5 and found.plan.evidence.approval_rules


def test_a_policy_over_the_plan_sees_the_cost(priced: Callable[[str], World]) -> None:
    world = priced(PRICES)
    world.write("policies.yaml", CEILING)
    scale(world, 3)
    (refusal,) = refusals(world)
    assert refusal.endswith("It would cost more than 100 a month.")
    world.edit("endpoint.yaml", "minReplicas: 3", "minReplicas: 2")
    world.commit("Fewer")
    assert refusals(world) == []


def test_a_narrow_plan_costs_what_a_whole_one_costs(priced: Callable[[str], World]) -> None:
    from trueup.workspace.narrowing import prepare_narrowly

    world = priced(PRICES)
    scale(world, 3)
    narrow = prepare_narrowly(world.workspace, "dev", world.tree("HEAD")).plan.evidence.cost
    assert narrow == world.prepare(revision="HEAD").plan.evidence.cost and narrow.after == 109.5
