"""The built-in step `register`: a trained model becomes a version in the MLflow registry, with all that it was made from.

What a version is: an MLflow model of the flavors `sklearn` and `python_function` in the run's artifact `model`, so that any process with
the packages of its `requirements.txt` serves it by `mlflow.pyfunc.load_model("models:/NAME/VERSION")` (predictions) or
`mlflow.sklearn.load_model` (a scikit-learn pipeline that takes the raw columns, with `predict_proba` where the estimator has it).

Its signature names and types the columns it takes, without the label. A whole number with missing values is a `double`, and `pyfunc`
refuses 64-bit integers for one, so rows from JSON are cast to the signature's types first. Its input example are rows that it was fitted
on; its metadata `trueup` has `task`, `label`, `classes` (in the order of the probabilities) and `positive`. The lock file is the run's
artifact `environment/`. Tags of the version: `trueup.fingerprint`, `trueup.commit`, `trueup.code`, `trueup.lock`, `trueup.label`,
`trueup.task`, and `trueup.data.DATASET`, which is `URI@VERSION` of each dataset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueup.steps import bundles, frames, tracking
from trueup.steps.context import StepContext, StepError

if TYPE_CHECKING:
    import pandas as pd


def run(context: StepContext) -> None:
    """Writes `version`; the same run never makes two versions."""
    model, described = bundles.load(context.inputs["model"])
    name = str(context.parameters.get("name") or (context.model or {}).get("name") or "")
    if not name:
        raise StepError(
            "The step `register` needs the name of a registered model: run the pipeline for a Model, or set `name`.",
            final=True,
        )
    client = tracking.client(context)
    run_id = tracking.run_id(client, context)
    version = _registered(client, name, context.fingerprint) or _register(
        client, context, model, described, name, run_id
    )
    found = {"name": name, "version": int(version.version), "runId": run_id, "uri": f"models:/{name}/{version.version}"}
    frames.write_json(found, context.outputs["version"])
    context.log_metric("version", int(version.version))


def _registered(client: Any, name: str, fingerprint: str) -> Any:
    """The version that this run made before."""
    from mlflow.exceptions import MlflowException

    try:
        versions = client.search_model_versions(f"name = '{name}'")
    except MlflowException:
        return None
    return next((v for v in versions if v.tags.get(tracking.FINGERPRINT) == fingerprint), None)


def _register(
    client: Any, context: StepContext, model: Any, described: bundles.Description, name: str, run_id: str
) -> Any:
    import mlflow
    from mlflow.exceptions import MlflowException

    example = bundles.example(context.inputs["model"])
    with mlflow.start_run(run_id=run_id):
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=_signature(context, model, example),
            input_example=example,
            pip_requirements=_requirements(context),
            serialization_format="cloudpickle",
            metadata={
                "trueup": {
                    "task": described.task,
                    "label": described.label,
                    "classes": list(described.classes),
                    "positive": described.positive,
                }
            },
        )
        if context.lock_file is not None and context.lock_file.exists():
            mlflow.log_artifact(str(context.lock_file), "environment")
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    tags = {
        tracking.FINGERPRINT: context.fingerprint,
        "trueup.commit": context.commit,
        "trueup.code": context.code_tree,
        "trueup.lock": context.lock_digest,
        "trueup.label": described.label,
        "trueup.task": described.task,
        **{f"trueup.data.{n}": f"{d['uri']}@{d['version']}" for n, d in context.datasets.items()},
        **{str(k): str(v) for k, v in ((context.model or {}).get("tags") or {}).items()},
    }
    return client.create_model_version(name, info.model_uri, run_id=run_id, tags={k: v for k, v in tags.items() if v})


def _signature(context: StepContext, model: Any, example: pd.DataFrame | None) -> Any:
    """The declared signature, checked against what the model takes; else the one of the example."""
    from mlflow.models import infer_signature

    declared = (context.model or {}).get("signature")
    if example is None:
        return None
    inferred = infer_signature(example, model.predict(example))
    if declared:
        taken = {str(i.name) for i in inferred.inputs}
        promised = {str(i["name"]) for i in declared["inputs"]}
        if taken != promised:
            raise StepError(
                f"The model takes {', '.join(sorted(taken - promised)) or 'nothing'} that `signature` does not promise, "
                f"and not {', '.join(sorted(promised - taken)) or 'anything'} that it does.",
                final=True,
            )
    return inferred


def _requirements(context: StepContext) -> list[str]:
    """The versions that the model was fitted with."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("scikit-learn", "pandas", "numpy", "cloudpickle"):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return found
