"""Pipelines on the runner `ray`: the agreed manifests, what each field does there, what is refused, and the program of the steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from trueup_test_changes import honoured_fields
from trueup_test_scenes import assert_agreed, catalog, compiled, scene

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import encode
from trueup_stacks.kubernetes import ray, ray_steps

SCENE = "kubernetes-ray"
IMAGE = f"example.com/steps@sha256:{'0' * 64}"
ONE = {"name": "one", "run": ["true"]}


def compiled_of(
    spec: dict[str, Any], name: str = "sums", components: tuple[str, ...] = ("kuberay",), given: Any = None
) -> Compilation:
    runner = {"type": "ray", "ray": given}
    written: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "runner": runner, "cluster": {"components": components}},
        f"Pipeline/churn/{name}": {"image": IMAGE, **spec},
    }
    return compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))


def job(spec: dict[str, Any], given: Any = None) -> Any:
    made = compiled_of(spec, given=given)
    assert made.diagnostics == ()
    (found,) = (r.properties["spec"] for r in made.resources() if r.address.type.endswith(":RayJob"))
    return found


def test_the_manifests_are_the_agreed_ones() -> None:
    made = [
        {"address": str(r.address), "properties": encode(r.properties), "dependsOn": [str(a) for a in r.depends_on]}
        for r in compiled(SCENE).resources()
        if r.origin.kind == "Pipeline"
    ]
    assert_agreed(SCENE, made)


def test_every_field_of_a_pipeline_changes_something_or_is_said_not_to() -> None:
    assert compiled(SCENE).diagnostics == ()
    honoured, changing = honoured_fields(scene(SCENE), "Pipeline", "spec.triggers[].schedule")
    assert len(honoured) == 20
    assert honoured - changing == set()


def test_every_field_of_the_cluster_changes_something() -> None:
    honoured, changing = honoured_fields(scene(SCENE), "Environment")
    clusters = {p for p in honoured if p.startswith("spec.runner.ray.")}
    assert len(clusters) >= 6
    assert clusters - changing == set()


def test_kuberay_must_be_installed() -> None:
    (said,) = compiled_of({"steps": [ONE]}, components=()).diagnostics
    assert "become RayJobs" in said.summary
    assert "Helm chart kuberay/kuberay-operator" in said.fix and "`kuberay`" in said.fix


@pytest.mark.parametrize(("spec", "field", "why"), [
    ({"steps": [ONE], "triggers": [{"schedule": {"cron": "0 3 * * *"}}]}, "spec.triggers[].schedule", "starts a RayJob once"),
    ({"steps": [ONE, {**ONE, "name": "two", "when": "steps.one.metrics.auc > 0.5"}]}, "spec.steps[].when", "one after the other"),
    ({"steps": [ONE], "image": None}, "spec.image", "needs an image"),
    ({"steps": [{**ONE, "outputs": {"m": {"path": "a/b"}}}]}, "spec.steps[].outputs", "a/b"),
])  # fmt: skip
def test_what_ray_cannot_do_is_refused(spec: dict[str, Any], field: str, why: str) -> None:
    (said,) = compiled_of(spec).diagnostics
    assert said.severity.value == "error"
    assert field in f"{said.detail} {said.summary}" and why in f"{said.detail} {said.summary}"


def test_a_name_leaves_room_for_that_of_a_run() -> None:
    assert compiled_of({"steps": [ONE]}, name="a" * ray.LONGEST).diagnostics == ()
    (said,) = compiled_of({"steps": [ONE]}, name="a" * (ray.LONGEST + 1)).diagnostics
    assert "29 characters" in said.summary


def test_the_head_has_what_the_largest_step_asks_for() -> None:
    small, large = {"cpu": "500m", "memory": "4Gi"}, {"cpu": 2, "memory": "1Gi"}
    made = job({"steps": [{**ONE, "resources": small}, {**ONE, "name": "two", "resources": large}]})
    (head,) = made["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert (head["resources"]["requests"]["cpu"], head["resources"]["requests"]["memory"]) == ("2", "4Gi")


@pytest.mark.parametrize(("version", "asks"), [(None, False), ("2.9.3", False), ("2.52.0", True), ("3.0.0", True)])
def test_the_dashboard_asks_for_a_token_where_ray_can(version: str | None, asks: bool) -> None:
    made = job({"steps": [ONE]}, given={"version": version} if version else None)
    assert made["rayClusterSpec"].get("authOptions") == ({"mode": "token"} if asks else None)


def test_a_run_may_take_as_long_as_its_tries_and_waits() -> None:
    retry = {"limit": 2, "backoff": "10s", "factor": 3.0, "maxBackoff": "20s"}
    assert job({"steps": [{**ONE, "timeout": "1m", "retry": retry}]})["activeDeadlineSeconds"] == 1800 + 180 + 30


# --- the program on the head ---


def steps(tmp_path: Path, *given: dict[str, Any]) -> tuple[int, list[dict[str, Any]], list[str]]:
    """Runs the program as Ray would; its exit code, what it told, and what the steps printed."""
    usual = {
        "env": {},
        "secrets": {},
        "timeout": 20,
        "metrics": [],
        "limit": 0,
        "backoff": 0.01,
        "factor": 2,
        "cap": 0.05,
    }
    variables = {
        "PATH": os.environ["PATH"],
        "TRUEUP_STEPS": json.dumps([{**usual, **step} for step in given]),
        "TRUEUP_WORK": str(tmp_path / "work"),
        "TRUEUP_SECRETS": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, ray_steps.__file__], env=variables, capture_output=True, text=True, timeout=60
    )
    lines = [line for line in done.stdout.splitlines() if line]
    told = [json.loads(line.removeprefix(ray_steps.MARK)) for line in lines if line.startswith(ray_steps.MARK)]
    return done.returncode, told, [line for line in lines if not line.startswith(ray_steps.MARK)]


def sh(name: str, command: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-c", command], **more}


def test_the_program_runs_steps_in_order_with_what_is_theirs(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2")
    report = f'echo \'{{"auc": 0.5, "note": "x"}}\' > {tmp_path}/work/a/.metrics.json'
    code, told, printed = steps(
        tmp_path,
        sh(
            "a",
            f"echo one $X $TOKEN $TRUEUP_STEPS; {report}",
            env={"X": "y"},
            secrets={"TOKEN": "key"},
            metrics=["auc"],
        ),
        sh("b", "printf two"),
    )
    assert code == 0 and printed == ["one y hunter2", "two"]
    assert [(t["step"], t["phase"]) for t in told] == [
        ("a", "running"), ("a", "succeeded"), ("b", "running"), ("b", "succeeded"),
    ]  # fmt: skip
    assert told[1]["metrics"] == {"auc": 0.5} and told[1]["code"] == 0


def test_the_program_ends_with_the_step_that_fails(tmp_path: Path) -> None:
    code, told, _ = steps(tmp_path, sh("a", "exit 4"), sh("b", "true"))
    assert code == 4 and told[-1]["step"] == "a"
    assert (told[-1]["phase"], told[-1]["code"], told[-1]["reason"]) == ("failed", 4, "It ended with code 4.")


def test_the_program_tries_again_but_not_after_code_3(tmp_path: Path) -> None:
    code, told, _ = steps(tmp_path, sh("a", f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) -ge 3", limit=2))
    assert code == 0 and told[-1]["attempts"] == 3
    code, told, _ = steps(tmp_path, sh("a", "exit 3", limit=5))
    assert (code, told[-1]["attempts"]) == (3, 1)


def test_a_metric_that_is_named_must_be_reported(tmp_path: Path) -> None:
    code, told, _ = steps(tmp_path, sh("a", "true", metrics=["auc"]))
    assert code == 1 and told[-1]["reason"] == "It did not report auc."


def test_the_program_ends_what_takes_too_long_and_what_is_left_behind(tmp_path: Path) -> None:
    late = tmp_path / "late"
    code, told, _ = steps(tmp_path, sh("a", f"(sleep 2; touch {late}) & sleep 30", timeout=0.3))
    assert (code, told[-1]["reason"]) == (124, "It took longer than 0.3 s.")
    code, _, _ = steps(tmp_path, sh("a", f"(sleep 2; touch {late}) & true"))
    assert code == 0
    time.sleep(2.2)
    assert not late.exists()


def test_what_cannot_be_started_fails_with_the_reason(tmp_path: Path) -> None:
    code, told, _ = steps(tmp_path, {"name": "a", "command": ["/nowhere"]})
    assert code == 127 and "/nowhere" in told[-1]["reason"]
