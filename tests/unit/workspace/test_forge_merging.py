"""What jobs compare and refuse before anything is done: environments, order, pins, conflicts; and commits without an effect."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.record.events import DONE, EventKind
from trueup.views.comments import plan as comments
from trueup.workspace import merging, operating, proposed
from trueup.workspace.opening import WorkspaceError

World = Any
STAGING = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: staging }\nspec: { target: local }\n"


def planned(world: World, base: str, head: str, *names: str) -> proposed.Planned:
    request = proposed.Request(world.git("rev-parse", base), world.git("rev-parse", head), (base, head))
    return proposed.planned(world.workspace, request, names)


def environments(found: proposed.Planned) -> list[str]:
    return [e.plan.environment for e in found.review.environments]


def test_all_environments_are_planned_that_the_base_branch_has_and_the_merge_keeps(churn: World) -> None:
    churn.git("checkout", "-q", "-b", "change")
    churn.write("staging.yaml", STAGING)
    churn.commit()
    known = environments(planned(churn, "main", "change"))
    assert {"dev", "prod"} <= set(known) and "staging" not in known, "rules for a new one come with its merge"
    with pytest.raises(WorkspaceError, match=f"no environment 'staging'; it has: {', '.join(known)}") as error:
        planned(churn, "main", "change", "staging")
    assert error.value.code == 3
    assert environments(planned(churn, "change", "change", "staging")) == ["staging"]


def test_the_comment_says_which_environments_come_and_go_and_what_stays_of_them(churn: World) -> None:
    churn.write("canary.yaml", STAGING.replace("staging", "canary"))
    churn.commit()
    churn.git("checkout", "-q", "-b", "change")
    churn.write("staging.yaml", STAGING)
    churn.git("rm", "-q", "canary.yaml")
    churn.commit()

    def where() -> str:
        lines = comments.bodies(planned(churn, "main", "change", "dev").review)[0].splitlines()
        return next(line for line in lines if "**Where**" in line)

    assert "`staging` is new, and is planned once it is merged" in where()
    assert "`canary` is removed" in where() and "stay" not in where(), "nothing of it was applied"
    churn.git("checkout", "-q", "main")
    churn.apply("canary")
    assert "of it stay until `trueup destroy canary`" in where()


def test_no_environment_is_no_success(churn: World) -> None:
    churn.git("checkout", "-q", "-b", "empty")
    files = [f for f in churn.git("ls-files").splitlines() if f != "trueup.yaml"]
    churn.git("rm", "-q", *files)
    churn.commit()
    for base in ("main", "empty"):
        with pytest.raises(WorkspaceError, match="Nothing was planned") as error:
            planned(churn, base, "empty")
        assert error.value.code == 3
    with pytest.raises(WorkspaceError, match="nothing was applied") as error:
        merging.chosen(churn.workspace, churn.git("rev-parse", "empty"), ())
    assert error.value.code == 3


def test_a_conflict_is_a_result_in_the_names_that_people_know(churn: World) -> None:
    churn.git("checkout", "-q", "-b", "change")
    churn.edit("churn/model.yaml", "default: 0.5", "default: 0.1")
    churn.commit()
    churn.git("checkout", "-q", "main")
    churn.edit("churn/model.yaml", "default: 0.5", "default: 0.2")
    churn.commit()
    found = planned(churn, "main", "change")
    (conflict,) = found.review.invalid
    assert found.invalid and conflict.code == "TRU0020"
    assert conflict.summary.startswith("change and main both") and "Merge main into" in conflict.fix


def test_a_plan_of_a_pull_request_leaves_nothing_in_the_ledger(churn: World) -> None:
    churn.apply("dev")
    before = churn.workspace.ledger.newest()
    churn.git("checkout", "-q", "-b", "change")
    churn.edit("churn/model.yaml", "default: 0.5", "default: 0.1")
    churn.commit()
    found = planned(churn, "main", "change", "dev")
    assert found.prepared[0].plan.steps and churn.workspace.ledger.newest() == before


def test_an_older_commit_is_refused_and_one_beside_is_not(world: World) -> None:
    first = world.git("rev-parse", "HEAD")
    world.write("NOTE.md", "x")
    second = world.commit()
    world.apply()
    assert merging.check_order(world.workspace, "dev", second) is None
    with pytest.raises(WorkspaceError, match="is older than") as error:
        merging.check_order(world.workspace, "dev", first)
    assert error.value.code == 5
    world.git("checkout", "-q", "-b", "beside", first)
    world.write("OTHER.md", "y")
    assert merging.check_order(world.workspace, "dev", world.commit()) is None


def test_a_pin_holds_until_the_base_branch_says_the_same(world: World) -> None:
    good = world.git("rev-parse", "HEAD")
    world.edit("model.yaml", "max_iter: 1000", "max_iter: 2000")
    bad = world.commit()
    operating.pin(world.workspace, "dev", good, "errors at night")
    with pytest.raises(WorkspaceError, match="pinned") as error:
        merging.settle_pin(world.workspace, "dev", bad)
    assert error.value.code == 7
    world.git("revert", "--no-edit", "HEAD")
    merging.settle_pin(world.workspace, "dev", world.git("rev-parse", "HEAD"))
    assert not world.workspace.ledger.recorded().pins


def test_a_commit_that_changes_nothing_is_recorded_once_so_that_old_approvals_are_spent(world: World) -> None:
    world.apply()
    world.write("NOTE.md", "x")
    commit = world.commit()
    for _ in range(2):
        merging.advance(world.workspace, "dev", commit)
    entries = [e for e in world.workspace.ledger.entries() if e.event.commit == commit]
    assert len(entries) == 1 and entries[0].event.details["effects"] == 0
    last = world.workspace.ledger.last("dev", EventKind.APPLIED, outcome=DONE)
    assert last is not None and last.event.commit == commit


def test_an_anchor_that_is_no_id_is_refused(world: World) -> None:
    world.apply()
    newest = world.workspace.ledger.newest()
    assert merging.given_anchor(world.workspace, newest).sequence == world.workspace.ledger.entry(newest).sequence
    assert merging.given_anchor(world.workspace, "0" * 40).sequence == 0
    with pytest.raises(WorkspaceError, match="no full id"):
        merging.given_anchor(world.workspace, "HEAD")
