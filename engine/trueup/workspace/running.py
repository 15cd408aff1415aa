"""Runs on request: train a model now, list and cancel runs. Called by `trueup run` and `trueup runs`.

Where the runner of the environment is a cluster's, `pipelines` does it. On this machine the run is the one that an apply would make, by the
same fingerprint, so that the next apply takes it as it is.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from trueup.apply import materials
from trueup.exits import INVALID, NOTHING_SELECTED
from trueup.load.trees import Tree, WorkingTree
from trueup.record.events import DONE, Event, EventKind, Subject
from trueup.run import folders, local, processes, requests
from trueup.run.parsing import InvalidRun, parse
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus
from trueup.workspace import naming, pipelines
from trueup.workspace.drivers import resolver_of, states_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import Prepared, prepare
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Output, Resource, Secret, Value

RUN = "trueup:run:Run"
SETTLE_SECONDS = 60.0
Outputs = Mapping[Address, Mapping[str, Any]]


def run(
    workspace: Workspace,
    environment: str,
    model: str,
    *,
    again: bool = False,
    on_line: Callable[[str], None],
    tree: Tree | None = None,
) -> RunStatus:
    """Runs a model's pipeline as the specs (of `tree`, by default as they lie here) say and waits for its end; attaches to one that goes
    on already.

    Raises WorkspaceError where the environment does not train the model, or its data was not applied.
    """
    chosen = tree or WorkingTree(workspace.repository, workspace.prefix)
    prepared = prepare(workspace, environment, chosen, with_before=False)
    if prepared.forbidden:
        raise WorkspaceError(f"The specs cannot be run as they are: see `trueup plan {environment}`.", INVALID)
    if pipelines.on_cluster(prepared):
        key, status = pipelines.run(workspace, prepared, model, on_line)
        _record(workspace, prepared, key, status)
        return status
    key = naming.model_in(prepared.catalog.documents, model)
    resource = _resource(prepared, key)
    request = _request(workspace, prepared, resource)
    if again:
        request = _anew(workspace, request)
    uris = materials.named_uris([resource.properties])
    materials.export(workspace.home, prepared.tree, prepared.catalog.facts.trees, uris)
    status = _waited(workspace, local.started(workspace.home, request, math.inf, said=on_line), on_line)
    _record(workspace, prepared, key, status)
    return status


def _resource(prepared: Prepared, key: Key) -> Resource:
    environment, kind = prepared.catalog.environment, prepared.catalog.settings.runner.type
    if kind != "local":
        raise WorkspaceError(f"The runner of {environment} is {kind!r}, which nothing makes runs for on its target.")
    for resource in prepared.compilation.resources():
        if resource.origin == key and resource.address.type == RUN:
            return resource
    raise WorkspaceError(
        f"{environment} does not train {key}: it takes a promoted version. See `train.in` and `promotion.path`.",
        NOTHING_SELECTED,
    )


def _request(workspace: Workspace, prepared: Prepared, resource: Resource) -> RunRequest:
    filled = _Filled(outputs_known(workspace, prepared), resolver_of(workspace, prepared), prepared.catalog.environment)
    try:
        return parse(filled.value(dict(resource.properties)))
    except InvalidRun as error:
        raise WorkspaceError(f"The run of {resource.origin} cannot be right: {error}", INVALID) from None


def outputs_known(workspace: Workspace, prepared: Prepared) -> Outputs:
    """The outputs of what is applied: of the ledger, and over them those of Pulumi's state where it lies here."""
    found: dict[Address, Mapping[str, Any]] = {
        a: r.outputs for s in prepared.recorded.stacks.values() for a, r in s.resources.items()
    }
    for state in states_of(workspace, prepared.catalog, prepared.recorded):
        found |= {a: r.plain_outputs for a, r in state.by_address().items()}
    return found


@dataclasses.dataclass(frozen=True)
class _Filled:
    """Property values with outputs and secrets filled in."""

    outputs: Outputs
    secret: Callable[[Secret], str]
    environment: str

    def value(self, value: Value) -> Any:
        if isinstance(value, Output):
            return self._output(value)
        if isinstance(value, Secret):
            return self.secret(value)
        if isinstance(value, Mapping):
            return {str(k): self.value(v) for k, v in value.items()}
        return [self.value(v) for v in value] if isinstance(value, (list, tuple)) else value

    def _output(self, output: Output) -> Any:
        known = self.outputs.get(output.address, {})
        if output.property not in known:
            raise WorkspaceError(
                f"The run reads {output.property!r} of {output.address.type} {output.address.name}, which is not applied yet. "
                f"Apply it first: trueup apply {self.environment}."
            )
        return known[output.property]


def _anew(workspace: Workspace, request: RunRequest) -> RunRequest:
    """The request with no step taken from the cache; what a finished run left is put aside, one that goes on stays."""
    found = local.status(workspace.home, request.fingerprint)
    if found is not None and found.outcome == "running":
        return request
    if found is not None:
        _settled(workspace, found)
    folder = folders.run_folder(workspace.home, request.fingerprint)
    if folder.exists():
        aside = workspace.home / "runs-before" / f"{request.fingerprint}.{time.time_ns()}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(aside)
    steps = tuple(dataclasses.replace(s, cache=False) for s in request.steps)
    return dataclasses.replace(request, steps=steps)


def _waited(workspace: Workspace, status: RunStatus, on_line: Callable[[str], None]) -> RunStatus:
    try:
        found = local.wait(workspace.home, status.fingerprint, math.inf, said=on_line)
    except KeyboardInterrupt:
        mark = status.fingerprint[:12]
        on_line(f"The run {mark} goes on by itself: see `trueup runs`, or end it with `trueup runs --cancel {mark}`.")
        raise
    return _settled(workspace, found or status)


def _settled(workspace: Workspace, status: RunStatus) -> RunStatus:
    """The state once the runner is gone: after the last step it still writes the end to the registry."""
    end = time.monotonic() + SETTLE_SECONDS
    while processes.alive(status.runner) and time.monotonic() < end:
        time.sleep(local.LOOK_SECONDS)
    return local.status(workspace.home, status.fingerprint) or status


def _record(workspace: Workspace, prepared: Prepared, key: Key, status: RunStatus) -> None:
    details: dict[str, Any] = {"documents": [str(key)], "run": status.fingerprint, "metrics": status.metrics}
    if status.reason:
        details["error"] = status.reason
    version = f"@{status.model_version}" if status.model_version is not None else ""
    model = (Subject(f"model:{key}{version}", {"sha256": status.fingerprint}),) if key.kind == "Model" else ()
    workspace.ledger.append(
        Event(
            EventKind.RUN,
            prepared.catalog.environment,
            commit=prepared.plan.commit,
            outcome=DONE if status.outcome == "succeeded" else status.outcome,
            details=details,
            subjects=model,
            durations={"run": round((status.ended or 0) - (status.started or 0), 3)} if status.ended else {},
        )
    )


def runs(workspace: Workspace, environment: str = "") -> list[RunStatus]:
    """The runs of this machine, newest first; only of one environment where one is named, and then also those on its cluster."""
    found = local.runs(workspace.home)
    if environment and (prepared := _on_cluster(workspace, environment)) is not None:
        return pipelines.runs(workspace, prepared)
    return [s for s in found if not environment or _environment(workspace, s) == environment]


def _environment(workspace: Workspace, status: RunStatus) -> str:
    try:
        return requests.read(folders.run_folder(workspace.home, status.fingerprint) / folders.REQUEST).environment
    except (OSError, ValueError):
        return ""


def _on_cluster(workspace: Workspace, environment: str) -> Prepared | None:
    """The specs as they lie here, where the environment's pipelines run on a cluster; None where they run on this machine."""
    if not pipelines.applied(workspace.ledger.recorded(), environment):
        return None
    prepared = prepare(workspace, environment, WorkingTree(workspace.repository, workspace.prefix), with_before=False)
    return prepared if pipelines.on_cluster(prepared) else None


def cancel(workspace: Workspace, start: str, environment: str = "") -> str:
    """Asks a run to end, by the start of its id; what was done, as a sentence. Raises WorkspaceError where it is not one run."""
    if environment and (prepared := _on_cluster(workspace, environment)) is not None:
        return pipelines.cancel(workspace, prepared, start)
    found = [s for s in local.runs(workspace.home) if s.fingerprint.startswith(start)]
    if len(found) != 1:
        what = f"{len(found)} runs begin with" if found else "no run begins with"
        raise WorkspaceError(f"On this machine {what} {start!r}. `trueup runs` lists them.", NOTHING_SELECTED)
    mark = found[0].fingerprint[:12]
    if local.cancel(workspace.home, found[0].fingerprint):
        return f"Asked the run {mark} of {found[0].pipeline} to end."
    return f"The run {mark} of {found[0].pipeline} does not go on: it {found[0].outcome}."
