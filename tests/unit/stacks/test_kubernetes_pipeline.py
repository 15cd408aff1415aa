"""Pipelines on the runner `jobs`: what is refused, and the containers of the pod run from the manifest as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trueup_test_scenes import catalog

from cluster.kubelet_containers import expanded
from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.references import Key

IMAGE = f"example.com/steps@sha256:{'0' * 64}"
STEPS = [
    {
        "name": "double",
        "run": 'expr $(cat "$TRUEUP_INPUT_NUMBER") \\* 2 > "$TRUEUP_OUTPUT_TWICE"',
        "inputs": {"number": "make.number"},
        "outputs": {"twice": {"path": "twice.txt"}},
    },
    {"name": "make", "run": 'echo ${{ params.start-at }} > "$TRUEUP_OUTPUT_NUMBER"', "outputs": {"number": {}}},
    {
        "name": "tell",
        "run": ["sh", "-c", 'echo "$GREETING $0 $(cat "$TRUEUP_INPUT_TOLD")"', "of ${{ params.start-at }}:"],
        "inputs": {"told": "double.twice"},
        "env": {"GREETING": "twice"},
    },
]


def compiled(spec: dict[str, Any], runner: str = "jobs", name: str = "sums") -> Compilation:
    written: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "runner": {"type": runner}},
        f"Pipeline/churn/{name}": spec,
    }
    return compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))


def cron_jobs(compilation: Compilation) -> list[Any]:
    return [r.properties for r in compilation.resources() if r.address.type.endswith(":CronJob")]


@pytest.mark.skipif(sys.platform == "win32", reason="containers of Linux")
def test_the_steps_hand_their_files_over_in_the_order_of_their_needs(tmp_path: Path) -> None:
    params = {"start-at": {"type": "integer", "default": 21}}
    made = compiled({"image": IMAGE, "params": params, "steps": STEPS})
    assert made.diagnostics == ()
    (job,) = cron_jobs(made)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    said = []
    for container in [*pod["initContainers"], *pod["containers"]]:
        for mount in container["volumeMounts"]:
            if mount["name"] == "work" and not mount.get("readOnly"):
                (tmp_path / mount["subPath"]).mkdir()
        environment = {e["name"]: e["value"].replace("/work", str(tmp_path)) for e in container["env"]}
        done = subprocess.run(
            [expanded(part, environment) for part in container["command"]],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append((container["name"], done.stdout.strip()))
    assert said == [("make", ""), ("double", ""), ("tell", "twice of 21: 42")]


def test_a_step_sees_its_own_files_and_those_that_it_reads_and_no_others() -> None:
    (job,) = cron_jobs(compiled({"image": IMAGE, "params": {"start-at": {"type": "integer"}}, "steps": STEPS}))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    seen = {
        c["name"]: {m["subPath"]: m.get("readOnly", False) for m in c["volumeMounts"] if m["name"] == "work"}
        for c in [*pod["initContainers"], *pod["containers"]]
    }
    assert seen == {
        "make": {"make": False},
        "double": {"double": False, "make": True},
        "tell": {"tell": False, "double": True},
    }


def test_a_pipeline_without_a_schedule_is_there_for_runs_by_hand() -> None:
    once = {"image": IMAGE, "steps": [{"name": "all", "run": ["true"]}]}
    (job,) = cron_jobs(compiled(once))
    assert job["spec"]["suspend"] is True
    crons = [{"schedule": {"cron": "0 3 * * *"}}, {"schedule": {"cron": "0 9 * * 1", "timezone": "Europe/Zurich"}}]
    jobs = cron_jobs(compiled({**once, "triggers": crons}))
    assert [
        (j["metadata"]["name"], j["spec"]["schedule"], j["spec"]["timeZone"], j["spec"]["suspend"]) for j in jobs
    ] == [
        ("sums-pipeline", "0 3 * * *", "UTC", False),
        ("sums-pipeline-2", "0 9 * * 1", "Europe/Zurich", False),
    ]


def test_a_pipeline_of_another_runner_becomes_nothing_whatever_it_sets() -> None:
    made = compiled({"seed": 7, "steps": [{"name": "load", "uses": "load", "with": {"dataset": "x"}}]}, "local")
    assert list(made.resources()) == []
    assert [d.code for d in made.diagnostics] == ["TRU2007"]


@pytest.mark.parametrize(
    ("spec", "name", "field"),
    [
        ({"steps": [{"name": "a", "run": ["true"]}]}, "sums", "spec.image"),
        (
            {"image": IMAGE, "steps": [{"name": "a", "run": ["true"], "outputs": {"m": {"path": "a/b"}}}]},
            "sums",
            "spec.steps[].outputs",
        ),
        ({"image": IMAGE, "steps": [{"name": "a", "run": ["true"]}]}, "a" * 45, "metadata.name"),
    ],
)
def test_what_a_pod_cannot_run_is_refused(spec: Any, name: str, field: str) -> None:
    made = compiled(spec, name=name)
    assert [d.detail for d in made.diagnostics] == [f"It is about {field}."]
    assert cron_jobs(made) == []


def test_a_built_in_step_is_not_honoured() -> None:
    made = compiled({"image": IMAGE, "steps": [{"name": "load", "uses": "load"}]})
    assert [d.code for d in made.diagnostics] == ["TRU2002"] and "spec.steps[].uses" in made.diagnostics[0].summary
    assert cron_jobs(made) == []
