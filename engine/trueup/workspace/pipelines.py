"""Runs of pipelines on a cluster, where the runner of an environment is none of this machine. Called by `running` and `logging`.

What is applied there is what runs are made from: a run needs no apply of its own, and the specs only say where to look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from trueup.apply.cluster import ClusterError
from trueup.exits import NOTHING_SELECTED
from trueup.plan.recorded import Recorded
from trueup.run import runners
from trueup.run.argo import Argo
from trueup.run.jobs import Jobs
from trueup.run.rayjobs import RayJobs
from trueup.run.runners import Place, Runner, RunnerError
from trueup.run.states import RunStatus
from trueup.workspace import naming
from trueup.workspace.drivers import cluster_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import Prepared
from trueup_specs.core.references import Key
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_stacks.kubernetes import tokens

RUNNERS: Mapping[str, Callable[[Place], Runner]] = {
    tokens.CRON_JOB: Jobs,
    tokens.WORKFLOW_TEMPLATE: Argo,
    tokens.RAY_JOB: RayJobs,
}
"""By the type of what runs are made from."""


def on_cluster(prepared: Prepared) -> bool:
    """Whether the environment's pipelines run on a cluster."""
    settings = prepared.catalog.settings
    return settings.target == "kubernetes" and settings.runner.type != "local"


def applied(recorded: Recorded, environment: str) -> bool:
    """Whether an environment has pipelines on a cluster."""
    stacks = (stack for id, stack in recorded.stacks.items() if id.environment == environment)
    return any(address.type in RUNNERS for stack in stacks for address in stack.resources)


def of(workspace: Workspace, prepared: Prepared) -> dict[Key, Runner]:
    """The runner of each pipeline. Raises WorkspaceError where the cluster cannot be asked."""
    try:
        api = cluster_of(workspace, prepared.catalog.settings)
    except ClusterError as error:
        raise WorkspaceError(str(error)) from None
    found: dict[Key, Runner] = {}
    for resource in prepared.compilation.resources():
        if resource.address.type in RUNNERS and resource.origin not in found:
            metadata, key = resource.properties["metadata"], resource.origin
            place = Place(api, metadata["namespace"], metadata["name"], f"{key.namespace}/{key.name}", ClusterError)
            found[key] = RUNNERS[resource.address.type](place)
    return found


def run(workspace: Workspace, prepared: Prepared, name: str, on_line: Callable[[str], None]) -> tuple[Key, RunStatus]:
    """Runs a pipeline, or that of a model, and waits for the end."""
    known = of(workspace, prepared)
    key = _pipeline(prepared, known, name)
    try:
        begun = known[key].submit()
        on_line(f"The run {begun.fingerprint} of {key} began.")
        ended = runners.wait(known[key], begun.fingerprint, math.inf, said=on_line)
    except (ClusterError, RunnerError) as error:
        raise WorkspaceError(str(error)) from None
    except KeyboardInterrupt:
        on_line(f"The run goes on by itself: see `trueup runs {prepared.catalog.environment}`.")
        raise
    return key, ended or begun


def _pipeline(prepared: Prepared, known: Mapping[Key, Runner], name: str) -> Key:
    """The pipeline that a name means: its own, or that of a model."""
    models = {
        k
        for k in prepared.catalog.documents
        if k.kind == "Model" and name in (k.name, f"{k.namespace}/{k.name}", str(k))
    }
    for model in models:
        document = prepared.catalog.documents[model]
        if isinstance(document.spec, ModelSpec) and document.spec.pipeline is not None:
            found = prepared.catalog.bound(document, "Pipeline", str(document.spec.pipeline)).key
            if found in known:
                return found
    if not known:
        raise WorkspaceError(f"{prepared.catalog.environment} has no pipeline on its cluster.", NOTHING_SELECTED)
    return naming.chosen(f"Pipeline/{name.removeprefix('Pipeline/')}", list(known))


def runs(workspace: Workspace, prepared: Prepared) -> list[RunStatus]:
    """The runs that the cluster still knows, newest first."""
    try:
        found = [status for runner in of(workspace, prepared).values() for status in runner.runs()]
    except ClusterError as error:
        raise WorkspaceError(str(error)) from None
    return sorted(found, key=lambda s: -(s.started or 0))


def cancel(workspace: Workspace, prepared: Prepared, start: str) -> str:
    """Asks a run to end, by the start of its name; what was done, as a sentence."""
    try:
        known = [(r, s) for r in of(workspace, prepared).values() for s in r.runs() if s.fingerprint.startswith(start)]
        if len(known) != 1:
            what = f"{len(known)} runs begin with" if known else "no run begins with"
            environment = prepared.catalog.environment
            raise WorkspaceError(
                f"On the cluster of {environment} {what} {start!r}. `trueup runs {environment}` lists them.",
                NOTHING_SELECTED,
            )
        runner, status = known[0]
        if runner.cancel(status.fingerprint):
            return f"Asked the run {status.fingerprint} of {status.pipeline} to end."
    except ClusterError as error:
        raise WorkspaceError(str(error)) from None
    return f"The run {status.fingerprint} of {status.pipeline} does not go on: it {status.outcome}."
