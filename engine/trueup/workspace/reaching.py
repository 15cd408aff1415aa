"""Which clusters of an environment answer. Called before plans that look, before applies and previews, and by drift and status.

A cluster that is away is an error, unless its `whenUnreachable` says that it is skipped: then it is said, and what is meant for the others
goes on. All clusters are asked at the same time, so that one that lets its callers wait costs its time once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from trueup.apply.cluster import Cluster, ClusterError
from trueup.plan.recorded import Recorded
from trueup.workspace.drivers import cluster_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import Stack, StackId
from trueup_stacks.kubernetes.placement import stacks_of

KUBERNETES = "kubernetes:"
BLOCKED = "it stands on the cluster {name!r}, which is away and skipped: {reason}"


@dataclass(frozen=True)
class Reach:
    """What came of asking. Both are by what the names of a cluster's stacks end with."""

    there: Mapping[str, Cluster] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    """Why each that is skipped does not answer, as a sentence."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The clusters' names."""

    def skipped(self, stacks: Iterable[Stack], recorded: Recorded) -> dict[StackId, str]:
        """The stacks that cannot be worked on, each with the reason as a clause."""
        found = {}
        for stack in stacks:
            if stack.id.cluster in self.away and _on_cluster(stack, recorded):
                found[stack.id] = BLOCKED.format(
                    name=self.names[stack.id.cluster], reason=self.away[stack.id.cluster].rstrip(".")
                )
        return found


def reach(workspace: Workspace, settings: EnvironmentSpec) -> Reach:
    """Asks every cluster of an environment that has several. Raises WorkspaceError where one is away that may not be, or all are."""
    if settings.target != "kubernetes" or not settings.clusters:
        return Reach()
    names = {stacks_of(member): member.name for member in settings.clusters}
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="reach") as pool:
        asked = dict(zip(names, pool.map(lambda ending: _ask(workspace, settings, ending), names), strict=True))
    there = {ending: found for ending, found in asked.items() if isinstance(found, Cluster)}
    away = {ending: str(found) for ending, found in asked.items() if not isinstance(found, Cluster)}
    needed = [m for m in settings.clusters if m.when_unreachable == "fail" and stacks_of(m) in away]
    if needed:
        listed = " ".join(f"The cluster {m.name!r} is away. {away[stacks_of(m)]}" for m in needed)
        raise WorkspaceError(
            f"{listed} Nothing was done. Where the others are to go on without it, write `whenUnreachable: skip` in its entry."
        )
    if not there:
        listed = " ".join(away.values())
        raise WorkspaceError(f"Every cluster of the environment is away, so nothing was done. {listed}")
    return Reach(there, away, names)


def _ask(workspace: Workspace, settings: EnvironmentSpec, ending: str) -> Cluster | ClusterError:
    """The cluster, or why it is away. Raises WorkspaceError where it cannot be asked or refuses: that is a mistake, and not skipped."""
    try:
        found = cluster_of(workspace, settings, ending)
    except ClusterError as error:
        raise WorkspaceError(str(error)) from None
    try:
        found.request("GET", "/version")
    except ClusterError as error:
        if error.code == 0 or error.code >= 500:
            return error
        raise WorkspaceError(str(error)) from None
    return found


def _on_cluster(stack: Stack, recorded: Recorded) -> bool:
    """Whether a stack has something on a cluster, or had: one without a cluster's name may hold what stands on none."""
    if stack.id.cluster:
        return True
    before = recorded.stacks.get(stack.id)
    addresses = [r.address for r in stack.resources] + list(before.resources if before is not None else ())
    return any(a.type.startswith(KUBERNETES) for a in addresses)
