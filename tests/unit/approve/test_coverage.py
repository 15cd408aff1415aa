"""An approval is of effects: it holds however they come to be merged, and covers nothing that its signer did not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trueup.approve import approvals, coverage, seals
from trueup.plan.values import Action, Plan, SealEntry
from trueup.record.events import Event, EventKind
from trueup.record.updates import ApprovalUpdate
from trueup.workspace import permitting
from trueup.workspace.permitting import Permission
from trueup_specs.kinds.environment.spec import Approvals

World = Any
Approve = Callable[..., seals.Approval]


def may(world: World, **given: Any) -> Permission:
    found = permitting.permission(world.workspace, world.prepare(**given))
    assert found is not None
    return found


def missing(world: World, **given: Any) -> str:
    return " ".join(r.text for r in may(world, **given).refusals if "not approved" in r.text)


def change(world: World, branch: str = "", number: str = "2.0") -> str:
    """Someone changes the training, on a branch."""
    if branch:
        world.git("switch", "--quiet", "-c", branch)
    world.edit("model.yaml", "default: 1.0", f"default: {number}")
    return str(world.commit("Less regularisation"))


@pytest.mark.capability("model-management/approval-workflows", by="trueup.approve.coverage:judge")
def test_without_an_approval_the_effects_are_refused_and_with_one_they_may_be_applied(
    world: World, approve: Approve
) -> None:
    change(world)
    prepared = world.prepare()
    judged = coverage.judge(prepared.plan, (), permitting.teams_of(prepared), Approvals(required=1), world.folder)
    assert judged is not None, "the plan was judged"
    assert judged.missing
    assert "not approved by 1 of credit (approved by nobody so far)" in missing(world)
    approval = approve("bea")
    assert may(world) == Permission((), (approval.id,))


@pytest.mark.capability("model-development/model-approval-workflow", by="trueup.approve.approvals:sign")
def test_an_approval_names_who_gave_it_and_every_effect(world: World, approve: Approve) -> None:
    change(world)
    approval = approve("bea")
    assert approval is not None, "an approval was signed"
    assert approval.format == "ssh"
    assert approval.signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert approval.entries == world.prepare().plan.seal
    assert seals.parse(seals.form(approval)) == approval


def test_an_approval_holds_over_a_squash_merge(world: World, approve: Approve) -> None:
    change(world, "topic")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout")
    approve("bea", "topic")
    world.git("switch", "--quiet", "main")
    world.git("merge", "--quiet", "--squash", "topic")
    squashed = world.commit("Both at once")
    assert squashed != world.git("rev-parse", "topic")
    assert missing(world) == ""


def test_an_approval_holds_over_an_unrelated_merge(world: World, approve: Approve) -> None:
    change(world, "topic")
    approve("bea", "topic")
    world.git("switch", "--quiet", "main")
    world.write("notes.md", "Something else.\n")
    world.commit("Notes", email="cem@example.com")
    world.git("merge", "--quiet", "--no-edit", "topic")
    assert missing(world) == ""


def test_someone_elses_effects_are_not_covered(world: World, approve: Approve) -> None:
    change(world, "topic")
    approve("bea", "topic")
    world.git("switch", "--quiet", "main")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit("A longer timeout", email="cem@example.com")
    world.git("merge", "--quiet", "--no-edit", "topic")
    said = missing(world)
    assert said.startswith("2 of ")
    assert "timeoutSeconds" in said
    assert "(approved by bea so far)" in said


def test_another_value_than_the_approved_one_is_not_covered(world: World, approve: Approve) -> None:
    change(world)
    approve("bea")
    world.edit("model.yaml", "default: 2.0", "default: 3.0")
    world.commit()
    assert missing(world) != ""


def test_steps_that_vanished_are_fine(world: World, approve: Approve) -> None:
    change(world)
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    approve("bea")
    world.edit("endpoint.yaml", "timeout: 20s", "timeout: 10s")
    world.commit("Not now")
    assert missing(world) == ""


def test_a_more_severe_way_to_the_same_effect_is_not_covered(world: World, approve: Approve) -> None:
    change(world)
    approval = approve("bea")
    plan = world.prepare().plan

    def judged(action: Action) -> tuple[str, ...]:
        entries = tuple(replace(e, action=action) for e in plan.seal)
        found = [seals.form(approval)]
        teams = permitting.teams_of(world.prepare())
        return coverage.judge(replace(plan, seal=entries), found, teams, Approvals(required=1), world.folder).missing

    assert judged(Action.UPDATE) == ()
    assert judged(Action.MOVE) == (), "a milder one is covered"
    assert judged(Action.MAYBE_REPLACE) != ()
    assert judged(Action.REPLACE) != ()
    assert judged(Action.DELETE) != ()


def test_two_approvals_cover_together_what_each_covers_in_part(world: World, approve: Approve) -> None:
    change(world, "one")
    approve("bea", "one")
    world.git("switch", "--quiet", "main")
    world.git("switch", "--quiet", "-c", "two")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    approve("cem", "two")
    world.git("merge", "--quiet", "--no-edit", "one")
    assert missing(world) == ""
    assert len(may(world).approvals) == 2


def test_two_people_are_two_people(world: World, approve: Approve) -> None:
    world.edit("environments.yaml", "required: 1", "required: 2")
    change(world)
    approve("bea")
    approve("bea")
    assert "by 2 of credit (approved by bea so far)" in missing(world)
    approve("cem")
    assert missing(world) == ""


def test_the_author_does_not_count(world: World, approve: Approve) -> None:
    change(world)
    approve("ada")
    assert missing(world) != ""


def test_the_author_does_not_count_either_when_someone_else_merges(world: World, approve: Approve) -> None:
    change(world, "topic")
    approve("ada", "topic")
    world.git("switch", "--quiet", "main")
    world.write("notes.md", "Something else.\n")
    world.commit("Notes", email="cem@example.com")
    world.git("-c", "user.email=cem@example.com", "merge", "--quiet", "--no-edit", "topic")
    assert missing(world) != ""


def test_a_co_author_of_a_squash_does_not_count(world: World, approve: Approve) -> None:
    world.edit("model.yaml", "default: 1.0", "default: 2.0")
    world.commit("Less regularisation\n\nCo-authored-by: Bea <Bea@example.com>", email="forge@example.com")
    approve("bea")
    assert missing(world) != ""
    approve("cem")
    assert missing(world) == ""


def test_restoring_what_is_recorded_needs_no_approval(world: World) -> None:
    from trueup.plan.planning import Observation, Revision, plan
    from trueup.plan.values import PropertyChange

    prepared = world.prepare()
    table = next(r.address for r in prepared.compilation.resources() if r.address.type == "trueup:data:Table")
    service = next(r.address for r in prepared.compilation.resources() if r.address.type == "trueup:serve:Service")
    seen = Observation(drifted={table: (PropertyChange("uri", "home:a", "home:b"),)}, gone=frozenset({service}))
    drifted, _ = plan(prepared.catalog, prepared.compilation, prepared.recorded, Revision(), observed=seen)
    assert {s.exempt for s in drifted.steps} == {"drift"}
    assert len(drifted.steps) == 2
    assert drifted.seal == ()
    assert coverage.judge(drifted, (), {}, Approvals(required=1), world.folder) == coverage.Covered()


def stored(world: World, form: dict[str, Any]) -> None:
    world.workspace.ledger.append(Event(EventKind.APPROVED, "dev"), ApprovalUpdate("dev", "forged", form))


@pytest.mark.parametrize(
    "forge",
    [
        lambda f: f["entries"].pop(),
        lambda f: f["entries"][0].__setitem__(2, "delete"),
        lambda f: f["entries"][0].__setitem__(5, {"other": "value"}),
        lambda f: f.update(environment="prod"),
        lambda f: f.update(workspace="another"),
        lambda f: f.update(time="2000-01-01T00:00:00+00:00"),
        lambda f: f["signature"].update(format="gpg"),
        lambda f: f["signature"].update(value="not a signature"),
        lambda f: f.update(version=2),
        lambda f: f.pop("signature"),
    ],
)
def test_an_approval_that_was_changed_does_not_count(world: World, approve: Approve, forge: Any) -> None:
    change(world)
    form = json.loads(json.dumps(seals.form(approve("bea"))))
    world.workspace.ledger.append(Event(EventKind.APPLIED, "dev"))
    stored(world, form)
    assert missing(world) == "", "as it was signed, it counts"
    world.workspace.ledger.append(Event(EventKind.APPLIED, "dev"))
    forge(form)
    stored(world, form)
    assert missing(world) != ""


def test_a_signature_for_something_else_is_none(
    world: World, keys: dict[str, Path], approve: Approve, tmp_path: Path
) -> None:
    """A signature of the same bytes by the same key, made for a file: its namespace is another."""
    import subprocess

    change(world)
    approval = approve("bea")
    world.workspace.ledger.append(Event(EventKind.APPLIED, "dev"))
    data = seals.payload(approval.workspace, approval.environment, approval.entries, approval.time)
    command = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(keys["bea"])]
    other = subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()
    stored(world, seals.form(replace(approval, signature=other)))
    assert missing(world) != ""


def test_a_key_of_nobody_cannot_approve(world: World, approve: Approve) -> None:
    change(world)
    with pytest.raises(approvals.ApprovalError, match="no member of a Team"):
        approve("mallory")


def test_a_key_that_left_the_team_does_not_count_any_more(
    world: World, approve: Approve, keys: dict[str, Path]
) -> None:
    change(world)
    approve("bea")
    world.edit("teams.yaml", keys["bea"].read_text().strip(), keys["mallory"].read_text().strip())
    world.commit("Bea has a new key", email="cem@example.com")
    assert missing(world) != ""


def test_a_member_without_an_address_cannot_rule_out_being_the_author(world: World, approve: Approve) -> None:
    world.edit("teams.yaml", "user: bea, email: bea@example.com,", "user: bea,")
    change(world)
    with pytest.raises(approvals.ApprovalError, match="no `email`"):
        approve("bea")


def test_the_author_is_told_before_an_approval_that_would_not_count(world: World, keys: dict[str, Path]) -> None:
    change(world)
    world.git("config", "user.signingKey", str(keys["ada"]))
    prepared = world.prepare()
    own = permitting.authors_of(world.workspace, prepared)
    with pytest.raises(approvals.ApprovalError, match=r"ada@example\.com wrote it"):
        approvals.sign(world.folder, prepared.plan, permitting.teams_of(prepared), own)
    world.git("config", "user.signingKey", str(keys["bea"]))
    assert approvals.sign(world.folder, prepared.plan, permitting.teams_of(prepared), own).by == "bea"


def test_without_a_key_it_says_how_to_make_one(world: World) -> None:
    change(world)
    prepared = world.prepare()
    with pytest.raises(approvals.ApprovalError, match="ssh-keygen -t ed25519"):
        approvals.sign(world.folder, prepared.plan, permitting.teams_of(prepared))


def test_an_approval_is_spent_by_the_apply_that_it_allowed(world: World, approve: Approve) -> None:
    change(world)
    approve("bea")
    world.apply(version=2)
    world.edit("model.yaml", "default: 2.0", "default: 1.0")
    world.commit("Back")
    world.apply(version=3)
    world.edit("model.yaml", "default: 1.0", "default: 2.0")
    world.commit("And again")
    assert missing(world) != ""


def test_the_order_of_effects_is_no_matter_to_what_is_signed(world: World) -> None:
    change(world)
    plan: Plan = world.prepare().plan
    assert len(plan.seal) > 2
    one, other = (seals.payload("w", "dev", e, "t") for e in (plan.seal, plan.seal[::-1]))
    assert one == other
    assert replace(plan, seal=plan.seal[::-1]).seal_digest == plan.seal_digest
    less = seals.payload("w", "dev", plan.seal[1:], "t")
    assert less != one


def test_what_is_known_only_after_a_run_is_sealed_as_its_fingerprint(world: World) -> None:
    def symbols(number: str) -> dict[str, str]:
        change(world, number=number)
        entries: tuple[SealEntry, ...] = world.prepare().plan.seal
        world.edit("model.yaml", f"default: {number}", "default: 1.0")
        return {e.urn + e.path: json.dumps(e.desired) for e in entries if "$output" in json.dumps(e.desired)}

    first, second = symbols("2.0"), symbols("3.0")
    assert first.keys() == second.keys()
    assert first
    assert not set(first.values()) & set(second.values())
