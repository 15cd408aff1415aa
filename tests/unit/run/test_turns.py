"""Runs of one pipeline and model that are due at the same time: beside each other, one after the other, or one instead of the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trueup.provider.component import Context
from trueup.provider.run import Run
from trueup.run import local
from trueup.run.requests import RunRequest

URN = "urn:pulumi:dev.credit.model::demo::trueup:run:Run::risk"
RUN = Run()


@pytest.fixture
def due(request_of: Callable[..., RunRequest]) -> Callable[..., RunRequest]:
    """A run of the model `risk` that takes some seconds."""

    def made(mark: str, policy: str, seconds: float = 3, model: str = "credit.risk", **more: Any) -> RunRequest:
        step = {"name": "fit", "run": f"sleep {seconds}", "cache": False}
        return request_of(step, fingerprint=mark, concurrencyPolicy=policy, model={"name": model}, **more)

    return made


def inputs(mark: str, policy: str, seconds: float, wait: float = 30) -> dict[str, Any]:
    """The same as a resource."""
    return {
        "fingerprint": mark,
        "pipeline": "credit/training",
        "steps": [{"name": "fit", "run": f"sleep {seconds}", "cache": False}],
        "model": {"name": "credit.risk"},
        "concurrencyPolicy": policy,
        "applyWaitSeconds": wait,
    }


@pytest.fixture
def context(home: Path) -> Iterator[Context]:
    yield Context(home, URN)


def outcomes(home: Path, *marks: str) -> list[str]:
    found = [local.status(home, m) for m in marks]
    return [s.outcome if s else "none" for s in found]


def test_forbidden_beside_another_a_run_waits_for_its_turn(home: Path, due: Callable[..., RunRequest]) -> None:
    local.submit(home, due("a", "Forbid", 2))
    waiting = local.submit(home, due("b", "Forbid", 0))
    assert waiting.outcome == "pending" and "waits for the run a of the same model" in waiting.reason
    assert outcomes(home, "a", "b") == ["running", "pending"]
    begun = local.started(home, due("b", "Forbid", 0), 20)
    assert begun.outcome in ("running", "succeeded")
    first, second = local.status(home, "a"), local.wait(home, "b", 20)
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")
    assert second.started >= first.ended


@pytest.mark.capability("infrastructure/resource-allocation", by="trueup.run.local:beside")
def test_of_many_that_are_due_at_once_one_goes_on(home: Path, due: Callable[..., RunRequest]) -> None:
    marks = [f"run{n}" for n in range(5)]
    threads = [threading.Thread(target=local.submit, args=(home, due(m, "Forbid", 2))) for m in marks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes(home, *marks)) == ["pending"] * 4 + ["running"]


def test_replaced_a_run_ends_before_the_new_one_begins(home: Path, due: Callable[..., RunRequest]) -> None:
    local.submit(home, due("a", "Replace", 60))
    began = time.monotonic()
    local.submit(home, due("b", "Replace", 0))
    assert local.wait(home, "b", 20).outcome == "succeeded"
    assert time.monotonic() - began < 20
    first, second = local.status(home, "a"), local.status(home, "b")
    assert first.outcome == "cancelled" and first.ended <= second.started


def test_allowed_and_of_other_models_and_environments_runs_go_on_beside_each_other(
    home: Path, due: Callable[..., RunRequest]
) -> None:
    local.submit(home, due("a", "Forbid"))
    for request in (
        due("allowed", "Allow"),
        due("model", "Forbid", model="credit.fraud"),
        due("prod", "Replace", environment="prod"),
    ):
        assert local.submit(home, request).outcome == "running"
    assert outcomes(home, "a", "allowed", "model", "prod") == ["running"] * 4


def test_a_pending_run_can_be_cancelled(home: Path, due: Callable[..., RunRequest]) -> None:
    local.submit(home, due("a", "Forbid"))
    local.submit(home, due("b", "Forbid"))
    assert local.cancel(home, "b")
    assert outcomes(home, "a", "b") == ["running", "cancelled"]


def test_an_apply_waits_and_goes_on_where_it_stood(context: Context) -> None:
    first = RUN.create(context, inputs("a", "Forbid", 4, wait=0.2))
    assert first.not_ready
    second = RUN.create(context, inputs("b", "Forbid", 0, wait=0.2))
    assert second.not_ready == (
        "Waiting: the run b waits for the run a of the same model, which goes on (concurrencyPolicy: Forbid)."
    )
    live = RUN.read(context, "b", inputs("b", "Forbid", 0), second.outputs)
    assert live is not None and live.not_ready == second.not_ready
    RUN.delete(context, "a", inputs("a", "Forbid", 4), first.outputs)
    assert outcomes(context.home, "a") == ["running"], "its successor waits for it, so it is not cancelled"
    later = RUN.update(context, "b", inputs("b", "Forbid", 0), second.outputs, inputs("b", "Forbid", 0))
    assert later.not_ready is None and later.outputs["metrics"] == {}
    assert outcomes(context.home, "a", "b") == ["succeeded", "succeeded"]


def test_without_a_successor_a_deleted_run_is_cancelled(context: Context) -> None:
    first = RUN.create(context, inputs("a", "Forbid", 60, wait=0.2))
    RUN.delete(context, "a", inputs("a", "Forbid", 60), first.outputs)
    assert local.wait(context.home, "a", 20).outcome == "cancelled"
