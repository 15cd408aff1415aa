"""`trueup:run:Gate`: whether a candidate version may be used. Called by `server` and `observe`.

A verdict is recorded, not an error: `held` keeps the version accepted before. Only a gate that holds with no version to fall back to is
not ready. Evaluations have fingerprints of their own: the same one is never made twice, and a new champion is compared with anew.
Versions are loaded in a process of their own with a step's allow-listed variables (`trueup.gates.main`), never in the one that applies.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from trueup import places
from trueup.gates import evaluations
from trueup.gates.checks import holds
from trueup.provider import inputs as fields
from trueup.provider import tracking
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State
from trueup.run import environments, execution, folders, requests
from trueup_specs.core.fingerprints import fingerprint

PASSED, HELD = "passed", "held"
DEFAULT_WAIT = 1800.0
FINGERPRINT, LOCK = "trueup.fingerprint", "trueup.lock"


class Gate:
    """The gates of a model. Its id is the registered model's name."""

    token: ClassVar[str] = "trueup:run:Gate"
    replace_on: ClassVar[frozenset[str]] = frozenset({"trackingUri"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors, as far as values are known."""
        found = [
            *fields.text(inputs, "fingerprint", "the fingerprint of gates, candidate and datasets"),
            *fields.text(inputs, "model", "the registered model's name"),
            *fields.text(inputs, "trackingUri", "an MLflow tracking URI or `home:registry`"),
        ]
        gates = inputs.get("gates")
        if gates not in (None, UNKNOWN) and not isinstance(gates, list):
            return [*found, Failure("gates", f"`gates` must be a list; it is {fields.shown(gates)}.")]
        if gates and gates != UNKNOWN:
            found += fields.text(inputs, "label", "the column that is predicted: without it no row can be judged")
        return [
            *found,
            *(f for i, g in enumerate(gates or ()) if isinstance(g, dict) for f in _check_failures(g, f"gates[{i}]")),
        ]

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The verdict of before, where nothing that it depends on changes."""
        if old is not None and UNKNOWN != inputs.get("fingerprint") == old.outputs.get("fingerprint"):
            return dict(old.outputs)
        return {}

    def create(self, context: Context, inputs: Properties) -> State:
        """Judges the candidate against the registry's champion."""
        return self._judged(context, inputs, {})

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The recorded verdict: nothing outside can change it. A gate is not importable, since nobody else judged."""
        return Live(inputs, outputs) if outputs.get("verdict") else None

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Judges anew where candidate, gates, data or champion changed; else the verdict stands."""
        return self._judged(context, inputs, old_outputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Forgets the verdict; versions stay."""

    def _judged(self, context: Context, inputs: Properties, before: Properties) -> State:
        candidate = _candidate(inputs)
        with tracking.speaking(inputs["trackingUri"]):
            registry = Registry(tracking.client(context.home, inputs["trackingUri"]), _environment(context.urn))
            accepted = before.get("acceptedVersion")
            accepted = int(accepted) if accepted is not None else registry.champion(inputs["model"])
            champion = _champion(accepted, candidate, before, registry, inputs["model"])
            gates = [
                _described(g, champion, inputs["model"], registry, context.home) for g in inputs.get("gates") or ()
            ]
            marks = {f"{m}@{v}": registry.mark(m, v) for m, v in {(inputs["model"], candidate), *_opponents(gates)}}
        mark = fingerprint({"gate": inputs["fingerprint"], "candidate": candidate, "versions": marks, "gates": gates})
        evidence = evaluations.kept(context.home, mark) if gates else []
        if evidence is None:
            evidence = _evaluated(context, inputs, candidate, gates)
            evaluations.keep(context.home, mark, evidence)
        return _state(inputs, gates, candidate, champion, accepted, evidence, mark)


class Registry:
    """What the gate asks the MLflow registry."""

    def __init__(self, client: Any, environment: str) -> None:
        self._client, self._environment = client, environment

    def champion(self, model: str) -> int | None:
        """The version that the environment's alias `champion` points to."""
        from mlflow.exceptions import MlflowException

        try:
            return int(self._client.get_model_version_by_alias(model, f"{self._environment}-champion").version)
        except MlflowException as error:
            if tracking.missing(error) or getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                return None
            raise

    def newest(self, model: str) -> int | None:
        """The newest version of a model."""
        found = [int(v.version) for v in self._client.search_model_versions(f"name = '{model}'")]
        return max(found, default=None)

    def mark(self, model: str, version: int) -> str:
        """What tells a version from another of the same number: the fingerprint of the run that made it."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_model_version(model, str(version))
        except MlflowException as error:
            if not tracking.missing(error):
                raise
            raise ComponentError(
                f"The registry has no version {version} of {model!r}, so it cannot be judged. Restore it, or run the pipeline again."
            ) from error
        return str(found.tags.get(FINGERPRINT) or found.run_id or "")


def _check_failures(gate: Mapping[str, Any], path: str) -> Iterator[Failure]:
    if not gate.get("checks"):
        yield Failure(f"{path}.checks", "A gate needs at least one check.")
    for position, check in enumerate(gate.get("checks") or ()):
        if isinstance(check, dict) and check.get("threshold") is None and check.get("minEffect") is None:
            yield Failure(f"{path}.checks[{position}]", "A check needs `threshold` or `minEffect`.")


def _candidate(inputs: Mapping[str, Any]) -> int:
    version = (inputs.get("candidate") or {}).get("version")
    if version is None:
        raise ComponentError(
            f"The run registered no version of {inputs['model']!r}, so none can be judged. End its pipeline with the step `register`."
        )
    return int(version)


def _environment(urn: str) -> str:
    """The environment of a resource: the first part of its stack's name."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0].partition(".")[0]


def _champion(
    accepted: int | None, candidate: int, before: Mapping[str, Any], registry: Registry, model: str
) -> int | None:
    """The version that the candidate must beat: the accepted one, or, for one that is accepted already, the one before it."""
    if accepted != candidate:
        return accepted
    former = before.get("championVersion")
    return int(former) if former is not None and int(former) != candidate else None


def _described(
    gate: Mapping[str, Any], champion: int | None, model: str, registry: Registry, home: Path
) -> dict[str, Any]:
    """The gate as the process takes it: with its opponent's version and the place of its rows."""
    against = str(gate.get("compareTo") or "champion")
    opponent: dict[str, Any] | None = None
    if against == "champion":
        opponent = {"model": model, "version": champion} if champion is not None else None
    elif against != "none":
        version = registry.champion(against) or registry.newest(against)
        opponent = {"model": against, "version": version} if version is not None else None
    table = gate.get("dataset")
    rows = {"uri": places.resolve(home, str(table["uri"])), "version": int(table["version"])} if table else None
    return {
        **gate,
        "compareTo": against,
        "opponent": opponent,
        "dataset": rows,
        "resamples": int(gate.get("resamples") or 2000),
    }


def _opponents(gates: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(g["opponent"]["model"], int(g["opponent"]["version"])) for g in gates if g["opponent"]}


def _evaluated(
    context: Context, inputs: Properties, candidate: int, gates: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    given = inputs["candidate"]
    holdout = given.get("holdout")
    asked = {
        "trackingUri": tracking.tracking_uri(context.home, inputs["trackingUri"]),
        "model": inputs["model"],
        "version": candidate,
        "label": inputs.get("label"),
        "positiveClass": inputs.get("positiveClass"),
        "metrics": given.get("metrics") or {},
        "holdout": places.resolve(context.home, holdout) if holdout else None,
        "gates": gates,
    }
    python, variables = _process(context.home, str(given.get("fingerprint") or ""))
    context.log(f"judging version {candidate}")
    try:
        seconds = float(inputs.get("applyWaitSeconds") or DEFAULT_WAIT)
        return evaluations.judge(python, variables, asked, seconds, context.cancelled)
    except evaluations.EvaluationError as error:
        raise ComponentError(str(error)) from error


def _process(home: Path, run: str) -> tuple[Path, dict[str, str]]:
    """The interpreter and variables of the process that judges: those of the candidate's own steps, so that its model can be loaded."""
    variables = {k: os.environ[k] for k in execution.PASSED_ON if k in os.environ}
    try:
        request = requests.read(folders.run_folder(home, run) / folders.REQUEST) if run else None
    except (OSError, ValueError):
        request = None  # a run that was cleaned away, or was made elsewhere
    paths = [environments.search_path()]
    lock, digest = None, ""
    if request is not None and request.code is not None:
        paths.append(places.resolve(home, request.code.uri))
    if request is not None and request.lock is not None:
        lock, digest = Path(places.resolve(home, request.lock.uri)), request.lock.digest
    try:
        python = environments.python(lock, digest)
    except environments.LockedEnvironmentError as error:
        raise ComponentError(str(error)) from error
    variables |= {
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return python, variables


def _state(
    inputs: Properties,
    gates: list[dict[str, Any]],
    candidate: int,
    champion: int | None,
    accepted: int | None,
    evidence: list[dict[str, Any]],
    mark: str,
) -> State:
    strict = {g["name"]: (g.get("onInconclusive") or "hold") == "hold" for g in gates}
    against = [e for e in evidence if holds(e, strict[e["gate"]])]
    outputs: Properties = {
        "verdict": HELD if against else PASSED,
        "acceptedVersion": accepted if against else candidate,
        "candidateVersion": candidate,
        "championVersion": champion,
        "evidence": evidence,
        "evaluation": mark,
        "fingerprint": inputs["fingerprint"],
    }
    reason = None
    if against and accepted is None:
        why = " ".join(e["text"] for e in against)
        reason = (
            f"Version {candidate} of {inputs['model']} is held by its gates, and no version was accepted before: {why}"
        )
    return State(inputs["model"], {k: v for k, v in outputs.items() if v is not None}, reason)
