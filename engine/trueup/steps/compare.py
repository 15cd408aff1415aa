"""The built-in step `compare`: the candidate against the champion on the same rows. Reports a verdict; the gate decides."""

from __future__ import annotations

from typing import Any

from trueup.gates import metrics, statistics, verdicts
from trueup.steps import bundles, frames, tracking
from trueup.steps.context import StepContext
from trueup.tracking import missing
from trueup_specs.core.steps import MINIMIZED_METRICS


def run(context: StepContext) -> None:
    """Writes `report`; reports `candidate`, and with a champion `champion`, `effect`, `lower`, `upper`, `samples`, `passed`."""
    given = context.parameters
    model, described = bundles.load(context.inputs["model"])
    frame = frames.read(context.inputs["test"])
    frame = frame[frame[described.label].notna()]
    problem = statistics.Problem(frame[described.label].to_numpy(), described.classes, described.positive)
    candidate = predictions(model, frame[list(described.features)])
    metric = str(given["metric"])
    value = problem.scored(metric, candidate)
    report: dict[str, Any] = {"metric": metric, "candidate": value, "samples": len(frame)}
    champion, version = _champion(context)
    if champion is None:
        report |= {"verdict": "pass", "reason": "There is no champion to compare with."}
    else:
        report |= _compared(
            problem, metric, candidate, predictions(champion, frame[list(described.features)]), given, context.seed
        )
        report["championVersion"] = version
    frames.write_json(report, context.outputs["report"])
    for name in ("candidate", "champion", "effect", "lower", "upper", "samples"):
        if report.get(name) is not None:
            context.log_metric(name, float(report[name]))
    context.log_metric("passed", 1.0 if report["verdict"] == "pass" else 0.0)


def predictions(model: Any, rows: Any) -> statistics.Predictions:
    """What a model says of rows."""
    return statistics.Predictions(model.predict(rows), metrics.probabilities_of(model, rows))


def _compared(
    problem: statistics.Problem, metric: str, ours: Any, theirs: Any, given: Any, seed: int
) -> dict[str, Any]:
    found = statistics.effect_bounds(
        problem,
        metric,
        ours,
        theirs,
        metric in MINIMIZED_METRICS,
        float(given.get("confidence", 0.95)),
        int(given.get("resamples", 2000)),
        seed,
    )
    least = float(given.get("minEffect", 0))
    if found is None or found.samples < int(given.get("minSamples", 100)):
        return {
            "verdict": "inconclusive",
            "reason": "Too few rows to tell.",
            "champion": problem.scored(metric, theirs),
        }
    verdict = verdicts.bound_verdict(found.lower, found.upper, least)
    return {
        "verdict": verdict,
        "champion": problem.scored(metric, theirs),
        "effect": found.value,
        "lower": found.lower,
        "upper": found.upper,
        "minEffect": least,
    }


def _champion(context: StepContext) -> tuple[Any, int | None]:
    """The champion's model and version; None where there is none."""
    import mlflow
    from mlflow.exceptions import MlflowException

    name = str((context.model or {}).get("name") or "")
    alias = f"{context.environment}-{context.parameters.get('champion', 'champion')}"
    client = tracking.client(context)
    try:
        version = client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if missing(error) or error.error_code == "INVALID_PARAMETER_VALUE":
            return None, None
        raise
    return mlflow.sklearn.load_model(f"models:/{name}/{version.version}"), int(version.version)
