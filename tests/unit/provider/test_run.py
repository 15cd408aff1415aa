"""`trueup:run:Run` over real runs: submit or attach, wait, fail with a reason, go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trueup.provider.component import UNKNOWN, ComponentError, Context, State
from trueup.provider.run import Run
from trueup.run import folders, local, processes

RUN = Run()


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "trueup"))
    home = tmp_path / "home"
    home.mkdir()
    yield Context(home, "urn:pulumi:dev.credit.model::demo::trueup:run:Run::risk")
    for status in local.runs(home):
        local.cancel(home, status.fingerprint)
        local.wait(home, status.fingerprint, 10)
        processes.end_leftovers(folders.run_folder(home, status.fingerprint))


def inputs(*commands: str, mark: str = "a1", **more: Any) -> dict[str, Any]:
    steps = [
        {"name": f"s{i}", "run": c, "needs": [f"s{i - 1}"] if i else [], "cache": False} for i, c in enumerate(commands)
    ]
    return {
        "fingerprint": mark,
        "pipeline": "credit/training",
        "steps": steps,
        "params": {},
        "applyWaitSeconds": 30,
        **more,
    }


def test_a_run_is_made_once_and_gives_its_results(context: Context, tmp_path: Path) -> None:
    made = tmp_path / "made"
    given = inputs(f'echo x >> {made}; echo \'{{"auc": 0.8}}\' > "$TRUEUP_METRICS"')
    state = RUN.create(context, given)
    assert state.id == "a1" and state.not_ready is None
    assert state.outputs == {
        "runId": "a1", "holdout": "home:runs/a1/holdout.parquet", "metrics": {"s0.auc": 0.8}, "modelVersion": None, "modelUri": "",
    }  # fmt: skip
    assert RUN.create(context, given).outputs == state.outputs
    assert RUN.update(context, "a1", given, state.outputs, {**given, "owner": "risk"}).outputs == state.outputs
    live = RUN.read(context, "a1", given, state.outputs)
    assert live is not None and (live.outputs, live.not_ready) == (state.outputs, None)
    assert made.read_text() == "x\n"


def test_a_run_that_takes_longer_is_waited_for_by_the_next_apply(context: Context, tmp_path: Path) -> None:
    made = tmp_path / "made"
    given = inputs(f"echo x >> {made}; sleep 4", applyWaitSeconds=0.5)
    began = time.monotonic()
    state = RUN.create(context, given)
    assert time.monotonic() - began < 4
    assert state.not_ready is not None and state.not_ready.startswith("Waiting") and "s0" in state.not_ready
    live = RUN.read(context, "a1", given, state.outputs)
    assert live is not None and live.not_ready is not None and live.not_ready.startswith("Waiting")
    later = RUN.update(context, "a1", given, state.outputs, {**given, "applyWaitSeconds": 30})
    assert later.not_ready is None and later.outputs["metrics"] == {}
    assert made.read_text() == "x\n"


def test_a_cancelled_apply_leaves_the_run(context: Context) -> None:
    stopping = Context(context.home, context.urn, cancelled=lambda: True)
    state = RUN.create(stopping, inputs("sleep 2"))
    assert state.not_ready is not None and state.not_ready.startswith("Waiting")
    assert RUN.create(context, inputs("sleep 2")).not_ready is None


def test_a_failure_names_the_step_and_its_last_lines_and_is_tried_anew(context: Context, tmp_path: Path) -> None:
    ready, made = tmp_path / "ready", tmp_path / "made"
    given = inputs(f"echo x >> {made}", f"echo looking for columns; test -e {ready}")
    with pytest.raises(ComponentError) as refused:
        RUN.create(context, given)
    assert (
        "'s1'" in str(refused.value)
        and "looking for columns" in str(refused.value)
        and "credit/training" in str(refused.value)
    )
    live = RUN.read(context, "a1", given, {})
    assert live is not None and live.not_ready is not None and "'s1'" in live.not_ready
    ready.touch()
    assert RUN.create(context, given).not_ready is None
    assert made.read_text() == "x\n"


def test_a_new_fingerprint_is_a_new_run_beside_the_old(context: Context) -> None:
    first = RUN.create(context, inputs("true"))
    assert "fingerprint" in Run.replace_on
    second = RUN.create(context, inputs("true", mark="b2"))
    RUN.delete(context, first.id, inputs("true"), first.outputs)
    assert RUN.read(context, "a1", inputs("true"), first.outputs) is not None, "history stays"
    assert second.outputs["runId"] == "b2"


def test_deleting_ends_a_run_that_goes_on(context: Context) -> None:
    given = inputs("sleep 60", applyWaitSeconds=0.3)
    state = RUN.create(context, given)
    RUN.delete(context, state.id, given, state.outputs)
    found = local.wait(context.home, "a1", 15)
    assert found is not None and found.outcome == "cancelled"


def test_a_run_whose_folder_was_cleaned_away_is_not_gone(context: Context) -> None:
    outputs = {"runId": "a1", "metrics": {"s0.auc": 0.8}}
    live = RUN.read(context, "a1", inputs("true"), outputs)
    assert live is not None and live.outputs == outputs
    assert RUN.read(context, "a1", {}, {}) is None


def test_preview_knows_the_results_of_a_run_that_was_made(context: Context) -> None:
    given = inputs("true")
    state = RUN.create(context, given)
    assert RUN.preview(given, State("a1", state.outputs)) == state.outputs
    assert RUN.preview(inputs("true", mark="b2"), State("a1", state.outputs)).keys() == {"runId", "holdout"}
    assert RUN.preview(inputs("true", mark=UNKNOWN), None) == {}


def test_all_mistakes_at_once() -> None:
    wrong = inputs("true")
    wrong["steps"] = [
        {"name": "a", "uses": "train", "with": {"estimatr": "x"}},
        {"name": "b", "run": "true", "needs": ["c"], "inputs": {"x": "a.report"}},
    ]
    found = {f.path: f.reason for f in RUN.check(wrong)}
    assert "'c'" in found["steps[1]"]
    assert "no output `report`" in found["steps[1].inputs.x"]
    assert any(p.startswith("steps[0].with") for p in found) and "steps[0].inputs" in found


def test_what_is_not_known_yet_passes() -> None:
    given = inputs("true", mark=UNKNOWN, params=UNKNOWN, datasets={"rows": {"uri": "home:t", "version": UNKNOWN}})
    given["steps"][0]["env"] = {"TOKEN": UNKNOWN}
    assert RUN.check(given) == []
