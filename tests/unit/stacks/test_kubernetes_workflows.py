"""Pipelines on the runner `argo`: the manifests as they were agreed on, what each field does there, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from trueup_test_changes import honoured_fields
from trueup_test_scenes import assert_agreed, catalog, compiled, scene

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS
from trueup_stacks.core.resources import encode
from trueup_stacks.kubernetes.workflows_conditions import NotInArgo, expression

SCENE = "kubernetes-argo"
IMAGE = f"example.com/steps@sha256:{'0' * 64}"
ONE = {"name": "one", "run": ["true"]}


def compiled_of(
    spec: dict[str, Any], runner: str = "argo", components: tuple[str, ...] = ("argo-workflows",)
) -> Compilation:
    written: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "runner": {"type": runner}, "cluster": {"components": components}},
        "Pipeline/churn/sums": {"image": IMAGE, **spec},
    }
    return compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))


def refusals(spec: dict[str, Any], **more: Any) -> list[str]:
    return [f"{d.detail} {d.summary}" for d in compiled_of(spec, **more).diagnostics]


def template(spec: dict[str, Any]) -> Any:
    made = compiled_of(spec)
    assert made.diagnostics == ()
    (found,) = (r.properties["spec"] for r in made.resources() if r.address.type.endswith(":WorkflowTemplate"))
    return found


def test_the_manifests_are_the_agreed_ones() -> None:
    made = [
        {"address": str(r.address), "properties": encode(r.properties), "dependsOn": [str(a) for a in r.depends_on]}
        for r in compiled(SCENE).resources()
        if r.origin.kind == "Pipeline" or r.address.name == "trueup-executor"
    ]
    assert_agreed(SCENE, made)


def test_every_field_of_a_pipeline_changes_something_or_is_said_not_to() -> None:
    assert compiled(SCENE).diagnostics == ()
    honoured, changing = honoured_fields(scene(SCENE), "Pipeline")
    assert len(honoured) == 23
    assert honoured - changing == set()


def test_argo_must_be_installed() -> None:
    (said,) = compiled_of({"steps": [ONE]}, components=()).diagnostics
    assert "needs Argo Workflows" in said.summary
    assert "Helm chart argo/argo-workflows" in said.fix and "`argo-workflows`" in said.fix


@pytest.mark.parametrize(("spec", "field", "why"), [
    ({"steps": [{**ONE, "when": "params.n.startsWith('a')"}], "params": {"n": {"type": "string"}}}, "when", "startsWith"),
    ({"steps": [{**ONE, "when": "size(params) > 1"}]}, "when", "'size(params) > 1'"),
    ({"steps": [ONE, {**ONE, "name": "two", "when": "steps.one.phase == 'succeeded'"}]}, "when", "steps.one.phase"),
    ({"steps": [{**ONE, "retry": {"limit": 1, "factor": 1.5}}]}, "retry.factor", "1.5"),
    ({"steps": [{**ONE, "run": "docker ps --format '{{.Names}}'"}]}, "run", "placeholder"),
    ({"steps": [{**ONE, "env": {"A": "{{x}}"}}]}, "run", "placeholder"),
    ({"steps": [ONE], "params": {"n": {"type": "string", "default": "{{x}}"}}}, "params.n.default", "placeholder"),
    ({"steps": [ONE], "triggers": [{"schedule": {"cron": "0 3 * * MON"}}]}, "schedule.cron", "MON"),
    ({"steps": [ONE], "image": None}, "spec.image", "needs an image"),
    ({"steps": [{**ONE, "outputs": {"m": {"path": "a/b"}}}]}, "outputs", "a/b"),
])  # fmt: skip
def test_what_argo_cannot_do_is_refused(spec: dict[str, Any], field: str, why: str) -> None:
    (said,) = refusals(spec)
    assert field in said and why in said


def test_a_built_in_step_is_not_honoured() -> None:
    made = compiled_of({"steps": [{"name": "load", "uses": "load"}]})
    assert [d.code for d in made.diagnostics] == ["TRU2002"] and "spec.steps[].uses" in made.diagnostics[0].summary


@pytest.mark.parametrize("runner", ["ray", "argo", "jobs"])
def test_a_runner_of_another_target_is_refused_on_this_machine(runner: str) -> None:
    written: dict[str, Any] = {
        "Environment/dev": {"target": "local", "runner": {"type": runner}},
        "Pipeline/churn/sums": {"steps": [ONE]},
    }
    (said,) = compile_catalog(catalog({Key.parse(k): v for k, v in written.items()})).diagnostics
    assert said.severity.value == "error" and f"`{runner}`" in said.summary and "this machine" in said.summary


def test_a_claim_is_made_only_where_files_are_handed_over() -> None:
    alone = template({"steps": [{**ONE, "outputs": {"x": {}}}, {**ONE, "name": "two"}]})
    assert "volumeClaimTemplates" not in alone and {v["name"] for v in alone["volumes"]} == {"tmp", "work"}
    handed = template({"steps": [{**ONE, "outputs": {"x": {}}}, {**ONE, "name": "two", "inputs": {"x": "one.x"}}]})
    assert [c["metadata"]["name"] for c in handed["volumeClaimTemplates"]] == ["work"]
    assert all("affinity" in t for t in handed["templates"] if "container" in t)


@pytest.mark.parametrize(("condition", "said"), [
    ("params.n > 1 && !(params.on)", "asInt(workflow.parameters['n']) > 1 && ! ( (workflow.parameters['on'] == 'true') )"),
    ('params["a-b"] != "x y"', "workflow.parameters['a-b'] != \"x y\""),
    ("steps.fit.metrics.auc >= params.x", "jsonpath(tasks['fit'].outputs.parameters.metrics, '$.auc') >= "
     "asFloat(workflow.parameters['x'])"),
    ("true || -1.5e3 < 2", "true || - 1.5e3 < 2"),
])  # fmt: skip
def test_a_condition_in_argos_words(condition: str, said: str) -> None:
    pipeline = KINDS["Pipeline"].spec.model_validate({
        "steps": [ONE],
        "params": {"n": {"type": "integer"}, "on": {"type": "boolean"}, "a-b": {"type": "string"}, "x": {"type": "number"}},
    })  # fmt: skip
    assert expression(condition, pipeline.params) == said


@pytest.mark.parametrize(
    "condition",
    ["1u > 0", "'a' + 'b' == 'ab'", "params.unknown > 1", "params.n in [1]", "'}}' == ''", "a.b", "1.5.5 > 1"],
)
def test_what_argo_says_otherwise_is_not_translated(condition: str) -> None:
    with pytest.raises(NotInArgo):
        expression(condition, {})
