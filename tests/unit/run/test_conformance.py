"""The contract of steps, on every runner: the same pipelines on this machine, as Jobs of a cluster, as Workflows of Argo, and on Ray.

On the cluster what the target makes of a pipeline is applied as it is; real controllers make pods of it, and the tests' kubelet runs their
commands. Where a runner cannot do something, that is refused at plan (tests/unit/stacks), and is not asked here.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from trueup_test_runners import Bench, OnCluster, printed, ran, waited

from trueup_stacks.kubernetes import tokens

SECRET = "hunter2-and-more"


@pytest.fixture
def mark(bench: Bench, tmp_path: Path) -> Path:
    """A file outside of all that a run has, which its steps can write to."""
    return (bench.kubelet.shared if isinstance(bench, OnCluster) else tmp_path) / f"mark-{uuid.uuid4().hex}"


def step(name: str, run: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "run": run, "cache": False, **more}


def test_a_step_gets_what_the_contract_says(bench: Bench) -> None:
    look = """
        echo "$PARAM_MAX_DEPTH ${{ params.max-depth }} $PARAM_RATE $PARAM_ON [$PARAM_NONE] $PARAM_TEXT $TRUEUP_STEP"
        test "$GREETING" = "hi 3"
        echo x > "$HOME/x" && cat "$HOME/x"
        echo "$(echo inner) $$" | sed 's/[0-9]*$/pid/'
        echo '{"auc": 0.75}' > "$TRUEUP_METRICS"
    """
    found = ran(
        bench,
        {
            "params": {
                "max-depth": {"type": "integer", "default": 3},
                "rate": {"type": "number", "default": 0.5},
                "on": {"type": "boolean", "default": True},
                "none": {"type": "string"},
                "text": {"type": "string", "default": "$(HOME) \"; echo 'oh' `id`"},
            },
            "steps": [
                step("look", look, env={"GREETING": "hi ${{ params.max-depth }}"}),
                step("listed", ["echo", "--depth=${{ params.max-depth }}", "${{ params.text }}"], needs=["look"]),
            ],
        },
    )
    assert found.status.outcome == "succeeded", found.status.reason
    text = "$(HOME) \"; echo 'oh' `id`"
    assert found.logs == {
        "look": [f"3 3 0.5 true [] {text} look", "x", "inner pid"],
        "listed": [f"--depth=3 {text}"],
    }
    assert found.status.metrics == {"look.auc": 0.75}


def test_files_are_handed_over_in_the_order_of_needs(bench: Bench) -> None:
    scheduled = {"triggers": [{"schedule": {"cron": "0 0 1 1 *", "timezone": "Europe/Zurich"}}]}
    found = ran(
        bench,
        {
            **({} if bench.name == "ray" else scheduled),  # which is refused at plan
            "steps": [
                step("last", 'cat "$TRUEUP_INPUT_A" "$TRUEUP_INPUT_B"', inputs={"a": "one.out", "b": "two.large-out"}),
                step(
                    "two",
                    'tr a-z A-Z < "$TRUEUP_INPUT_A" > "$TRUEUP_OUTPUT_LARGE_OUT"',
                    inputs={"a": "one.out"},
                    outputs={"large-out": {"path": "large.txt"}},
                ),
                step("one", 'echo rows > "$TRUEUP_OUTPUT_OUT"', outputs={"out": {}}),
            ],
        },
    )
    assert found.status.outcome == "succeeded", found.status.reason
    assert found.logs["last"] == ["rows", "ROWS"]
    one, two, last = (found.status.step(n) for n in ("one", "two", "last"))
    assert one.ended <= two.started and two.ended <= last.started


def test_a_failure_ends_the_run_with_the_step_and_its_code(bench: Bench, mark: Path) -> None:
    found = ran(
        bench, {"steps": [step("fit", f"echo said; echo x >> {mark}; exit 4"), step("after", "true", needs=["fit"])]}
    )
    assert (found.status.outcome, found.phases) == ("failed", {"fit": "failed", "after": "pending"})
    assert found.status.step("fit").exit_code == 4
    assert "'fit'" in found.status.reason and "code 4" in found.status.reason
    assert found.logs["fit"] == ["said"] and mark.read_text() == "x\n"


def test_a_step_is_tried_as_often_as_it_may(bench: Bench, mark: Path) -> None:
    """Two runs at once, since Kubernetes waits for ten seconds before another try; but two heads of Ray want the same ports."""
    again = {"limit": 1, "backoff": "100ms"}
    flaky = bench.runner({"steps": [step("flaky", f"echo x >> {mark}; test $(wc -l < {mark}) -ge 2", retry=again)]}, {})
    hopeless = bench.runner({"steps": [step("bad", "echo tried; exit 1", retry=again)]}, {})
    first = flaky.submit().fingerprint
    if bench.name == "ray":
        waited(bench, flaky, first, 90)
    second = hopeless.submit().fingerprint
    done, failed = waited(bench, flaky, first, 90), waited(bench, hopeless, second, 90)
    assert done is not None and (done.outcome, done.step("flaky").attempts) == ("succeeded", 2), (
        done.step("flaky"),
        printed(flaky, first),
    )
    assert failed is not None and (failed.outcome, failed.step("bad").attempts) == ("failed", 2), failed
    assert mark.read_text() == "x\nx\n"


def test_code_3_is_final(bench: Bench, mark: Path) -> None:
    found = ran(bench, {"steps": [step("wrong", f"echo x >> {mark}; exit 3", retry={"limit": 3, "backoff": "100ms"})]})
    assert (found.status.outcome, found.status.step("wrong").exit_code) == ("failed", 3)
    assert mark.read_text() == "x\n"


def test_a_timeout_ends_a_step_with_what_it_started(bench: Bench, mark: Path) -> None:
    found = ran(bench, {"steps": [step("slow", f"(sleep 3; touch {mark}) & sleep 40", timeout="1s")]}, seconds=30)
    assert found.status.outcome == "failed"
    time.sleep(2.5)
    assert not mark.exists()


def test_a_cancelled_run_ends(bench: Bench, mark: Path) -> None:
    runner = bench.runner({"steps": [step("long", f"touch {mark}; sleep 60; echo late >> {mark}")]}, {})
    run = runner.submit().fingerprint
    end = time.monotonic() + (300 if bench.name == "ray" else 60)
    while not mark.exists() and time.monotonic() < end:
        time.sleep(0.05)
    found = runner.status(run)
    assert found is not None and found.outcome == "running" and mark.exists()
    assert runner.cancel(run)
    ended = waited(bench, runner, run, 60)
    assert ended is not None and ended.outcome == "cancelled" and mark.read_text() == ""
    assert not runner.cancel(run)
    assert run in [s.fingerprint for s in runner.runs()]


def test_a_secret_reaches_the_step_and_no_log(bench: Bench) -> None:
    told = step(
        "tell",
        'echo "using $TOKEN"; test ${#TOKEN} -eq 16',
        env={"TOKEN": {"secretRef": {"store": "vault", "name": "token"}}},
    )
    runner = bench.runner({"steps": [told]}, {"token": SECRET})
    run = runner.submit().fingerprint
    ended = waited(bench, runner, run, 60)
    assert ended is not None and ended.outcome == "succeeded", ended
    assert printed(runner, run)["tell"] == ["using ***"]


def test_a_condition_skips_a_step_and_what_takes_its_output(bench: Bench) -> None:
    if bench.name in ("jobs", "ray"):
        pytest.skip(f"`when` is refused at plan with the runner `{bench.name}`")
    found = ran(
        bench,
        {
            "params": {"wanted": {"type": "number", "default": 0.9}},
            "steps": [
                step("measure", 'echo \'{"auc": 0.7}\' > "$TRUEUP_METRICS"', metrics=["auc"]),
                step(
                    "good", 'echo g > "$TRUEUP_OUTPUT_OUT"', when="steps.measure.metrics.auc > 0.6", outputs={"out": {}}
                ),
                step(
                    "bad",
                    'echo b > "$TRUEUP_OUTPUT_OUT"',
                    when="steps.measure.metrics.auc > params.wanted",
                    outputs={"out": {}},
                ),
                step("after-bad", 'cat "$TRUEUP_INPUT_A"', inputs={"a": "bad.out"}),
                step("after-all", "true", needs=["bad"]),
            ],
        },
        seconds=120,
    )
    assert found.status.outcome == "succeeded", found.status.reason
    assert found.phases == {
        "measure": "succeeded", "good": "succeeded", "bad": "skipped", "after-bad": "skipped", "after-all": "succeeded",
    }  # fmt: skip


@pytest.mark.slow
def test_a_step_computes_on_the_cluster_that_the_run_has(request: pytest.FixtureRequest) -> None:
    program = (
        "import os, ray; ray.init(); print(sum(ray.get([ray.remote(lambda n=n: n * n).remote() for n in range(5)])))"
    )
    found = ran(request.getfixturevalue("ray"), {"steps": [step("squares", ["python", "-c", program])]}, seconds=120)
    assert found.status.outcome == "succeeded", found
    assert found.logs["squares"][-1] == "30"


@pytest.mark.slow
@pytest.mark.parametrize(("runner", "least"), [("argo", 7), ("ray", 3)])
def test_what_was_agreed_is_taken_by_the_definitions(runner: str, least: int, request: pytest.FixtureRequest) -> None:
    """The golden manifests (tests/unit/stacks), by a dry run with strict validation; values of Secrets are not in them."""
    bench: Any = request.getfixturevalue(runner)
    golden = Path(__file__).parents[1] / "stacks" / "golden" / f"kubernetes-{runner}.json"
    taken = []
    for made in json.loads(golden.read_text()):
        token, properties = made["address"].split("::")[1], made["properties"]
        if tokens.kind(token) != "Secret":
            properties["metadata"]["namespace"] = bench.namespace
            taken.append({"apiVersion": tokens.api_version(token), "kind": tokens.kind(token), **properties})
    said = bench.cluster.apply(*taken, dry_run=True)
    assert said.count("serverside-applied (server dry run)") == len(taken) >= least
