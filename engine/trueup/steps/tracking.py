"""The MLflow run of a pipeline run: one for each fingerprint, found or created. Used by `register`, `compare` and the runner's end.

A killed step that comes again finds what it began: nothing is logged twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueup import tracking as registry
from trueup.steps.context import StepContext, StepError

FINGERPRINT = "trueup.fingerprint"
_LONGEST = 500


def client(context: StepContext) -> Any:
    """MLflow's client for the run's registry. Raises StepError where the run has none."""
    if not context.tracking_uri:
        raise StepError("The run has no model registry: set `registry.trackingUri` of the Environment.", final=True)
    if context.artifact_root:
        registry.prepare(Path(context.artifact_root).parent)
    import mlflow

    mlflow.set_tracking_uri(context.tracking_uri)
    mlflow.set_registry_uri(context.tracking_uri)
    return mlflow.MlflowClient(context.tracking_uri, context.tracking_uri)


def experiment(found: Any, context: StepContext) -> str:
    """The id of the pipeline's experiment; several runs may make it at once."""
    from mlflow.exceptions import MlflowException

    name = f"{context.project}/{context.pipeline}"
    for _ in range(2):
        there = found.get_experiment_by_name(name)
        if there is not None:
            return str(there.experiment_id)
        try:
            root = f"{context.artifact_root}/{context.project}/{context.pipeline}" if context.artifact_root else None
            return str(found.create_experiment(name, artifact_location=root))
        except MlflowException:
            continue
    raise StepError(f"MLflow's experiment {name!r} cannot be made: one of that name was deleted. Restore or purge it.")


def run_id(found: Any, context: StepContext) -> str:
    """The MLflow run of this pipeline run."""
    where = experiment(found, context)
    there = found.search_runs([where], f"tags.`{FINGERPRINT}` = '{context.fingerprint}'", max_results=1)
    if there:
        return str(there[0].info.run_id)
    tags = {
        FINGERPRINT: context.fingerprint,
        "mlflow.runName": context.fingerprint[:12],
        "mlflow.source.git.commit": context.commit,
        "trueup.pipeline": context.pipeline,
        "trueup.environment": context.environment,
        "trueup.code": context.code_tree,
        "trueup.lock": context.lock_digest,
        **{f"trueup.data.{n}": f"{d['uri']}@{d['version']}" for n, d in context.datasets.items()},
    }
    made = found.create_run(where, tags={k: v for k, v in tags.items() if v})
    return str(made.info.run_id)


def log(
    found: Any, run: str, params: Mapping[str, Any], metrics: Mapping[str, float], outcome: str | None = None
) -> None:
    """Writes parameters and metrics; with `outcome` (`FINISHED`, `FAILED`, `KILLED`) ends the run."""
    from mlflow.entities import Metric, Param

    there = found.get_run(run).data
    new = [Param(k, str(v)[:_LONGEST]) for k, v in params.items() if k not in there.params]
    values = [Metric(k, float(v), 0, 0) for k, v in metrics.items() if there.metrics.get(k) != float(v)]
    if new or values:
        found.log_batch(run, metrics=values, params=new)
    if outcome is not None:
        found.set_terminated(run, outcome)
