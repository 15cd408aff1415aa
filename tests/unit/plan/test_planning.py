"""What a change of the specs means: nothing, metadata, a run with what follows it, or an error."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.plan.values import DANGER, Action, Category, Danger, Plan

World = Any
MODEL, ENDPOINT = "Model/credit/risk", "Endpoint/credit/risk"


def types(plan: Plan) -> list[str]:
    return sorted(s.address.type.removeprefix("trueup:") for s in plan.steps)


def test_right_after_an_apply_there_is_nothing_to_do(applied: World) -> None:
    plan = applied.prepare().plan
    assert (plan.empty, plan.seal, plan.changes) == (True, (), ())


def test_a_first_plan_makes_everything(world: World) -> None:
    plan = world.prepare().plan
    assert {s.action for s in plan.steps} == {Action.CREATE}
    assert types(plan) == sorted(
        [
            "data:Table",
            "registry:Alias",
            "registry:RegisteredModel",
            "run:Gate",
            "run:Run",
            "serve:Gateway",
            "serve:Service",
        ]
    )
    assert [[s.layer for s in wave] for wave in plan.order] == [["data"], ["model"], ["serving"]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: Model\n", "# The model of the credit team.\nkind: Model\n"),
        (
            "  task: classification\n  label: status\n",
            "  label: status   # what is predicted\n\n  task: 'classification'\n",
        ),
        ("    - { metric: roc_auc, threshold: 0.75 }", "    - threshold: 0.75\n      metric: roc_auc"),
    ],
)
def test_comments_order_and_layout_change_nothing(applied: World, old: str, new: str) -> None:
    applied.edit("model.yaml", old, new)
    plan = applied.prepare().plan
    assert (plan.empty, plan.changes) == (True, ())


def test_an_owner_is_metadata_only(applied: World) -> None:
    applied.write("teams.yaml", TEAM)
    applied.edit("model.yaml", "name: risk\nspec", "name: risk\n  owner: credit\nspec")
    plan = applied.prepare().plan
    assert {c.key: c.category for c in plan.changes if c.key == MODEL} == {MODEL: Category.METADATA}
    assert {s.category for s in plan.steps} == {Category.METADATA}
    assert {s.origin for s in plan.steps} == {MODEL}
    assert (plan.evidence.runs, plan.evidence.downstream) == ((), ())


def test_a_training_parameter_plans_the_run_the_version_and_the_endpoints_by_name(applied: World) -> None:
    applied.edit("model.yaml", "default: 1.0", "default: 2.0")
    plan = applied.prepare().plan
    assert types(plan) == ["registry:Alias", "run:Gate", "run:Run", "serve:Service"]
    assert [name for name, _ in plan.evidence.runs] == [MODEL]
    assert ENDPOINT in plan.evidence.downstream
    assert {s.origin: s.direct for s in plan.steps if s.origin == ENDPOINT} == {ENDPOINT: False}
    assert [c.key for c in plan.changes] == ["Pipeline/credit/training"]
    assert plan.changes[0].category is Category.BREAKING


def test_an_added_column_is_non_breaking_and_trains_nothing(applied: World) -> None:
    last = "      - { name: price, logicalType: integer, required: true }\n"
    applied.edit("data.yaml", last, last + "      - { name: region, logicalType: string }\n")
    prepared = applied.prepare()
    assert not prepared.forbidden
    assert {c.key: c.category for c in prepared.plan.changes} == {"Dataset/credit/applications": Category.NON_BREAKING}
    assert prepared.plan.evidence.runs == ()
    assert [s.category for s in prepared.plan.steps if s.address.type == "trueup:data:Table"] == [Category.NON_BREAKING]


def test_a_removed_column_that_the_model_uses_is_an_error_at_plan(applied: World) -> None:
    applied.edit("data.yaml", "      - { name: debt, logicalType: integer }\n", "")
    prepared = applied.prepare()
    assert prepared.forbidden
    found = [d for d in prepared.diagnostics if d.code == "TRU2101"]
    assert len(found) == 1
    assert "'debt'" in found[0].summary
    assert "drop: [debt]" in found[0].fix


def test_a_removed_column_that_the_training_lets_go_is_planned(applied: World) -> None:
    applied.edit("data.yaml", "      - { name: debt, logicalType: integer }\n", "")
    applied.edit(
        "model.yaml",
        "max_iter: 1000 }\n",
        "max_iter: 1000 }\n        features: [seniority, age, income]\n        label: status\n",
    )
    prepared = applied.prepare()
    assert not prepared.forbidden
    assert [name for name, _ in prepared.plan.evidence.runs] == [MODEL]


def test_a_column_that_the_last_training_dropped_may_go(applied: World) -> None:
    applied.edit("model.yaml", "max_iter: 1000 }\n", "max_iter: 1000 }\n        drop: [debt]\n")
    applied.apply(version=2)
    applied.edit("data.yaml", "      - { name: debt, logicalType: integer }\n", "")
    applied.edit("model.yaml", "        drop: [debt]\n", "")
    assert not applied.prepare().forbidden


def test_a_renamed_dataset_keeps_its_data(applied: World) -> None:
    applied.edit("data.yaml", "name: applications\nspec", "name: requests\n  movedFrom: applications\nspec")
    text = (applied.folder / "model.yaml").read_text()
    applied.write("model.yaml", text.replace("dataset: applications", "dataset: requests"))
    plan = applied.prepare().plan
    assert {s.action for s in plan.steps if s.address.type == "trueup:data:Table"} <= {Action.MOVE, Action.UPDATE}
    assert not [s for s in plan.steps if s.danger >= Danger.REPLACE]
    assert [(c.key, c.change) for c in plan.changes if "Dataset" in c.key] == [("Dataset/credit/requests", "renamed")]


def test_a_renamed_endpoint_deletes_nothing(applied: World) -> None:
    applied.edit("endpoint.yaml", "name: risk\nspec", "name: score\n  movedFrom: risk\nspec")
    plan = applied.prepare().plan
    assert not [s for s in plan.steps if s.action in (Action.DELETE, Action.REPLACE, Action.CREATE)]


def test_a_removed_document_is_deleted_or_kept_as_its_policy_says(applied: World) -> None:
    applied.git("rm", "-q", "endpoint.yaml")
    plan = applied.prepare().plan
    assert {s.address.type: s.action for s in plan.steps} == {
        "trueup:serve:Service": Action.DELETE,
        "trueup:serve:Gateway": Action.DELETE,
    }
    applied.git("rm", "-q", "model.yaml", "data.yaml")
    actions = {s.address.type: s.action for s in applied.prepare().plan.steps}
    assert actions["trueup:data:Table"] is Action.FORGET, "what holds data stays"
    assert actions["trueup:registry:RegisteredModel"] is Action.FORGET
    assert actions["trueup:run:Run"] is Action.DELETE


def test_steps_are_ordered_by_danger() -> None:
    ordered = [Action.MOVE, Action.UPDATE, Action.MAYBE_REPLACE, Action.REPLACE, Action.DELETE]
    found = [DANGER[a] for a in ordered]
    assert found == sorted(found)
    assert len(set(found)) == 5
    assert DANGER[Action.FORGET] > DANGER[Action.MAYBE_REPLACE]
    assert set(DANGER) == set(Action)


def test_changed_data_of_the_repository_loads_and_trains(applied: World) -> None:
    path = applied.folder / "data/credit.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    plan = applied.prepare().plan
    assert "data:Table" in types(plan)
    assert [name for name, _ in plan.evidence.runs] == [MODEL]


def test_durations_of_former_runs_are_expected_of_new_ones(applied: World) -> None:
    from trueup.record.events import Event, EventKind
    from trueup.record.updates import DurationUpdate

    applied.workspace.ledger.append(Event(EventKind.RUN, "dev"), DurationUpdate({MODEL: 42.0}))
    applied.edit("model.yaml", "default: 1.0", "default: 2.0")
    assert applied.prepare().plan.evidence.runs == ((MODEL, 42.0),)


@pytest.mark.capability("model-development/git-based-workflow", by="trueup.load.trees:merged")
def test_a_plan_of_a_merge_is_of_what_the_base_branch_would_hold(applied: World) -> None:
    from trueup.load import trees

    applied.git("switch", "--quiet", "-c", "change")
    applied.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    applied.commit("A longer timeout")
    applied.git("switch", "--quiet", "main")
    applied.edit("model.yaml", "default: 1.0", "default: 2.0")
    applied.commit("Less regularisation")
    workspace = applied.workspace
    merged = trees.merged(workspace.repository, "main", "change", workspace.prefix)
    assert merged is not None, "there is a merge"
    from trueup.workspace.planning import prepare

    plan = prepare(workspace, "dev", merged.tree).plan
    assert {c.key for c in plan.changes} == {"Endpoint/credit/risk", "Pipeline/credit/training"}
    assert "serve:Service" in types(plan)
    assert "run:Run" in types(plan)


TEAM = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata:
  name: credit
spec:
  members: [{ user: ada, email: ada@example.com }]
  owns: [credit]
"""
