"""Rules of approval: who must approve what, by severity, kind, namespace, and the owners of the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trueup.approve import requirements, seals
from trueup.workspace import permitting
from trueup_specs.kinds.environment.spec import ApprovalRule

World = Any
Approve = Callable[..., seals.Approval]
PLAIN = "  approvals: { required: 1, teams: [credit] }\n"
LEADS = """\
---
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: { name: leads }
spec:
  members:
    - { user: cem, email: cem@example.com, signingKeys: ["KEY"] }
"""


@pytest.fixture
def ruled(world: World, keys: dict[str, Any]) -> Callable[[str], World]:
    """An environment with rules of approval, applied; `leads` are cem alone."""

    def made(rules: str) -> World:
        world.write(
            "teams.yaml",
            (world.folder / "teams.yaml").read_text() + LEADS.replace("KEY", keys["cem"].read_text().strip()),
        )
        world.edit("environments.yaml", PLAIN, f"  approvals: {{ rules: {rules} }}\n")
        world.commit("Rules", email="cem@example.com")
        world.apply()
        return world

    return made


def missing(world: World) -> list[str]:
    found = permitting.permission(world.workspace, world.prepare()).refusals
    return [r.text for r in found if "not approved" in r.text]


def longer(world: World) -> None:
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout")


@pytest.mark.capability("model-development/merge-policies", by="trueup.approve.requirements:concerns")
def test_every_rule_that_an_effect_matches_must_be_met(ruled: Callable[[str], World], approve: Approve) -> None:
    world = ruled("[{ teams: [credit] }, { teams: [leads] }]")
    longer(world)
    assert [m.partition(" are not approved by ")[2].partition(" (")[0] for m in missing(world)] == [
        "1 of credit",
        "1 of leads",
    ]
    approve("bea")
    assert [m.partition(" are not approved by ")[2].partition(" (")[0] for m in missing(world)] == ["1 of leads"]
    approve("cem")
    assert missing(world) == [], "cem is of both teams; bea's approval was not needed twice"


def test_users_may_approve_whatever_team_they_are_of(ruled: Callable[[str], World], approve: Approve) -> None:
    world = ruled("[{ users: [Cem] }]")
    longer(world)
    approve("bea")
    assert missing(world) != []
    approve("cem")
    assert missing(world) == []


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("kinds: [Endpoint]", True),
        ("kinds: [Model, Dataset]", False),
        ("namespaces: [credit]", True),
        ("namespaces: [churn]", False),
        ("severity: create", True),
        ("severity: update", True),
        ("severity: replace", False),
        ("severity: delete", False),
        ("kinds: [Endpoint], namespaces: [churn]", False),
    ],
)
def test_a_rule_is_about_what_it_names(ruled: Callable[[str], World], rule: str, asked: bool) -> None:
    world = ruled(f"[{{ teams: [leads], {rule} }}]")
    longer(world)
    assert bool(missing(world)) is asked
    assert bool(world.prepare().plan.evidence.approval_rules) is asked


def test_a_deletion_asks_for_more(ruled: Callable[[str], World], approve: Approve) -> None:
    world = ruled("[{ teams: [credit] }, { teams: [leads], severity: delete }]")
    world.git("rm", "-q", "endpoint.yaml")
    world.commit("No endpoint")
    approve("bea")
    said = missing(world)
    assert len(said) == 1
    assert "1 of leads for delete" in said[0]
    assert "delete" in said[0]
    approve("cem")
    assert missing(world) == []


OWNERS = "* @ada\n/endpoint.yaml @org/leads\n"


def test_the_owners_of_the_path_must_approve(ruled: Callable[[str], World], approve: Approve) -> None:
    world = ruled("[{ codeowners: true }]")
    world.write("CODEOWNERS", OWNERS)
    world.commit("Owners", email="cem@example.com")
    longer(world)
    approve("bea")
    assert "the owners of the path" in missing(world)[0]
    approve("cem")
    assert missing(world) == []


def test_what_is_downstream_is_approved_by_the_owners_of_what_changed(
    ruled: Callable[[str], World], approve: Approve
) -> None:
    """The code of a step changes the training, whose own document stays as it is."""
    world = ruled("[{ codeowners: true }]")
    world.write("CODEOWNERS", "/model.yaml bea@example.com\n")
    world.commit("Owners", email="cem@example.com")
    world.edit("model.yaml", "default: 1.0", "default: 2.0")
    world.commit("Less regularisation")
    approve("cem")
    assert missing(world) != []
    approve("bea")
    assert missing(world) == []


def test_an_owner_whom_no_team_has_can_approve_nothing(ruled: Callable[[str], World], approve: Approve) -> None:
    world = ruled("[{ codeowners: true }]")
    world.write("CODEOWNERS", "/endpoint.yaml @ghost\n")
    world.commit("Owners", email="cem@example.com")
    longer(world)
    approve("cem")
    assert missing(world) != []


def test_a_path_that_nobody_owns_is_left_to_any_team(ruled: Callable[[str], World], approve: Approve) -> None:
    world = ruled("[{ codeowners: true }]")
    world.write("CODEOWNERS", "/other.yaml @ghost\n")
    world.commit("Owners", email="cem@example.com")
    longer(world)
    approve("bea")
    assert missing(world) == []


def test_the_owners_are_those_of_the_base_branch(ruled: Callable[[str], World]) -> None:
    """A pull request that makes its author the owner changes nothing for itself."""
    world = ruled("[{ codeowners: true }]")
    world.write("CODEOWNERS", OWNERS)
    world.commit("Owners", email="cem@example.com")
    world.git("switch", "--quiet", "-c", "topic")
    world.write("CODEOWNERS", "* @bea\n")
    longer(world)
    ready = world.prepare(revision="topic", rules=world.tree("main"))
    found = permitting.ownership(world.workspace, ready)
    assert found.file.owners("endpoint.yaml") == ("@org/leads",)
    assert found.touched == ("CODEOWNERS", "endpoint.yaml")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ApprovalRule(), "1 of a team"),
        (
            ApprovalRule(required=2, teams=("leads",), users=("ada",), severity="replace"),
            "2 of leads or ada for replace and more",
        ),
        (
            ApprovalRule(codeowners=True, kinds=("Model",), namespaces=("churn",)),
            "1 of the owners of the path of Model in churn",
        ),
    ],
)
def test_a_rule_as_words(rule: ApprovalRule, words: str) -> None:
    assert requirements.worded(rule) == words


def test_the_comment_names_every_rule_that_must_be_met(ruled: Callable[[str], World]) -> None:
    from trueup.views.comments import risks
    from trueup.views.comments.values import EnvironmentPlan

    world = ruled("[{ teams: [credit] }, { teams: [leads], kinds: [Endpoint] }, { teams: [leads], severity: delete }]")
    longer(world)
    plan = world.prepare().plan
    assert risks.missing(EnvironmentPlan(plan)) == ("approval by 1 of credit", "approval by 1 of leads of Endpoint")
