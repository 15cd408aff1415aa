"""The built-in steps as one run on real rows: credit applications in a versioned table, the local runner, a real registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trueup import tracking
from trueup.run import folders, local, processes
from trueup.run.parsing import parse
from trueup.run.states import RunStatus

pytestmark = pytest.mark.slow
CREDIT = Path(__file__).parents[3] / "examples" / "quickstart" / "data" / "credit.csv"
NUMBERS = ["seniority", "time", "age", "expenses", "income", "assets", "debt", "amount", "price"]
LOGISTIC = {
    "estimator": "sklearn.linear_model.LogisticRegression",
    "params": {"C": "${{ params.C }}", "max_iter": 1000},
}
STEPS: list[dict[str, Any]] = [
    {"name": "load", "uses": "load"},
    {"name": "check", "uses": "check", "inputs": {"data": "load.data"}},
    {"name": "split", "uses": "split", "with": {"stratify": "status"}, "inputs": {"data": "check.data"}},
    {"name": "train", "uses": "train", "with": LOGISTIC, "inputs": {"train": "split.train"}},
    {"name": "evaluate", "uses": "evaluate", "inputs": {"model": "train.model", "test": "split.test"}},
    {"name": "register", "uses": "register", "needs": ["evaluate"], "inputs": {"model": "train.model"}},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the applications as a table of two versions: the second has one applicant of 12 years."""
    from deltalake import write_deltalake

    home = tmp_path_factory.mktemp("home")
    frame = pd.read_csv(CREDIT)
    write_deltalake(str(home / "tables" / "applications"), frame)
    bad = frame.copy()
    bad.loc[7, "age"] = 12
    write_deltalake(str(home / "tables" / "applications"), bad, mode="overwrite")
    (home / "locks").mkdir()
    yield home
    for status in local.runs(home):
        local.cancel(home, status.fingerprint)
        local.wait(home, status.fingerprint, 10)
        processes.end_leftovers(folders.run_folder(home, status.fingerprint))


def asked(fingerprint: str, steps: list[dict[str, Any]] = STEPS, version: int = 0, **more: Any) -> dict[str, Any]:
    properties = [
        {"name": "status", "logicalType": "string", "required": True},
        {"name": "age", "logicalType": "integer", "required": True, "logicalTypeOptions": {"minimum": 18}},
        *({"name": n, "logicalType": "integer"} for n in NUMBERS if n != "age"),
        *({"name": n, "logicalType": "string"} for n in ("home", "marital", "records", "job")),
    ]
    described = {"uri": "home:tables/applications", "version": version, "properties": properties, "strict": False}
    quality = [{"metric": "rowCount", "mustBeGreaterThan": 1000}]
    return {
        "fingerprint": fingerprint,
        "pipeline": "credit/training",
        "project": "demo",
        "environment": "dev",
        "steps": steps,
        "params": {"C": 1.0},
        "seed": 7,
        "datasets": {"applications": {**described, "quality": quality}},
        "model": {
            "name": "credit.risk",
            "task": "classification",
            "label": "status",
            "positiveClass": "bad",
            "tags": {"team": "risk"},
        },
        "trackingUri": "home:registry",
        "commit": "0123abcd" * 5,
        **more,
    }


def run(home: Path, given: dict[str, Any], seconds: float = 240) -> RunStatus:
    request = parse(given)
    local.submit(home, request)
    found = local.wait(home, request.fingerprint, seconds)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def done(home: Path) -> RunStatus:
    return run(home, asked("first"))


def versions(home: Path) -> list[Any]:
    client = tracking.client(home, "home:registry")
    return sorted(client.search_model_versions("name = 'credit.risk'"), key=lambda v: int(v.version))


def until(holds: Any, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.capability("model-management/performance-metrics", by="trueup.gates.metrics:all_scores")
def test_trains_and_scores_on_rows_held_out(home: Path, done: RunStatus) -> None:
    assert done.outcome == "succeeded", done.reason
    frame = pd.read_csv(CREDIT)
    assert done.metrics["load.rows"] == len(frame)
    assert done.metrics["evaluate.rows"] == done.metrics["split.test_rows"] == round(len(frame) * 0.25 + 0.4)
    assert 0.75 < done.metrics.get("evaluate.roc_auc", 0) < 0.95
    held = pd.read_parquet(folders.run_folder(home, "first") / folders.HOLDOUT)
    assert (held["status"] == "bad").mean() == pytest.approx((frame["status"] == "bad").mean(), abs=0.002)
    report = json.loads((folders.run_folder(home, "first") / "steps/evaluate/report.json").read_text())
    assert sum(map(sum, report["confusion"])) == len(held)


@pytest.mark.capability("model-management/metadata-management", by="trueup.steps.register:_register")
def test_a_version_says_all_that_it_was_made_from(home: Path, done: RunStatus) -> None:
    assert done.model_version == 1, done.reason
    (version,) = versions(home)
    assert version.tags["trueup.data.applications"] == f"{home / 'tables/applications'}@0"
    assert version.tags["trueup.commit"] == "0123abcd" * 5
    assert version.tags["trueup.fingerprint"] == "first"
    assert (version.tags["trueup.label"], version.tags["team"]) == ("status", "risk")


@pytest.mark.capability("model-management/experiment-logging", by="trueup.steps.tracking:log")
def test_mlflow_has_parameters_metrics_and_the_end(home: Path, done: RunStatus) -> None:
    assert until(lambda: local.status(home, "first").logged), "the end of the run was not logged"
    found = tracking.client(home, "home:registry").get_run(local.status(home, "first").tracking_run)
    assert found.info.status == "FINISHED"
    assert found.data.params.get("C") == "1.0"
    assert found.data.metrics.get("evaluate.roc_auc") == pytest.approx(done.metrics["evaluate.roc_auc"])


SERVE = """
import json, sys
import mlflow
import pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
rows = pd.read_parquet(sys.argv[2]).drop(columns='status')
plain = mlflow.pyfunc.load_model(f'models:/credit.risk/{sys.argv[3]}')
whole = mlflow.sklearn.load_model(f'models:/credit.risk/{sys.argv[3]}')
names = plain.metadata.signature.inputs.input_names()
print(json.dumps({
    'columns': names,
    'predicted': [str(p) for p in plain.predict(rows[names].dropna().head(20))],
    'chances': whole.predict_proba(rows.head(20)).sum(axis=1).tolist(),
    'example': plain.input_example is not None if hasattr(plain, 'input_example') else True,
    'about': plain.metadata.metadata['trueup'],
}))
"""


@pytest.mark.capability("model-management/model-repository", by="trueup.steps.register:run")
def test_another_process_serves_the_version_by_its_signature(home: Path, done: RunStatus) -> None:
    assert done.outcome == "succeeded", done.reason
    uri = tracking.tracking_uri(home, "home:registry")
    holdout = folders.run_folder(home, "first") / folders.HOLDOUT
    version = str(int(done.metrics["register.version"]))
    answer = subprocess.run(
        [sys.executable, "-c", SERVE, uri, str(holdout), version], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert sorted(found["columns"]) == sorted([*NUMBERS, "home", "marital", "records", "job"])
    assert set(found["predicted"]) <= {"good", "bad"}
    assert found["chances"] == pytest.approx([1.0] * 20)
    assert found["about"] == {
        "task": "classification",
        "label": "status",
        "classes": ["bad", "good"],
        "positive": "bad",
    }


@pytest.mark.capability("model-management/reproducibility", by="trueup.run.results:key")
def test_the_same_seed_and_data_give_the_same_model(home: Path, done: RunStatus) -> None:
    again = run(home, asked("again", [{**s, "cache": False} for s in STEPS if s["name"] != "register"]))
    assert again.outcome == "succeeded", again.reason
    assert {s.phase for s in again.steps} == {"succeeded"}
    assert {n: v for n, v in done.metrics.items() if not n.startswith("register")} == again.metrics
    cached = run(home, asked("cached", [s for s in STEPS if s["name"] != "register"]))
    assert {s.phase for s in cached.steps} == {"cached"}, "equal work is known by its key"
    assert (folders.run_folder(home, "cached") / folders.HOLDOUT).exists()
    other = run(home, asked("other", [s for s in STEPS if s["name"] != "register"], params={"C": 0.0001}))
    assert {s.name: s.phase for s in other.steps} == {
        "load": "cached", "check": "cached", "split": "cached", "train": "succeeded", "evaluate": "succeeded",
    }  # fmt: skip


@pytest.mark.capability("model-development/data-validation", by="trueup.steps.check:_schema_results")
def test_rows_that_break_the_contract_stop_the_run(home: Path) -> None:
    found = run(home, asked("young", STEPS[:3], version=1))
    assert (found.outcome, found.step("check").phase, found.step("split").phase) == ("failed", "failed", "pending")
    assert "'age'" in found.reason and "12" in found.reason
    report = json.loads((folders.run_folder(home, "young") / "steps/check/report.json").read_text())
    assert [c["passed"] for c in report["checks"]] == [False, True]


@pytest.mark.capability("model-management/version-management", by="trueup.steps.register:_registered")
def test_a_kill_while_registering_never_makes_a_second_version(home: Path, done: RunStatus) -> None:
    before = len(versions(home))
    given = asked("killed", params={"C": 0.5})
    runner = local.submit(home, parse(given)).runner
    assert runner is not None
    assert until(lambda: len(versions(home)) == before + 1, 120), "no version came"
    os.kill(runner.pid, signal.SIGKILL)
    assert until(lambda: not processes.alive(runner)), "a run is attached to as long as its runner lives"
    state = folders.run_folder(home, "killed") / "state.json"
    raw = json.loads(state.read_text())
    for step in raw["steps"]:
        if step["name"] == "register":  # as if the kill came before the step's end was written
            step["phase"] = "running"
    raw["outcome"] = "running"
    state.write_text(json.dumps(raw))
    found = run(home, given)
    assert found.outcome == "succeeded", found.reason
    assert len(versions(home)) == before + 1, "one run, one version"
    assert found.model_version == int(versions(home)[-1].version)


@pytest.mark.capability("model-management/comparative-analysis", by="trueup.steps.compare:_compared")
def test_compare_measures_the_effect_against_the_champion(home: Path, done: RunStatus) -> None:
    tracking.client(home, "home:registry").set_registered_model_alias("credit.risk", "dev-champion", "1")
    compare = {
        "name": "compare", "uses": "compare", "with": {"metric": "roc_auc", "resamples": 200},
        "inputs": {"model": "train.model", "test": "split.test"},
    }  # fmt: skip
    weak = {**STEPS[3], "with": {"estimator": "sklearn.dummy.DummyClassifier", "params": {"strategy": "prior"}}}
    found = run(home, asked("weak", [*STEPS[:3], weak, compare]))
    assert found.outcome == "succeeded", found.reason
    assert found.metrics["compare.passed"] == 0.0
    assert found.metrics.get("compare.candidate") == 0.5
    assert found.metrics.get("compare.champion") == pytest.approx(done.metrics["evaluate.roc_auc"])
    assert found.metrics["compare.upper"] < 0


@pytest.mark.capability("model-development/cross-validation", by="trueup.steps.train:_cross_validate")
@pytest.mark.capability("data-operations/data-transformation", by="trueup.steps.transform:run")
def test_transformers_become_part_of_the_model(home: Path) -> None:
    transform = {
        "name": "transform", "uses": "transform", "inputs": {"train": "split.train"},
        "with": {"steps": [
            {"columns": "numeric", "use": [{"transformer": "sklearn.impute.SimpleImputer", "params": {"strategy": "mean"}}]},
            {"columns": ["home", "job"], "use": ["sklearn.preprocessing.OneHotEncoder"]},
        ]},
    }  # fmt: skip
    folds = {"folds": 3, "metric": "roc_auc"}
    forest = {
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "params": {"n_estimators": 40},
        "crossValidation": folds,
    }
    train = {**STEPS[3], "with": forest, "inputs": {"train": "split.train", "transform": "transform.transform"}}
    found = run(home, asked("trees", [*STEPS[:3], transform, train, STEPS[4]]))
    assert found.outcome == "succeeded", found.reason
    assert found.metrics["evaluate.roc_auc"] > 0.75
    assert found.metrics.get("train.cv_roc_auc") == pytest.approx(found.metrics["evaluate.roc_auc"], abs=0.05)


def test_a_class_that_is_not_allowed_is_refused_also_from_the_cache(home: Path) -> None:
    train = {**STEPS[3], "with": {"estimator": "subprocess.Popen", "params": {"args": ["true"]}}}
    found = run(home, asked("popen", [*STEPS[:3], train]))
    assert (found.outcome, found.step("train").phase) == ("failed", "failed")
    assert "'subprocess.Popen' is not allowed" in found.reason
