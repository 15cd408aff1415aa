"""`trueup run`: the run that an apply would make, now; its logs; other runs of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trueup.record.events import EventKind
from trueup.run import folders, local, requests, states
from trueup.run.requests import RunRequest, Step
from trueup.run.states import RunStatus
from trueup.workspace import applying, logging, running
from trueup.workspace.opening import WorkspaceError

World = Any


@pytest.mark.slow
def test_a_run_is_the_one_that_an_apply_would_make(pulumi_cli: Path, world: World) -> None:
    world.git("rm", "-q", "endpoint.yaml")
    world.commit("No endpoint")
    with pytest.raises(WorkspaceError, match="not applied yet"):
        running.run(world.workspace, "dev", "risk", on_line=lambda _line: None)
    text = (world.folder / "model.yaml").read_text()
    world.git("rm", "-q", "model.yaml")
    world.commit("Only data")
    applying.apply(world.workspace, world.prepare(), lambda _event: None)
    world.write("model.yaml", text)
    world.commit("The model again")
    lines: list[str] = []
    status = running.run(world.workspace, "dev", "risk", on_line=lines.append)
    assert status.outcome == "succeeded", status
    assert status.metrics["evaluate.roc_auc"] > 0.7
    desired = next(r for r in world.prepare().compilation.resources() if r.address.type == "trueup:run:Run")
    assert status.fingerprint == desired.properties["fingerprint"]
    entry = world.workspace.ledger.last("dev", EventKind.RUN)
    assert (entry.event.outcome, entry.event.details["run"]) == ("done", status.fingerprint)
    assert [s.fingerprint for s in running.runs(world.workspace, "dev")] == [status.fingerprint]
    assert running.runs(world.workspace, "prod") == []
    assert any(line.startswith("running ") for line in lines)

    recorded = world.workspace.ledger.recorded()
    logged = list(logging.lines(world.workspace, recorded, "dev", "risk"))
    assert [line.split()[1] for line in logged if line.startswith("== ")] == [
        "load:",
        "check:",
        "split:",
        "train:",
        "evaluate:",
        "register:",
    ]
    assert list(logging.lines(world.workspace, recorded, "dev", "Pipeline/training")) == logged

    again = running.run(world.workspace, "dev", "risk", on_line=lines.append)
    assert again == status, "a run that is there is not made again"
    anew = running.run(world.workspace, "dev", "risk", again=True, on_line=lines.append)
    assert anew.outcome == "succeeded"
    assert anew.started > status.started
    assert {s.phase for s in anew.steps} == {"succeeded"}, "nothing comes from the cache"
    assert anew.metrics == status.metrics, "the same run gives the same numbers"


def recorded_run(home: Path, mark: str, environment: str, outcome: Any = "succeeded") -> None:
    """A run as a runner leaves it."""
    folder = folders.run_folder(home, mark)
    (folder / "logs").mkdir(parents=True)
    request = RunRequest(
        mark,
        "credit/training",
        "quickstart",
        environment,
        (Step("fit", "command", run="true"),),
        model={"name": "credit.risk"},
    )
    requests.write(request, folder / folders.REQUEST)
    status = RunStatus(
        mark, "credit/training", outcome, (states.StepStatus("fit", "succeeded"),), started=1.0, ended=2.0
    )
    states.write(folder, status)
    folders.step_log(folder, "fit").write_text(f"fitted in {environment}\n")


def test_runs_are_listed_by_environment(world: World) -> None:
    home = world.workspace.home
    recorded_run(home, "aa11", "dev")
    recorded_run(home, "bb22", "prod")
    assert {s.fingerprint for s in running.runs(world.workspace)} == {"aa11", "bb22"}
    assert [s.fingerprint for s in running.runs(world.workspace, "prod")] == ["bb22"]


def test_a_run_that_ended_is_not_cancelled_and_an_unknown_one_is_said(world: World) -> None:
    recorded_run(world.workspace.home, "aa11", "dev")
    recorded_run(world.workspace.home, "aa22", "dev")
    assert running.cancel(world.workspace, "aa1") == "The run aa11 of credit/training does not go on: it succeeded."
    with pytest.raises(WorkspaceError, match="2 runs begin with 'aa'"):
        running.cancel(world.workspace, "aa")
    with pytest.raises(WorkspaceError, match="no run begins with 'cc'"):
        running.cancel(world.workspace, "cc")


@pytest.mark.slow
def test_a_run_that_goes_on_is_cancelled(world: World) -> None:
    home = world.workspace.home
    step = Step("wait", "command", run="sleep 120", timeout=200)
    request = RunRequest("ff00", "credit/training", "quickstart", "dev", (step,))
    assert local.submit(home, request).outcome == "running"
    try:
        assert running.cancel(world.workspace, "ff") == "Asked the run ff00 of credit/training to end."
        ended = local.wait(home, "ff00", 60)
        assert ended is not None
        assert ended.outcome == "cancelled"
    finally:
        local.cancel(home, "ff00")


def test_an_environment_that_does_not_train_the_model_says_so(churn: World) -> None:
    with pytest.raises(WorkspaceError, match="prod does not train Model/churn/churn"):
        running.run(churn.workspace, "prod", "churn", on_line=lambda _line: None)


def test_logs_are_of_the_environment_that_was_asked(world: World) -> None:
    recorded_run(world.workspace.home, "aa11", "dev")
    recorded_run(world.workspace.home, "bb22", "prod")
    recorded = world.workspace.ledger.recorded()
    assert list(logging.lines(world.workspace, recorded, "prod", "risk")) == ["== fit: succeeded", "fitted in prod"]


def test_the_last_run_is_the_one_that_is_shown(world: World) -> None:
    home = world.workspace.home
    recorded_run(home, "aa11", "dev")
    recorded_run(home, "bb22", "dev")
    later = states.read(folders.run_folder(home, "aa11"))
    assert later is not None
    states.write(folders.run_folder(home, "aa11"), replace(later, started=9.0))
    folders.step_log(folders.run_folder(home, "aa11"), "fit").write_text("the later one\n")
    recorded = world.workspace.ledger.recorded()
    assert "the later one" in list(logging.lines(world.workspace, recorded, "dev", "risk"))


def test_what_has_no_logs_says_what_was_probably_meant(world: World) -> None:
    recorded_run(world.workspace.home, "aa11", "dev")
    recorded = world.workspace.ledger.recorded()
    with pytest.raises(WorkspaceError, match="Did you mean risk") as error:
        logging.lines(world.workspace, recorded, "dev", "rsk")
    assert error.value.code == 3
    with pytest.raises(WorkspaceError, match="nothing that was served or run"):
        logging.lines(world.workspace, recorded, "prod", "risk")
