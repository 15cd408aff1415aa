"""Policies in CEL over specs, resources and plans: what they match, and what stands against an apply."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.workspace import permitting

World = Any
PROD = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: prod }\nspec: {}\n"


def policy(world: World, **given: Any) -> None:
    import yaml

    spec = {"expression": "environment == 'nowhere'", "message": "Not like this.", **given}
    document = {"apiVersion": "trueup.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "rule"}, "spec": spec}
    world.write("policies.yaml", yaml.safe_dump(document))
    world.commit("A policy")


def verdicts(world: World, environment: str = "dev") -> list[tuple[str, bool, str]]:
    found = world.prepare(environment).plan.evidence.verdicts
    assert found is not None
    return [(v.object, v.allowed, v.message) for v in found]


def refusals(world: World) -> list[str]:
    return [r.text for r in permitting.permission(world.workspace, world.prepare()).refusals if "policy" in r.text]


@pytest.mark.capability("model-management/policy-enforcement", by="trueup.approve.policies:judge")
def test_a_mandatory_policy_over_specs_refuses_by_name(world: World) -> None:
    policy(
        world,
        match={"kinds": ["Endpoint"]},
        expression="document.spec.predictor.minReplicas >= 2",
        message="Two servers at least.",
    )
    assert verdicts(world) == [("Endpoint/credit/risk", False, "Two servers at least.")]
    assert refusals(world) == ["The policy rule refuses Endpoint/credit/risk: Two servers at least."]
    world.edit("endpoint.yaml", "minReplicas: 1", "minReplicas: 2")
    assert refusals(world) == []


def test_an_advisory_policy_is_shown_and_refuses_nothing(world: World) -> None:
    policy(world, level="advisory", match={"kinds": ["Model"]})
    assert verdicts(world) == [("Model/credit/risk", False, "Not like this.")]
    assert refusals(world) == []


def test_a_policy_over_resources_sees_type_and_properties(world: World) -> None:
    match = {"types": ["trueup:serve:Service"]}
    policy(world, on="resources", match=match, expression="resource.properties.replicas <= 1 && environment == 'dev'")
    assert [(o.rpartition("::")[2], a) for o, a, _ in verdicts(world)] == [("risk", True)]
    world.edit("endpoint.yaml", "minReplicas: 1", "minReplicas: 3")
    assert [a for _, a, _ in verdicts(world)] == [False]


def test_a_policy_over_the_plan_sees_what_would_be_done(world: World) -> None:
    policy(world, on="plan", expression="plan.steps.all(s, s.action != 'delete')", message="Nothing is deleted here.")
    assert verdicts(world) == [], "a plan without steps has nothing to judge"
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    assert [a for _, a, _ in verdicts(world)] == [True]
    world.git("rm", "-q", "-f", "endpoint.yaml")
    assert verdicts(world) == [("plan of dev", False, "Nothing is deleted here.")]


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"kinds": ["Endpoint"]}, True),
        ({"kinds": ["Gateway"]}, False),
        ({"namespaces": ["credit"]}, True),
        ({"namespaces": ["churn"]}, False),
        ({"environments": ["dev"]}, True),
        ({"environments": ["prod"]}, False),
        ({"kinds": ["Endpoint"], "namespaces": ["churn"]}, False),
    ],
)
def test_a_policy_looks_at_what_it_matches_only(world: World, match: dict[str, Any], matches: bool) -> None:
    world.write("prod.yaml", PROD)
    policy(world, match=match)
    found = {o for o, _, _ in verdicts(world)}
    assert ("Endpoint/credit/risk" in found) is matches
    assert bool(found) is (matches or (match == {"kinds": ["Gateway"]} and "Gateway/credit/gateway" in found))


def test_what_a_policy_cannot_answer_is_refused_with_the_reason(world: World) -> None:
    policy(world, match={"kinds": ["Endpoint"]}, expression="document.spec.nothing.there == 1")
    [(_, allowed, why)] = verdicts(world)
    assert not allowed
    assert "no answer" in why


def test_an_answer_that_is_neither_true_nor_false_is_refused(world: World) -> None:
    policy(world, match={"kinds": ["Endpoint"]}, expression="document.spec.predictor.minReplicas")
    [(_, allowed, why)] = verdicts(world)
    assert not allowed
    assert "neither true nor false" in why


def test_the_rules_of_the_base_branch_hold(world: World) -> None:
    """A branch that takes the policy away is still judged by it."""
    policy(world, match={"kinds": ["Endpoint"]}, message="Held by main.")
    world.git("switch", "--quiet", "-c", "topic")
    world.git("rm", "-q", "policies.yaml")
    world.commit("No policy")
    assert verdicts(world) == []
    prepared = world.prepare(rules=world.tree("main"))
    assert [v.message for v in prepared.plan.evidence.verdicts] == ["Held by main."]


OVERRIDE = "  approvals: { required: 1, teams: [credit], rules: [{ users: [cem], policyOverride: true }] }\n"


def soft(world: World) -> None:
    """Cem may override, in an environment where anyone of the team may approve; the policy is broken by a new timeout."""
    world.edit("environments.yaml", "  approvals: { required: 1, teams: [credit] }\n", OVERRIDE)
    policy(world, level="soft", match={"kinds": ["Endpoint"]}, expression="document.spec.predictor.minReplicas >= 2")
    world.apply()
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout")


@pytest.mark.capability("model-management/policy-enforcement", by="trueup.approve.coverage:_overrides")
def test_a_soft_policy_refuses_until_someone_approves_who_may_override(world: World, approve: Any) -> None:
    soft(world)
    assert refusals(world) == ["The policy rule refuses Endpoint/credit/risk: Not like this."]
    approve("bea")
    assert refusals(world) != [], "an approval of someone else lets the effects pass, not the policy"
    approve("cem")
    assert permitting.permission(world.workspace, world.prepare()).refusals == ()


def test_who_may_override_is_said(world: World) -> None:
    soft(world)
    found = permitting.permission(world.workspace, world.prepare()).refusals
    assert [r.fix for r in found if "policy" in r.text] == ["It passes with the approval of 1 of cem."]


def test_without_a_rule_nobody_overrides_a_soft_policy(world: World, approve: Any) -> None:
    soft(world)
    world.edit("environments.yaml", OVERRIDE, "  approvals: { required: 1, teams: [credit] }\n")
    world.commit("Nobody overrides", email="bea@example.com")
    approve("cem")
    assert refusals(world) != []


def test_a_mandatory_policy_is_overridden_by_nobody(world: World, approve: Any) -> None:
    soft(world)
    world.edit("policies.yaml", "level: soft", "level: mandatory")
    world.commit("Mandatory", email="ada@example.com")
    approve("cem")
    assert refusals(world) != []


def test_who_wrote_it_does_not_override_it(world: World, approve: Any) -> None:
    soft(world)
    world.edit("endpoint.yaml", "timeout: 20s", "timeout: 30s")
    world.commit("Longer still", email="cem@example.com")
    approve("cem")
    assert refusals(world) != []
