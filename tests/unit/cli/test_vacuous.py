"""Vacuous success is impossible: each way in which nothing is done, or something is skipped, has an exit code and a text of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.apply import locks
from trueup.apply.outcome import StackResult
from trueup.apply.pulumi import Driver
from trueup.workspace.drivers import backend_of
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import StackId

World = Any
Trueup = Callable[..., Any]
STAGING = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: staging }\nspec: { target: local }\n"
STORE = "apiVersion: trueup.dev/v1alpha1\nkind: ObjectStore\nmetadata: { name: raw, environments: [dev] }\nspec: {}\n"
OK, FAILURE, CHANGES, NOTHING, INVALID, STALE, LOCKED, DENIED = range(8)
PARTLY, UNTOLD, NO_TOKEN, UNREACHED = 10, 11, 12, 13


@pytest.fixture
def bare(world: World) -> World:
    """A workspace with an environment, and nothing that becomes a resource there."""
    for file in sorted(p.name for p in world.folder.glob("*.yaml")):
        if file not in ("trueup.yaml", "environments.yaml"):
            world.git("rm", "-q", file)
    keep_state(world)
    world.commit("Only the environment")
    return world


def keep_state(world: World, more: str = "") -> None:
    """Gives dev a state that outlives a job."""
    state = world.folder.parent / "state"
    text = f'  target: local\n  state: {{ backend: "file://{state}" }}{more}'
    world.edit("environments.yaml", "  target: local", text)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, github: Any) -> Any:
    """The variables of a job on the stand-in of GitHub, with no token."""
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_API_URL": github.api,
        "GITHUB_REPOSITORY": github.project,
        "TRUEUP_PULL_REQUEST": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return github


# --- nothing is selected ---


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "staging"],
        ["apply", "staging"],
        ["ci", "plan", "staging", "--base", "main"],
        ["ci", "apply", "staging"],
        ["reconcile", "staging"],
        ["rollback", "staging", "--to", "HEAD"],
        ["promote", "risk", "--to", "staging"],
        ["destroy", "staging"],
    ],
    ids=" ".join,
)
def test_an_environment_that_there_is_not_is_3(world: World, trueup: Trueup, command: list[str]) -> None:
    said = trueup(world, *command)
    assert said.code == NOTHING
    assert "staging" in said.err + said.out or "promotion.path" in said.err
    assert not list(world.workspace.ledger.entries()), "and nothing is recorded of it"


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "dev"],
        ["apply", "dev"],
        ["apply", "dev", "--refresh"],
        ["ci", "apply"],
        ["ci", "apply", "dev"],
        ["rollback", "dev", "--to", "HEAD"],
    ],
    ids=" ".join,
)
def test_an_environment_in_which_nothing_is_is_3(bare: World, trueup: Trueup, command: list[str]) -> None:
    said = trueup(bare, *command)
    assert said.code == NOTHING
    assert "No document becomes a resource in dev" in said.err and "nothing is selected" in said.err
    assert "Applied" not in said.out and not list(bare.workspace.ledger.entries())


def test_an_environment_in_which_nothing_is_is_3_for_the_loop_and_for_machines(bare: World, trueup: Trueup) -> None:
    said = trueup(bare, "reconcile", "dev")
    assert said.code == NOTHING and "No document becomes a resource in dev" in said.out
    said = trueup(bare, "apply", "dev", "--output", "json")
    assert said.code == NOTHING and said.json["outcome"] == "vacant"
    said = trueup(bare, "destroy", "dev", "--yes", "--output", "json")
    assert said.code == NOTHING and said.json["outcome"] == "vacant" and "nothing was destroyed" in said.err


def test_a_commit_without_environments_is_3(world: World, trueup: Trueup) -> None:
    world.git("rm", "-q", "environments.yaml")
    world.commit()
    assert "has no environment, so nothing was applied" in trueup(world, "ci", "apply").err
    assert trueup(world, "ci", "apply").code == NOTHING
    said = trueup(world, "ci", "plan", "--base", "main")
    assert said.code == NOTHING and "Nothing was planned" in said.err


def test_a_revision_that_there_is_not_is_3(world: World, trueup: Trueup) -> None:
    for command in (
        ["plan", "dev", "--revision", "nowhere"],
        ["apply", "dev", "--revision", "nowhere"],
        ["ci", "plan", "--base", "nowhere"],
        ["ci", "apply", "--revision", "nowhere"],
        ["rollback", "dev", "--to", "nowhere"],
        ["reconcile", "dev", "--revision", "nowhere"],
    ):
        said = trueup(world, *command)
        assert said.code == NOTHING, command
        assert "nowhere" in said.err + said.out, command


def test_no_open_pull_request_is_3(world: World, trueup: Trueup, job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", job.app())
    remote(world, world.folder.parent / "hub")
    said = trueup(world, "ci", "plan", "--open")
    assert said.code == NOTHING and "no open pull request" in said.err and "nothing was planned" in said.err


def test_a_promotion_that_changes_nothing_is_3(churn: World, trueup: Trueup) -> None:
    churn.apply("dev", version=4)
    first = trueup(churn, "promote", "churn", "--to", "prod")
    assert first.code == OK, first.err
    churn.commit("Promote")
    said = trueup(churn, "promote", "churn", "--to", "prod")
    assert said.code == NOTHING and "already, so nothing was changed" in said.err
    assert not churn.git("status", "--porcelain")


def test_lifting_a_pin_that_there_is_not_is_3(world: World, trueup: Trueup) -> None:
    said = trueup(world, "rollback", "dev", "--lift")
    assert said.code == NOTHING and "nothing to lift" in said.err
    assert not list(world.workspace.ledger.entries())


def test_a_rollback_says_where_to_or_is_wrong_usage(world: World, trueup: Trueup) -> None:
    said = trueup(world, "rollback", "dev")
    assert said.code == 64 and "--to REV" in said.err


def test_nothing_to_do_is_said_as_such_and_is_no_success_of_something(world: World, trueup: Trueup) -> None:
    world.apply()
    said = trueup(world, "plan", "dev")
    assert said.code == OK and "nothing to do" in said.out
    assert trueup(world, "plan", "dev", "--detailed-exitcode").code == OK
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    assert trueup(world, "plan", "dev", "--detailed-exitcode").code == CHANGES


# --- something is skipped ---


@pytest.mark.usefixtures("pulumi_cli")
def test_an_environment_that_left_the_specs_is_10_until_it_is_destroyed(
    world: World, trueup: Trueup, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply()
    world.write("environments.yaml", STAGING.replace("{ target: local }", "{ target: local, paused: true }"))
    commit = world.commit("Another environment")
    said = trueup(world, "ci", "apply", "--output", "json")
    assert (
        "dev is in no spec any more, and 7 resources of it are recorded" in said.err
        and "trueup destroy dev" in said.err
    )
    assert said.json["commit"] == commit and set(said.json["forgotten"]) == {"dev"}
    assert said.code == PARTLY, "what is passed over outweighs what is refused"
    gone: list[StackId] = []

    def destroy(self: Any, id: StackId, on_event: Any) -> StackResult:
        gone.append(id)
        return StackResult(id, ok=True)

    monkeypatch.setattr(Driver, "destroy", destroy)
    said = trueup(world, "destroy", "dev", "--yes")
    assert said.code == OK, said.err
    assert [s.layer for s in gone] == ["serving", "model", "data"], (
        "from the outside in, by the state of what was applied last"
    )
    assert not trueup(world, "ci", "apply", "--output", "json").json["forgotten"]


def test_an_empty_environment_beside_another_is_said_and_keeps_no_other_from_success(
    bare: World, trueup: Trueup
) -> None:
    text = (bare.folder / "environments.yaml").read_text()
    state = bare.folder.parent / "staging"
    more = STAGING.replace("target: local", f'target: local, state: {{ backend: "file://{state}" }}')
    bare.write("environments.yaml", f"{text}---\n{more}")
    bare.write("store.yaml", STORE)
    bare.commit()
    bare.apply("dev")
    said = trueup(bare, "ci", "apply", "--output", "json")
    found = {e["environment"]: (e["outcome"], e["code"]) for e in said.json["environments"]}
    assert "in staging" in said.err and found["staging"] == ("vacant", NOTHING)
    assert trueup(bare, "ci", "apply", "staging").code == NOTHING, "asked for by name it is no success"
    assert found["dev"][0] != "vacant" and said.code == found["dev"][1]


@pytest.mark.usefixtures("pulumi_cli")
def test_a_destruction_that_stops_half_way_is_10_and_names_what_was_not_tried(
    world: World, trueup: Trueup, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply()

    def destroy(self: Any, id: StackId, on_event: Any) -> StackResult:
        ok = id.layer == "serving"
        ids = {} if ok else dict.fromkeys(world.workspace.ledger.recorded().stacks[id].resources, "x")
        return StackResult(id, ok=ok, ids=ids, error="" if ok else "the registry is gone")

    monkeypatch.setattr(Driver, "destroy", destroy)
    said = trueup(world, "destroy", "dev", "--yes")
    assert said.code == PARTLY
    assert "FAILED dev.credit.model" in said.out and "NOT TRIED dev.credit.data" in said.out
    assert "destroyed in part, 1 of 3 stacks" in said.out
    said = trueup(world, "destroy", "dev", "--yes", "--output", "json")
    assert said.code == FAILURE and said.json["outcome"] == "failed" and said.json["skipped"] == ["dev.credit.data"]
    assert not trueup(world, "destroy", "dev", "--yes").out.startswith("Destroyed")


@pytest.mark.usefixtures("pulumi_cli")
def test_stacks_that_another_process_works_on_are_6(
    world: World, trueup: Trueup, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply()
    monkeypatch.setattr(
        Driver, "destroy", lambda _self, id, _on_event: StackResult(id, ok=False, locked=True, error="held by ada")
    )
    said = trueup(world, "destroy", "dev", "--yes")
    assert said.code == LOCKED and "held by ada" in said.out and "Nothing of dev was destroyed" in said.out


def test_what_nobody_agreed_to_is_not_done_and_no_success(world: World, trueup: Trueup) -> None:
    world.apply()
    said = trueup(world, "destroy", "dev")
    assert said.code == FAILURE and "There is no terminal to ask on" in said.err


def test_a_paused_environment_is_7(world: World, trueup: Trueup) -> None:
    keep_state(world, "\n  paused: true")
    world.commit()
    for command in (["apply", "dev"], ["ci", "apply"], ["reconcile", "dev"]):
        said = trueup(world, *command)
        assert said.code == DENIED, command
        assert "paused" in said.err + said.out


def test_a_merge_that_cannot_be_planned_is_4(world: World, trueup: Trueup) -> None:
    world.git("checkout", "-q", "-b", "change")
    world.edit("endpoint.yaml", "timeout: 10s", "timeouts: 10s")
    world.commit()
    said = trueup(world, "ci", "plan", "--base", "main", "--head", "change")
    assert said.code == INVALID and "timeouts" in said.out
    for command in (["plan", "dev"], ["apply", "dev"], ["ci", "apply"], ["reconcile", "dev"]):
        assert trueup(world, *command).code == INVALID, command


def test_a_saved_plan_that_no_longer_holds_is_5(world: World, trueup: Trueup) -> None:
    assert trueup(world, "plan", "dev", "--out", "../plan.json").code == OK
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    said = trueup(world, "apply", "dev", "--plan", "../plan.json")
    assert said.code == STALE and "stale: The specs are another tree" in said.err
    assert not list(world.workspace.ledger.entries())


def test_a_loop_that_another_process_leads_is_6(world: World, trueup: Trueup) -> None:
    world.apply()
    backend = backend_of(world.workspace, EnvironmentSpec())
    assert backend.folder is not None
    folder = backend.folder / ".trueup" / "locks"
    held = locks.acquire(folder, world.workspace.name, StackId("dev", "loop", "leader"))
    try:
        said = trueup(world, "reconcile", "dev")
    finally:
        held.release()
    assert said.code == LOCKED and "leads since" in said.out


def test_one_environment_that_fails_keeps_no_other_from_its_turn(world: World, trueup: Trueup) -> None:
    world.apply()
    said = trueup(world, "reconcile", "staging", "dev", "--output", "json")
    assert said.code == NOTHING
    first, second = said.json
    assert first["action"] == "error" and "no environment 'staging'" in first["reasons"][0]
    assert second["environment"] == "dev" and second["action"] != "error"


def test_a_remote_that_does_not_answer_is_13_for_one_turn_of_the_loop(world: World, trueup: Trueup) -> None:
    world.apply()
    world.git("remote", "add", "origin", str(world.folder.parent / "away"))
    said = trueup(world, "reconcile", "dev", "--revision", "main")
    assert said.code == UNREACHED
    assert "Nothing can be fetched from origin" in said.err and "what was fetched before" in said.err


# --- no token, no forge ---


@pytest.mark.parametrize(
    "command",
    [
        ["ci", "plan"],
        ["ci", "plan", "--open"],
        ["ci", "apply"],
        ["promote", "risk", "--to", "prod", "--pull-request"],
        ["rollback", "dev", "--pull-request"],
        ["reconcile", "dev"],
        ["audit", "verify", "--forge"],
    ],
    ids=" ".join,
)
def test_a_missing_token_is_12(world: World, trueup: Trueup, job: Any, command: list[str]) -> None:
    world.apply()
    before = world.workspace.ledger.newest()
    said = trueup(world, *command)
    assert said.code == NO_TOKEN
    assert "GITHUB_TOKEN" in said.err and "nothing was done" in said.err
    assert world.workspace.ledger.newest() == before


@pytest.mark.parametrize(
    "command",
    [["promote", "risk", "--pull-request"], ["rollback", "dev", "--pull-request"], ["audit", "verify", "--forge"]],
    ids=" ".join,
)
def test_what_needs_a_forge_is_13_without_one(world: World, trueup: Trueup, command: list[str]) -> None:
    world.apply()
    said = trueup(world, *command)
    assert said.code == UNREACHED and "No forge is named" in said.err


def test_a_job_without_a_forge_says_that_nobody_is_told(world: World, trueup: Trueup) -> None:
    remote(world, world.folder.parent / "hub")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    said = trueup(world, "ci", "plan")
    assert said.code == OK and "nobody is told" in said.err and "Trueup:" in said.out
    assert "nobody is told" not in trueup(world, "ci", "plan", "--no-forge").err


def test_an_unknown_environment_does_not_hide_behind_a_known_one(world: World, trueup: Trueup) -> None:
    keep_state(world, "\n  paused: true")
    world.commit()
    said = trueup(world, "ci", "apply", "staging", "dev", "--output", "json")
    first, second = said.json["environments"]
    assert (first["environment"], first["code"]) == ("staging", NOTHING) and "no environment 'staging'" in first[
        "error"
    ]
    assert (second["outcome"], second["code"]) == ("denied", DENIED) and "paused" in second["refusals"][0]
    assert said.code == said.json["code"] == DENIED


def remote(world: World, hub: Path) -> None:
    """Gives a world a remote that knows its default branch."""
    world.git("init", "-q", "--bare", "--initial-branch=main", str(hub))
    world.git("remote", "add", "origin", str(hub))
    world.git("push", "-q", "origin", "main")
    world.git("fetch", "-q", "origin")
    world.git("remote", "set-head", "origin", "main")
