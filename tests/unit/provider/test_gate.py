"""A candidate is judged by its gates: versions trained on real rows, a real registry, the process that judges."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trueup import tracking
from trueup.gates import evaluations
from trueup.provider.component import ComponentError, Context, State
from trueup.provider.gate import Gate
from trueup.views import outcomes
from trueup_stacks.core.resources import Address, StackId

pytestmark = pytest.mark.slow
URN = "urn:pulumi:dev.credit.model::demo::trueup:run:Gate::risk"
CREDIT = Path(__file__).parents[3] / "examples" / "quickstart" / "data" / "credit.csv"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a registry of four versions of `credit.risk`: weak (1), good (2), the same as 2 (3), and of shuffled labels (4)."""
    import mlflow
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    home = tmp_path_factory.mktemp("home")
    frame = pd.read_csv(CREDIT)[
        ["status", "seniority", "time", "age", "expenses", "amount", "price", "records"]
    ].dropna()
    frame = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    train, test = frame.iloc[:3000], frame.iloc[3000:4200]
    (home / "runs").mkdir()
    test.to_parquet(home / "runs" / "holdout.parquet", index=False)
    client = tracking.client(home, "home:registry")
    uri = tracking.tracking_uri(home, "home:registry")
    client.create_registered_model("credit.risk")
    experiment = client.create_experiment("credit", artifact_location=tracking.artifact_root(home, "home:registry"))
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    shuffled = train["status"].sample(frac=1, random_state=1).to_numpy()
    good = ["seniority", "time", "age", "expenses", "amount", "price"]
    for columns, labels in (
        (["age"], train["status"]),
        (good, train["status"]),
        (good, train["status"]),
        (good, shuffled),
    ):
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[columns], labels)
        with mlflow.start_run(experiment_id=experiment) as run:
            info = mlflow.sklearn.log_model(
                model,
                name="model",
                signature=mlflow.models.infer_signature(train[columns].head(5), model.predict(train[columns].head(5))),
                serialization_format="cloudpickle",
                pip_requirements=[],
            )
        client.create_model_version("credit.risk", info.model_uri, run_id=run.info.run_id)
    return home


def inputs(version: int | None, *checks: dict[str, Any], mark: str = "", **more: Any) -> dict[str, Any]:
    gate = {
        "name": "good-enough",
        "compareTo": "champion",
        "onInconclusive": "hold",
        "resamples": 200,
        "dataset": None,
        "checks": list(checks),
    }
    gate |= {k: more.pop(k) for k in ("compareTo", "onInconclusive", "dataset") if k in more}
    return {
        "fingerprint": mark or json.dumps([version, gate]),
        "model": "credit.risk",
        "trackingUri": "home:registry",
        "task": "classification",
        "label": "status",
        "positiveClass": "bad",
        "candidate": {
            "version": version,
            "fingerprint": "none",
            "metrics": {"evaluate.rows": 1200.0},
            "holdout": "home:runs/holdout.parquet",
        },
        "gates": [gate] if checks else [],
        "applyWaitSeconds": 120,
        **more,
    }


AUC = {"metric": "roc_auc", "threshold": 0.6}
BETTER = {"metric": "roc_auc", "minEffect": 0.01}
GATE = Gate()


def judged(home: Path, given: dict[str, Any], before: State | None = None) -> State:
    context = Context(home, URN)
    if before is None:
        return GATE.create(context, given)
    return GATE.update(context, before.id, {}, before.outputs, given)


@pytest.mark.capability("model-development/model-validation", by="trueup.gates.verdicts:bound_verdict")
def test_passes_only_what_surely_reaches_its_threshold(home: Path) -> None:
    state = judged(home, inputs(2, AUC))
    (found,) = state.outputs["evidence"]
    assert (state.outputs["verdict"], state.outputs["acceptedVersion"], state.not_ready) == ("passed", 2, None)
    assert found["lower"] > 0.6 and found["samples"] == 1200
    unsure = judged(home, inputs(2, {"metric": "roc_auc", "threshold": round(found["value"], 4)}))
    assert unsure.outputs["evidence"][0]["verdict"] == "inconclusive"
    assert unsure.outputs["verdict"] == "held"
    assert unsure.outputs.get("acceptedVersion") is None
    assert unsure.not_ready is not None and "between the bounds" in unsure.not_ready


@pytest.mark.capability("model-development/automated-quality-checks", by="trueup.gates.checks:holds")
def test_holds_what_is_worse_and_keeps_the_accepted_version(home: Path) -> None:
    first = judged(home, inputs(2, AUC, BETTER))
    assert "first version" in first.outputs["evidence"][1]["text"]
    held = judged(home, inputs(1, BETTER), first)
    (found,) = held.outputs["evidence"]
    assert (held.outputs["verdict"], held.outputs["acceptedVersion"], held.not_ready) == ("held", 2, None)
    assert found["verdict"] == "fail" and found["upper"] < 0.01 and found["championVersion"] == 2


@pytest.mark.capability("model-development/performance-benchmarking", by="trueup.gates.statistics:effect_bounds")
def test_accepts_what_surely_beats_the_champion(home: Path) -> None:
    first = judged(home, inputs(1))
    assert first.outputs["acceptedVersion"] == 1
    second = judged(home, inputs(2, BETTER), first)
    (found,) = second.outputs["evidence"]
    assert (second.outputs["verdict"], second.outputs["acceptedVersion"]) == ("passed", 2)
    assert found["lower"] >= 0.01 and found["effect"] == pytest.approx(found["candidate"] - found["champion"])


def test_never_judges_the_same_twice_and_a_new_champion_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = inputs(3, {"metric": "roc_auc", "minEffect": -0.02})
    weak = judged(home, inputs(1))
    first = judged(home, given, weak)
    ran: list[Any] = []
    real = evaluations.judge
    monkeypatch.setattr(evaluations, "judge", lambda *a: ran.append(a) or real(*a))
    assert judged(home, given, first).outputs == first.outputs
    assert judged(home, given, weak).outputs == first.outputs
    assert not ran
    against_good = judged(home, given, judged(home, inputs(2)))
    assert len(ran) == 1
    assert against_good.outputs["evaluation"] != first.outputs["evaluation"]
    assert against_good.outputs["evidence"][0]["effect"] == 0.0


def test_inconclusive_passes_only_where_the_gate_says_so(home: Path) -> None:
    few = {"metric": "accuracy", "threshold": 0.1, "minSamples": 5000}
    assert judged(home, inputs(2, few)).outputs["verdict"] == "held"
    lenient = judged(home, inputs(2, few, onInconclusive="pass"))
    assert lenient.outputs["verdict"] == "passed"
    assert lenient.outputs["evidence"][0]["verdict"] == "inconclusive"
    assert "too few" in lenient.outputs["evidence"][0]["text"]


def test_judges_a_slice_on_its_rows_only(home: Path) -> None:
    rows = pd.read_parquet(home / "runs" / "holdout.parquet")
    state = judged(home, inputs(2, {"metric": "accuracy", "threshold": 0.1, "slice": "age >= 40 && records == 'no'"}))
    (found,) = state.outputs["evidence"]
    assert found["samples"] == int(((rows["age"] >= 40) & (rows["records"] == "no")).sum())
    wrong = judged(home, inputs(2, {"metric": "accuracy", "threshold": 0.1, "slice": "agee > 3"}))
    assert (
        "did you mean" in wrong.outputs["evidence"][0]["text"].lower() or "age" in wrong.outputs["evidence"][0]["text"]
    )
    assert wrong.outputs["verdict"] == "held"


def test_a_reported_metric_is_judged_by_its_value(home: Path) -> None:
    enough = judged(home, inputs(2, {"metric": "evaluate.rows", "threshold": 1000, "test": "none"}))
    assert enough.outputs["verdict"] == "passed"
    assert judged(home, inputs(2, {"metric": "rows", "threshold": 2000, "test": "none"})).outputs["verdict"] == "held"
    unknown = judged(home, inputs(2, {"metric": "loss", "threshold": 1}))
    assert "evaluate.rows" in unknown.outputs["evidence"][0]["text"]


def test_compares_with_another_model_on_rows_of_a_table(home: Path) -> None:
    from deltalake import write_deltalake

    client = tracking.client(home, "home:registry")
    client.create_registered_model("credit.baseline")
    weak = client.get_model_version("credit.risk", "1")
    client.create_model_version("credit.baseline", weak.source, run_id=weak.run_id)
    rows = pd.read_parquet(home / "runs" / "holdout.parquet").head(700)
    write_deltalake(str(home / "tables" / "fresh"), rows)
    write_deltalake(str(home / "tables" / "fresh"), rows.head(3), mode="overwrite")
    table = {"uri": "home:tables/fresh", "version": 0}
    state = judged(home, inputs(2, BETTER, compareTo="credit.baseline", dataset=table))
    (found,) = state.outputs["evidence"]
    assert (state.outputs["verdict"], found["samples"]) == ("passed", 700)
    assert "version 1 of credit.baseline" in found["text"]
    nobody = judged(home, inputs(2, BETTER, compareTo="credit.nobody", dataset=table))
    assert (
        nobody.outputs["verdict"] == "held" and "credit.nobody has no version" in nobody.outputs["evidence"][0]["text"]
    )


def test_a_new_gate_finds_the_champion_in_the_registry(home: Path) -> None:
    client = tracking.client(home, "home:registry")
    client.set_registered_model_alias("credit.risk", "dev-champion", "2")
    try:
        held = judged(home, inputs(4, BETTER))
        assert (held.outputs["verdict"], held.outputs["acceptedVersion"], held.outputs["championVersion"]) == (
            "held",
            2,
            2,
        )
        text = "\n".join(
            outcomes.gate_lines(Address(StackId("dev", "credit", "model"), "trueup:run:Gate", "risk"), held.outputs)
        )
        assert "version 4 did not pass its gates; version 2 stays in use" in text
        assert "FAIL" in text and "worse than" in text
    finally:
        client.delete_registered_model_alias("credit.risk", "dev-champion")


def test_the_process_that_judges_sees_no_credentials(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "secret")
    seen: list[Any] = []
    real = subprocess.Popen
    monkeypatch.setattr(evaluations.subprocess, "Popen", lambda *a, **k: seen.append(k["env"]) or real(*a, **k))
    given = inputs(2, {"metric": "accuracy", "threshold": 0.11})
    assert judged(home, given).outputs["verdict"] == "passed"
    (environment,) = seen
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment
    assert environment["HOME"] != os.environ.get("HOME")


def test_too_little_time_and_a_cancelled_apply_are_said(home: Path) -> None:
    given = inputs(2, {"metric": "accuracy", "threshold": 0.12}, applyWaitSeconds=0.2)
    with pytest.raises(ComponentError, match="longer than"):
        judged(home, given)
    with pytest.raises(ComponentError, match="cancelled"):
        GATE.create(Context(home, URN, cancelled=lambda: True), given)


def test_a_run_without_a_version_is_refused(home: Path) -> None:
    with pytest.raises(ComponentError, match="registered no version"):
        judged(home, inputs(None, AUC))
    with pytest.raises(ComponentError, match="no version 99"):
        judged(home, inputs(99, AUC))
