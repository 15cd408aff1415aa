"""Which clusters of an environment answer. Called before plans that look, before applies, previews and deletions, and by drift and status.

A cluster that is away is an error, unless its `whenUnreachable` says that it is skipped: then it is said, and what is meant for the others
goes on. One that is said to be lost must be away: nothing is given up that answers. All clusters are asked at the same time, so that one
that lets its callers wait costs its time once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from trueup.apply.cluster import Cluster, ClusterError
from trueup.observe.live import Sight
from trueup.plan.recorded import Recorded
from trueup.workspace.drivers import cluster_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import Address, Stack, StackId
from trueup_stacks.kubernetes.placement import stacks_of

ANSWERS = (
    "The cluster {name!r} is said to be lost, and it answers. Nothing was done. Write `drain: true` without `lost`: an apply then deletes "
    "what is there."
)
GIVEN_UP = "the cluster {name!r} is lost, so that nothing is asked there"
BLOCKED = "it stands on the cluster {name!r}, which is away and skipped: {reason}"


@dataclass(frozen=True)
class Reach:
    """What came of asking. All are by what the names of a cluster's stacks end with."""

    there: Mapping[str, Cluster] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    """Why each that is skipped does not answer, as a sentence."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The clusters' names."""
    lost: frozenset[str] = frozenset()
    """Those that are gone for good, as the environment says, and do not answer."""

    @property
    def sight(self) -> Sight:
        """Those that are away, as what was looked at says it."""
        return Sight(away={self.names[ending]: reason for ending, reason in self.away.items()})

    def skipped(self, stacks: Iterable[Stack], recorded: Recorded) -> dict[StackId, str]:
        """The stacks that cannot be worked on, each with the reason as a clause."""
        found = {}
        for stack in stacks:
            if stack.id.cluster in self.away and _on_cluster(stack, recorded):
                found[stack.id] = BLOCKED.format(
                    name=self.names[stack.id.cluster], reason=self.away[stack.id.cluster].rstrip(".")
                )
        return found

    def given_up(self, recorded: Recorded, environment: str) -> dict[StackId, frozenset[Address]]:
        """What an environment has on clusters that are lost, by stack."""
        stacks = {
            id: s for id, s in recorded.stacks.items() if id.environment == environment and id.cluster in self.lost
        }
        on = {id: frozenset(a for a in s.resources if a.on_kubernetes) for id, s in stacks.items()}
        return {id: found for id, found in on.items() if found}


def require(workspace: Workspace, settings: EnvironmentSpec, holding: Container[str] | None = None) -> Reach:
    """The clusters that answer, of one as of several, before something is done to them: where one does not that has to, WorkspaceError is
    raised, so that nothing is begun, and nothing recorded as failed. With `holding`, only those whose stacks' names end so are asked."""
    if settings.target != "kubernetes" or settings.clusters:
        return reach(workspace, settings, holding)
    try:
        cluster_of(workspace, settings).request("GET", "/version")
    except ClusterError as error:
        raise WorkspaceError(str(error)) from None
    return Reach()


def reach(workspace: Workspace, settings: EnvironmentSpec, holding: Container[str] | None = None) -> Reach:
    """Asks every cluster of an environment that has several. Raises WorkspaceError where one is away that may not be, or all are."""
    if settings.target != "kubernetes" or not settings.clusters:
        return Reach()
    members = [m for m in settings.clusters if holding is None or stacks_of(m) in holding]
    names = {stacks_of(member): member.name for member in members}
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="reach") as pool:
        asked = dict(zip(names, pool.map(lambda ending: _ask(workspace, settings, ending), names), strict=True))
    lost = frozenset(stacks_of(m) for m in members if m.lost)
    if back := [names[ending] for ending in lost if _answers(asked[ending])]:
        raise WorkspaceError(" ".join(ANSWERS.format(name=name) for name in sorted(back)))
    there = {ending: found for ending, found in asked.items() if isinstance(found, Cluster)}
    away = {ending: str(e) for ending, e in asked.items() if isinstance(e, ClusterError) and ending not in lost}
    needed = [m for m in members if m.when_unreachable == "fail" and stacks_of(m) in away]
    if needed:
        listed = " ".join(f"The cluster {m.name!r} is away. {away[stacks_of(m)]}" for m in needed)
        raise WorkspaceError(
            f"{listed} Nothing was done. Where the others are to go on without it, write `whenUnreachable: skip` in its entry."
        )
    if away and not there:
        listed, which = (
            " ".join(away.values()),
            "of the environment" if holding is None else "that holds something of it",
        )
        raise WorkspaceError(f"Every cluster {which} is away, so nothing was done. {listed}")
    return Reach(there, away, names, lost)


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


def _answers(found: Cluster | ClusterError) -> bool:
    """Whether there is somebody, be it one that fails: what is lost is silent."""
    return isinstance(found, Cluster) or found.code != 0


def _on_cluster(stack: Stack, recorded: Recorded) -> bool:
    """Whether a stack has something on a cluster, or had: one without a cluster's name may hold what stands on none."""
    if stack.id.cluster:
        return True
    before = recorded.stacks.get(stack.id)
    addresses = [r.address for r in stack.resources] + list(before.resources if before is not None else ())
    return any(a.on_kubernetes for a in addresses)
