"""Break-glass: past windows, approvals and soft policies, by people whose team may, and recorded; never past what is mandatory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trueup.approve import glass, signatures
from trueup.record.events import EventKind
from trueup.views import audit
from trueup.workspace import permitting
from trueup.workspace.permitting import Permission

World = Any
WHY = "The model answers nonsense since noon"
ON_CALL = """\
---
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: { name: on-call }
spec:
  breakGlass: true
  members: [{ user: cem, email: cem@example.com, signingKeys: ["KEY"] }]
"""


@pytest.fixture
def urgent(world: World, keys: dict[str, Path]) -> World:
    """A change that nobody approved, outside of the windows; cem is on call."""
    team = ON_CALL.replace("KEY", keys["cem"].read_text().strip())
    world.write("teams.yaml", (world.folder / "teams.yaml").read_text() + team)
    world.edit(
        "environments.yaml",
        "  approvals:",
        '  windows: [{ action: freeze, cron: "* * * * *", duration: 1h }]\n  approvals:',
    )
    world.commit("On call")
    world.apply()
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout")
    world.git("config", "user.signingKey", str(keys["cem"]))
    return world


def may(world: World, why: str = WHY) -> Permission:
    return permitting.permission(world.workspace, world.prepare(), break_glass=why)


def said(found: Permission) -> str:
    return " ".join(r.text for r in found.refusals)


def test_who_is_on_call_applies_past_windows_and_approvals(urgent: World) -> None:
    assert len(may(urgent, "").refusals) == 2
    found = may(urgent)
    assert found.broken is not None, said(found)
    assert found.refusals == ()
    assert (found.broken.by, found.broken.reason) == ("cem", WHY)
    assert "frozen" in found.broken.passed[0]
    assert "not approved" in found.broken.passed[1]


def test_the_change_may_be_their_own(urgent: World) -> None:
    urgent.edit("endpoint.yaml", "timeout: 20s", "timeout: 30s")
    urgent.commit("Longer still", email="cem@example.com")
    assert may(urgent).refusals == ()


@pytest.mark.capability("model-management/audit-trails", by="trueup.workspace.permitting:record_broken")
def test_it_is_recorded_loudly_and_can_be_verified(urgent: World) -> None:
    prepared = urgent.prepare()
    found = permitting.permission(urgent.workspace, prepared, break_glass=WHY)
    assert found.broken is not None
    entry = permitting.record_broken(urgent.workspace, prepared, found.broken)
    assert entry is not None, "an event of its own"
    details = json.loads(json.dumps(dict(entry.event.details)))
    assert entry.event.kind is EventKind.BREAK_GLASS
    data = glass.payload(prepared.plan, details["why"], details["time"])
    signer = signatures.verified(
        details["signature"]["format"], details["signature"]["value"], data, permitting.teams_of(prepared)
    )
    assert signer is not None
    assert signer.user == "cem"
    log = audit.log_text([entry])
    assert "BREAK-GLASS" in log
    assert "cem passed over: Changes are frozen" in log
    assert WHY in log


def test_the_status_says_so_until_an_apply_as_the_rules_say(urgent: World) -> None:
    assert permitting.broken_since(urgent.workspace, "dev") is None
    prepared = urgent.prepare()
    found = permitting.permission(urgent.workspace, prepared, break_glass=WHY)
    assert found.broken is not None
    entry = permitting.record_broken(urgent.workspace, prepared, found.broken)
    urgent.apply()
    broken = permitting.broken_since(urgent.workspace, "dev")
    assert broken is not None
    assert broken.id == entry.id
    assert WHY in audit.broken_text(broken)
    urgent.apply()
    assert permitting.broken_since(urgent.workspace, "dev") is None


def test_without_need_nothing_is_broken(urgent: World) -> None:
    urgent.edit("environments.yaml", "approvals: { required: 1", "approvals: { required: 0")
    urgent.edit("environments.yaml", '  windows: [{ action: freeze, cron: "* * * * *", duration: 1h }]\n', "")
    urgent.commit("No rules")
    assert may(urgent) == Permission()


@pytest.mark.parametrize("who", ["bea", "mallory"])
def test_others_may_not(urgent: World, keys: dict[str, Path], who: str) -> None:
    urgent.git("config", "user.signingKey", str(keys[who]))
    found = may(urgent)
    assert "of no member of on-call" in said(found)
    assert "not approved" in said(found), "and everything stands against it as before"
    assert found.broken is None


def test_without_a_key_nobody_may(urgent: World) -> None:
    urgent.git("config", "--unset", "user.signingKey")
    assert "no signing key" in said(may(urgent))


def test_a_reason_that_says_nothing_is_none(urgent: World) -> None:
    assert "needs a reason" in said(may(urgent, "fix"))


def test_where_no_team_may_nobody_may(urgent: World) -> None:
    urgent.edit("teams.yaml", "  breakGlass: true\n", "")
    urgent.commit("Nobody")
    assert "No Team has `breakGlass: true`" in said(may(urgent))


def test_nobody_lets_themselves_in_with_the_change_at_hand(urgent: World, keys: dict[str, Path]) -> None:
    urgent.edit(
        "teams.yaml",
        "members: [{ user: cem",
        f'members: [{{ user: eve, email: eve@example.com, signingKeys: ["{keys["mallory"].read_text().strip()}"] }}, {{ user: cem',
    )
    urgent.commit("Eve", email="eve@example.com")
    urgent.git("config", "user.signingKey", str(keys["mallory"]))
    assert "only by a change that is not applied yet" in said(may(urgent))


POLICY = """\
apiVersion: trueup.dev/v1alpha1
kind: Policy
metadata: {{ name: rule }}
spec: {{ level: {level}, match: {{ kinds: [Endpoint] }}, expression: document.spec.predictor.minReplicas >= 2, message: Two servers. }}
"""


@pytest.mark.parametrize(("level", "passes"), [("soft", True), ("mandatory", False)])
def test_soft_policies_are_passed_over_and_mandatory_ones_never(urgent: World, level: str, passes: bool) -> None:
    urgent.write("policies.yaml", POLICY.format(level=level))
    urgent.commit("A policy")
    found = may(urgent)
    assert (found.refusals == ()) is passes
    assert ("Two servers." in said(found)) is not passes


def test_the_protection_of_data_holds(urgent: World) -> None:
    for file in ("endpoint.yaml", "model.yaml"):
        urgent.git("rm", "-q", file)
    urgent.edit("environments.yaml", "  windows:", "  maxDeletes: 0.1\n  windows:")
    urgent.commit("Everything goes")
    assert "more than `spec.maxDeletes`" in said(may(urgent))


def test_a_paused_environment_stays_paused(urgent: World) -> None:
    urgent.edit("environments.yaml", "  windows:", "  paused: true\n  windows:")
    urgent.commit("Paused")
    assert "is paused" in said(may(urgent))


def test_access_policies_hold(urgent: World) -> None:
    policy = "apiVersion: trueup.dev/v1alpha1\nkind: AccessPolicy\nmetadata: { name: guarded }\n"
    urgent.write("access.yaml", policy + "spec: { match: { kinds: [Endpoint] }, users: [bea] }\n")
    urgent.commit("Access")
    assert "which only bea may" in said(may(urgent))
