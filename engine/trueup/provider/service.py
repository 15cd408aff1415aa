"""`trueup:serve:Service`: supervised model servers that speak the Open Inference Protocol. Called by `server` and `observe`.

Its addresses belong to the replicas, not to the versions: a new version takes the ports of the old one over, so whoever refers to
`endpoints` sees no change. A version that does not load fails the operation and leaves the old one answering.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from trueup import places
from trueup.provider import inputs as fields
from trueup.provider import tracking
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State
from trueup.serving import deployments, ports, processes
from trueup.serving.deployments import DeploymentError
from trueup.serving.settings import Probe, Revision
from trueup_specs.core.quantities import amount

STRATEGIES, LOGGING = ("recreate", "rollingUpdate"), ("none", "metadata", "all")
OWNER = "owner.json"


class Service:
    """A service. Its id is its folder."""

    token: ClassVar[str] = "trueup:serve:Service"
    replace_on: ClassVar[frozenset[str]] = frozenset({"folder"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found = [
            *fields.text(inputs, "name", "the name in the URL of the model"),
            *fields.place(inputs, "folder"),
            *fields.text(inputs, "model.name", "the registered model's name"),
            *fields.text(inputs, "model.trackingUri", "an MLflow tracking URI or `home:registry`"),
            *fields.whole(inputs, "model.version", 1, required=True),
            *fields.whole(inputs, "replicas", 0, required=True),
            *fields.whole(inputs, "workers", 1),
            *_number(inputs, "timeoutSeconds", above=0),
            *_number(inputs, "terminationGraceSeconds", above=-1),
        ]
        for probe in ("readiness", "liveness"):
            found += _number(inputs, f"{probe}.initialDelaySeconds", above=-1)
            found += _number(inputs, f"{probe}.periodSeconds", above=0)
            found += _number(inputs, f"{probe}.timeoutSeconds", above=0)
            found += fields.whole(inputs, f"{probe}.failureThreshold", 1)
        found += _one_of(inputs, "strategy", STRATEGIES) + _one_of(inputs, "logging.mode", LOGGING)
        if fields.at(inputs, "features") not in (None, UNKNOWN):
            for name in ("repo", "project", "service"):
                found += fields.text(inputs, f"features.{name}", "given to look features up")
        return found

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The model and its version where known; the addresses stay with the replicas."""
        known: Properties = {}
        if fields.at(inputs, "model.name") not in (None, UNKNOWN):
            known["model"] = inputs["model"]["name"]
        if fields.at(inputs, "model.version") not in (None, UNKNOWN):
            known["version"] = inputs["model"]["version"]
        if old and len(old.outputs.get("endpoints") or ()) == inputs.get("replicas"):
            known["endpoints"] = old.outputs["endpoints"]
        return known

    def create(self, context: Context, inputs: Properties) -> State:
        """Starts the servers, or takes over what an interrupted create of the same resource left."""
        folder = _folder(context, inputs)
        owner = processes.read(folder / OWNER).get("urn")
        if owner not in (None, context.urn) and deployments.status(folder).revision is not None:
            raise ComponentError(f"The folder {folder} is the service of {owner}; give this one another name.")
        return self._deploy(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """What is served; another version than recorded, or other settings, show as other inputs."""
        folder = _folder(context, {"folder": inputs.get("folder") or id})
        status = deployments.status(folder)
        if status.revision is None:
            if not processes.read(folder / OWNER) and not status.versions:
                return None
            return Live(inputs, outputs, status.wrong)
        served = status.versions[-1] if status.versions else status.revision.model_version
        live = {**inputs, "name": status.revision.name, "folder": inputs.get("folder") or id}
        live["model"] = {**(inputs.get("model") or {}), "name": status.revision.model_name, "version": served}
        live |= {"replicas": status.revision.replicas, "workers": status.revision.workers}
        return Live(live, _outputs(status.revision, served), status.wrong)

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Brings what changed into service without losing a request; heals what was ended from outside."""
        return self._deploy(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Ends the servers and removes their folder."""
        deployments.remove(_folder(context, {"folder": inputs.get("folder") or id}))

    def _deploy(self, context: Context, inputs: Properties) -> State:
        folder = _folder(context, inputs)
        processes.write_private(folder / OWNER, {"urn": context.urn})
        revision = _revision(context, folder, inputs)
        try:
            deployments.deploy(folder, revision, context.log, context.cancelled)
        except DeploymentError as error:
            raise ComponentError(str(error)) from error
        _forget_models(folder, revision)
        return State(str(inputs["folder"]), _outputs(revision, revision.model_version))


def _folder(context: Context, inputs: Mapping[str, Any]) -> Path:
    try:
        return Path(places.resolve(context.home, str(inputs["folder"])))
    except ValueError as error:
        raise ComponentError(f"The service's folder is refused: {error}.") from error


def _revision(context: Context, folder: Path, inputs: Properties) -> Revision:
    model, resources, features = inputs["model"], inputs.get("resources") or {}, inputs.get("features")
    if features:
        features = {**features, "repo": places.resolve(context.home, str(features["repo"]))}
    logging = inputs.get("logging") or {}
    return Revision(
        name=str(inputs["name"]),
        model_name=str(model["name"]),
        model_version=int(model["version"]),
        model_folder=str(_downloaded(context, folder, model)),
        ports=_ports(folder, int(inputs["replicas"])),
        replicas=int(inputs["replicas"]),
        workers=int(inputs.get("workers") or 1),
        env={str(k): str(v) for k, v in (inputs.get("env") or {}).items()},
        timeout=float(inputs.get("timeoutSeconds") or 30),
        grace=float(inputs.get("terminationGraceSeconds", 30)),
        readiness=_probe(inputs.get("readiness")),
        liveness=_probe(inputs.get("liveness")),
        cpu_limit=amount(resources["cpuLimit"]) if resources.get("cpuLimit") else None,
        memory_limit=amount(resources["memoryLimit"]) if resources.get("memoryLimit") else None,
        features=features or None,
        log_mode=str(logging.get("mode") or "none"),
        log_percent=float(logging.get("samplePercent", 100)),
        strategy=str(inputs.get("strategy") or "rollingUpdate"),
    )


def _probe(given: Mapping[str, Any] | None) -> Probe:
    given = given or {}
    return Probe(
        float(given.get("initialDelaySeconds", 0)),
        float(given.get("periodSeconds", 5)),
        float(given.get("timeoutSeconds", 2)),
        int(given.get("failureThreshold", 3)),
    )


def _ports(folder: Path, replicas: int) -> tuple[int, ...]:
    """A port for each replica; those that were ever chosen are kept."""
    kept = [int(p) for p in processes.read(folder / "ports.json").get("ports", ())]
    while len(kept) < replicas:
        kept.append(ports.free(avoid=kept))
    processes.write_private(folder / "ports.json", {"ports": kept})
    return tuple(kept)


def _downloaded(context: Context, folder: Path, model: Mapping[str, Any]) -> Path:
    """The version's files, beside the service, so that a restart needs no registry."""
    target = folder / "models" / f"{model['name']}-{int(model['version'])}".replace("/", "_")
    if (target / "MLmodel").exists():
        return target
    import mlflow
    from mlflow.exceptions import MlflowException

    context.log(f"fetching version {model['version']} of {model['name']}")
    uri = str(model["trackingUri"])
    with tracking.speaking(uri):
        client = tracking.client(context.home, uri)
        try:
            source = client.get_model_version_download_uri(str(model["name"]), str(int(model["version"])))
        except MlflowException as error:
            if not tracking.missing(error):
                raise
            raise ComponentError(
                f"The registry has no version {model['version']} of {model['name']!r}, so it cannot be served."
            ) from error
        scratch = target.with_name(f".{target.name}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        found = mlflow.artifacts.download_artifacts(
            artifact_uri=source, dst_path=str(scratch), tracking_uri=tracking.tracking_uri(context.home, uri)
        )
        Path(found).replace(target) if Path(found) != scratch else scratch.replace(target)
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _forget_models(folder: Path, revision: Revision) -> None:
    for path in (folder / "models").iterdir():
        if path != Path(revision.model_folder):
            shutil.rmtree(path, ignore_errors=True)


def _outputs(revision: Revision, version: int) -> Properties:
    endpoints = [f"127.0.0.1:{port}" for port in revision.ports[: revision.replicas]]
    return {"endpoints": endpoints, "model": revision.model_name, "version": version}


def _number(inputs: Properties, path: str, above: float) -> list[Failure]:
    value = fields.at(inputs, path)
    if value in (None, UNKNOWN) or (not isinstance(value, bool) and isinstance(value, int | float) and value > above):
        return []
    return [
        Failure(
            path,
            f"`{path}` must be a number of seconds{' above 0' if above == 0 else ''}; it is {fields.shown(value)}.",
        )
    ]


def _one_of(inputs: Properties, path: str, allowed: tuple[str, ...]) -> list[Failure]:
    value = fields.at(inputs, path)
    if value in (None, UNKNOWN, *allowed):
        return []
    return [Failure(path, f"`{path}` must be one of {', '.join(allowed)}; it is {fields.shown(value)}.")]
