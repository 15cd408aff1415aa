"""Which steps run, when, and how often: real runner, real processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.run import folders, local
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus

Run = Callable[..., RunStatus]


def phases(status: RunStatus) -> dict[str, str]:
    return {s.name: s.phase for s in status.steps}


def step(name: str, run: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "run": run, **more}


def text(path: str = "out.txt") -> dict[str, Any]:
    return {"out": {"type": "file", "path": path}}


@pytest.mark.capability("model-development/training-automation", by="trueup.run.executor:Executor.execute")
def test_steps_run_in_the_order_of_what_they_need(run: Run, home: Path) -> None:
    found = run(
        step(
            "last",
            'cat "$TRUEUP_INPUT_A" "$TRUEUP_INPUT_B" > out.txt',
            inputs={"a": "one.out", "b": "two.out"},
            outputs=text(),
        ),
        step("two", 'tr a-z A-Z < "$TRUEUP_INPUT_A" > out.txt', inputs={"a": "one.out"}, outputs=text()),
        step("one", 'echo "rows ${{ params.n }}" > out.txt', outputs=text()),
        params={"n": 3},
    )
    assert found.outcome == "succeeded", found.reason
    written = folders.step_folder(folders.run_folder(home, found.fingerprint), "last") / "out.txt"
    assert written.read_text() == "rows 3\nROWS 3\n"
    assert found.step("one").ended <= found.step("two").started <= found.step("last").started


@pytest.mark.capability("data-operations/parallel-processing", by="trueup.run.executor:Executor._step")
def test_independent_steps_run_side_by_side(run: Run) -> None:
    found = run(
        step("left", "sleep 3", cache=False),
        step("right", "sleep 3", cache=False),
        step("end", "true", needs=["left", "right"]),
    )
    assert phases(found) == {"left": "succeeded", "right": "succeeded", "end": "succeeded"}, found.reason
    left, right, end = found.step("left"), found.step("right"), found.step("end")
    together = max(left.ended, right.ended) - min(left.started, right.started)
    assert together <= 0.6 * ((left.ended - left.started) + (right.ended - right.started))
    assert end.started >= max(left.ended, right.ended)


def test_concurrency_of_one_runs_one_at_a_time(run: Run) -> None:
    found = run(step("left", "sleep 0.3", cache=False), step("right", "sleep 0.3", cache=False), concurrency=1)
    first, second = sorted(found.steps, key=lambda s: s.started)
    assert first.ended <= second.started


@pytest.mark.capability("data-operations/caching-strategies", by="trueup.run.results:restore")
def test_the_same_work_is_not_done_twice_in_another_run(run: Run, tmp_path: Path) -> None:
    made = tmp_path / "made"
    work = step(
        "work", f'echo x >> {made}; echo 1 > out.txt; echo \'{{"rows": 7}}\' > "$TRUEUP_METRICS"', outputs=text()
    )
    use = step("use", f'echo y >> {made}; cat "$TRUEUP_INPUT_A" > out.txt', inputs={"a": "work.out"}, outputs=text())
    first, second = run(work, use), run(work, use)
    assert phases(first) == {"work": "succeeded", "use": "succeeded"}
    assert phases(second) == {"work": "cached", "use": "cached"}
    assert made.read_text() == "x\ny\n"
    assert second.metrics == first.metrics == {"work.rows": 7.0}
    changed = run(work, {**use, "run": use["run"] + "; echo more"})
    assert phases(changed) == {"work": "cached", "use": "succeeded"}
    assert phases(run({**work, "cache": False}, use))["work"] == "succeeded"


def test_a_condition_skips_a_step_and_what_takes_its_output(run: Run) -> None:
    measured = step("measure", 'echo \'{"auc": 0.7}\' > "$TRUEUP_METRICS"', metrics=["auc"])
    found = run(
        measured,
        step("good", "echo g > out.txt", when="steps.measure.metrics.auc > 0.6", outputs=text()),
        step("bad", "echo b > out.txt", when="steps.measure.metrics.auc > params.wanted", outputs=text()),
        step("after-bad", 'cat "$TRUEUP_INPUT_A"', inputs={"a": "bad.out"}),
        step("after-all", "true", needs=["bad"]),
        params={"wanted": 0.9},
    )
    assert found.outcome == "succeeded", found.reason
    assert phases(found) == {
        "measure": "succeeded", "good": "succeeded", "bad": "skipped", "after-bad": "skipped", "after-all": "succeeded",
    }  # fmt: skip
    assert "is false" in found.step("bad").reason and "'bad'" in found.step("after-bad").reason


def test_a_condition_without_an_answer_fails(run: Run) -> None:
    found = run(step("one", "true"), step("two", "true", when="steps.one.metrics.absent > 1"))
    assert (found.outcome, found.step("two").phase) == ("failed", "failed")
    assert "absent" in found.step("two").reason


def test_retries_wait_longer_each_time(run: Run, tmp_path: Path) -> None:
    count = tmp_path / "count"
    flaky = step(
        "flaky",
        f"echo x >> {count}; test $(wc -l < {count}) -ge 3",
        retry={"limit": 3, "backoff": "300ms", "factor": 2},
        cache=False,
    )
    began = time.time()
    found = run(flaky)
    assert (found.outcome, found.step("flaky").attempts) == ("succeeded", 3)
    assert time.time() - began >= 0.9
    assert count.read_text().count("x") == 3


def test_a_failure_stops_what_comes_after_and_says_the_last_lines(run: Run) -> None:
    found = run(step("fit", "echo reading; echo no such column >&2; exit 4"), step("after", "true", needs=["fit"]))
    assert (found.outcome, phases(found)) == ("failed", {"fit": "failed", "after": "pending"})
    assert found.step("fit").exit_code == 4
    assert "'fit'" in found.reason and "code 4" in found.reason and "no such column" in found.reason


def test_a_timeout_ends_a_step_with_all_that_it_started(run: Run, tmp_path: Path) -> None:
    late = tmp_path / "late"
    found = run(step("slow", f"(sleep 2; touch {late}) & sleep 30", timeout="500ms"))
    assert "timeout of 0.5 s" in found.step("slow").reason
    time.sleep(2)
    assert not late.exists()


@pytest.mark.capability("model-development/resource-management", by="trueup.run.execution:_too_much")
def test_a_step_that_takes_more_memory_than_its_limit_is_ended(run: Run) -> None:
    hungry = "python -c \"import time; x = b'x' * 300_000_000; time.sleep(20)\""
    found = run(step("hungry", hungry, resources={"memoryLimit": "100Mi"}), seconds=30)
    assert found.outcome == "failed"
    assert "its limit is 100 MiB" in found.step("hungry").reason


def test_a_step_with_a_cpu_limit_gets_as_many_cores(run: Run) -> None:
    ask = 'sleep 0.1; python -c \'import os; print(len(os.sched_getaffinity(0)))\' > n; echo "{\\"cores\\": $(cat n)}" > $TRUEUP_METRICS'
    found = run(step("one", ask, resources={"cpuLimit": "1"}))
    assert found.metrics == {"one.cores": 1.0}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"auc": NaN}', "finite number"),
        ('{"auc": "high"}', "'high'"),
        ('{"auc": true}', "True"),
        ("[1]", "did not report"),
        ("{}", "auc"),
    ],
)
def test_metrics_must_be_numbers_and_there(run: Run, written: str, said: str) -> None:
    found = run(
        step("measure", f"echo '{written}' > \"$TRUEUP_METRICS\"", metrics=["auc"], retry={"limit": 2, "backoff": "5s"})
    )
    assert (found.outcome, found.step("measure").attempts) == ("failed", 1)
    assert said in found.step("measure").reason


def test_an_output_that_was_not_written_fails_the_step(run: Run) -> None:
    found = run(step("one", "true", outputs=text("report.txt")))
    assert "did not write its output out (report.txt)" in found.step("one").reason


def test_a_function_of_the_code_gets_what_it_asks_for(run: Run, home: Path) -> None:
    code = home / "trees" / "abc"
    code.mkdir(parents=True)
    (code / "work.py").write_text(
        "from pathlib import Path\n"
        "def double(context, data, result, factor):\n"
        "    result.write_text(str(int(data.read_text()) * factor))\n"
        "    context.log_metric('value', int(result.read_text()))\n"
        "def broken(context):\n"
        "    raise ValueError('no column age')\n"
    )
    found = run(
        step("one", "test -e work.py; echo 21 > out.txt", outputs=text()),
        {
            "name": "two",
            "uses": "work.py:double",
            "inputs": {"data": "one.out"},
            "outputs": {"result": {"type": "file"}},
            "with": {"factor": 2},
        },
        {"name": "three", "uses": "work.py:broken", "needs": ["two"]},
        code={"uri": "home:trees/abc", "tree": "abc"},
    )
    assert found.metrics == {"two.value": 42.0}, found.reason
    assert "ValueError: no column age" in found.step("three").reason
    assert "work.py" in found.step("three").reason
    assert sorted(p.name for p in code.iterdir() if p.name != "__pycache__") == ["work.py"], (
        "nothing is written into the code"
    )


def test_a_failed_run_goes_on_where_it_failed(
    home: Path, request_of: Callable[..., RunRequest], tmp_path: Path
) -> None:
    made, ready = tmp_path / "made", tmp_path / "ready"
    request = request_of(
        step("one", f"echo x >> {made}", cache=False), step("two", f"test -e {ready}", needs=["one"], cache=False)
    )
    local.submit(home, request)
    assert local.wait(home, request.fingerprint, 30).outcome == "failed"
    ready.touch()
    again = local.submit(home, request)
    assert again.outcome in ("running", "succeeded"), "the failure before is not the state of the new try"
    assert local.wait(home, request.fingerprint, 30).outcome == "succeeded"
    assert made.read_text() == "x\n"
