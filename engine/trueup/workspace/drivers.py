"""Drivers, secrets and states of an environment: where Pulumi's side is put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from trueup.apply.backend import Backend
from trueup.apply.backend import resolve as resolve_backend
from trueup.apply.checkpoints import Checkpoint
from trueup.apply.checkpoints import locate as locate_checkpoint
from trueup.apply.checkpoints import read as read_checkpoint
from trueup.apply.cli import ensure_cli
from trueup.apply.cluster import Cluster, ClusterError, connect
from trueup.apply.outcome import Event
from trueup.apply.pulumi import Driver, DriverError, StackSettings
from trueup.plan.recorded import Recorded
from trueup.resolve.catalog import Catalog
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared
from trueup_specs.kinds.environment.cluster import Cluster as ClusterSpec
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import Secret, StackId
from trueup_stacks.kubernetes.placement import clusters, home, stacks_of


def backend_of(workspace: Workspace, settings: EnvironmentSpec) -> Backend:
    """The Pulumi backend of an environment."""
    return resolve_backend(settings.state, workspace.home)


def driver_of(
    workspace: Workspace,
    catalog: Catalog,
    on_event: Callable[[Event], None],
    progress: Callable[[str], None] | None = None,
) -> Driver:
    """The driver of an environment's stacks; finds, installs or builds the Pulumi CLI."""

    def say(line: str) -> None:
        on_event(Event(StackId(catalog.environment, "pulumi", "cli"), "log", message=line))

    cli = ensure_cli(progress or say)
    settings = catalog.settings
    return Driver(
        workspace.name,
        backend_of(workspace, settings),
        workspace.home,
        cli,
        _variables(settings, workspace.folder),
        configuration=_configuration(settings),
        around=lambda stack: _around(catalog, stack, workspace.folder),
    )


def _around(catalog: Catalog, stack: StackId, folder: Path) -> StackSettings:
    """What holds the operations on a stack to its own cluster, of several. Raises DriverError where the environment names it no more."""
    settings = catalog.settings
    member = clusters(settings).get(stack.cluster) if settings.clusters else None
    if member is None and stack.cluster:
        raise DriverError(
            f"Stack {stack} is on the cluster {stack.cluster!r}, which Environment/{catalog.environment} does not name. "
            "Name it again, with `drain: true`: an apply then deletes what is there."
        )
    kubeconfig = _kubeconfig(member, folder)
    return StackSettings(
        {"KUBECONFIG": str(kubeconfig)} if kubeconfig is not None else {},
        {"kubernetes:context": member.context} if member is not None and member.context else {},
    )


def _variables(settings: EnvironmentSpec, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    if settings.cloud is not None:
        found |= {"AWS_REGION": settings.cloud.region, "GOOGLE_REGION": settings.cloud.region}
    if (kubeconfig := _kubeconfig(settings.cluster, folder)) is not None:
        found["KUBECONFIG"] = str(kubeconfig)
    return found


def _kubeconfig(cluster: ClusterSpec | None, folder: Path) -> Path | None:
    named = cluster.kubeconfig if cluster is not None else None
    return folder / Path(named).expanduser() if named else None


def cluster_of(workspace: Workspace, settings: EnvironmentSpec, stacks: str | None = None) -> Cluster:
    """The API of the cluster whose stacks' names end so, for looking; by default of the one that pipelines run on. Raises ClusterError."""
    known = clusters(settings)
    if stacks is None:
        stacks = stacks_of(home(settings)) if settings.clusters else ""
    if stacks not in known:
        raise ClusterError(f"The environment names no cluster {stacks!r} any more.")
    return connect(_kubeconfig(known[stacks], workspace.folder), known[stacks].context)


def _configuration(settings: EnvironmentSpec) -> dict[str, str]:
    """What holds the platform's provider to the cluster and the account that the environment names, whatever the machine's are."""
    cluster, cloud = settings.cluster, settings.cloud
    match settings.target:
        case "kubernetes":
            # By default the provider deletes a Secret or a ConfigMap to change it, and its pods would miss it meanwhile.
            mutable = {"kubernetes:enableSecretMutable": "true", "kubernetes:enableConfigMapMutable": "true"}
            return mutable | ({"kubernetes:context": cluster.context} if cluster and cluster.context else {})
        case "aws" if cloud is not None and cloud.account:
            return {"aws:allowedAccountIds": json.dumps([cloud.account])}
        case "gcp" if cloud is not None and cloud.account:
            return {"gcp:project": cloud.account}
        case "azure" if cloud is not None and cloud.account:
            return {"azure-native:subscriptionId": cloud.account}
    return {}


def states_of(workspace: Workspace, catalog: Catalog, recorded: Recorded) -> list[Checkpoint]:
    """The Pulumi states of an environment's recorded stacks, read from a file backend without any process."""
    backend = backend_of(workspace, catalog.settings)
    if backend.folder is None:
        return []
    found = []
    for id in sorted(recorded.stacks):
        path = locate_checkpoint(backend.folder, workspace.name, id) if id.environment == catalog.environment else None
        if path is not None:
            found.append(read_checkpoint(path))
    return found


def resolver_of(workspace: Workspace, prepared: Prepared) -> Callable[[Secret], str]:
    """Resolves secret references from the environment's stores."""
    from trueup.apply.secrets import resolver

    return resolver(prepared.catalog.settings.secret_stores, workspace.folder)
