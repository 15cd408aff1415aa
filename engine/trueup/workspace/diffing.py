"""`trueup diff --live`: the specs against reality, field by field. Changes nothing, and starts no Pulumi process.

Of several clusters, one that is away and may be skipped is said once, and nothing is said of what is there.
"""

from __future__ import annotations

from trueup.apply.cluster import Cluster
from trueup.load.trees import Tree
from trueup.observe import comparing
from trueup.observe.live import Sight, look
from trueup.plan.comparisons import Difference
from trueup.plan.recorded import Recorded
from trueup.resolve.catalog import Catalog
from trueup.workspace.drivers import cluster_of, states_of
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared, prepare
from trueup.workspace.reaching import Reach, reach


def live(workspace: Workspace, environment: str, tree: Tree) -> tuple[Prepared, tuple[Difference, ...]]:
    """The plan of a tree, and every object with what an apply would make of it. Raises InvalidSpecs, and WorkspaceError also where one of
    several clusters is away that may not be."""
    from trueup.provider.catalogue import component

    reached = Reach()

    def see(catalog: Catalog, recorded: Recorded) -> Sight:
        nonlocal reached
        reached = reach(workspace, catalog.settings)
        return look(workspace.home, states_of(workspace, catalog, recorded), component) | reached.sight

    def connect(name: str) -> Cluster:
        return reached.there.get(name) or cluster_of(workspace, prepared.catalog.settings, name)

    prepared = prepare(workspace, environment, tree, see=see)
    origins = {a: r.origin for s in prepared.recorded.stacks.values() for a, r in s.resources.items()}
    native = tuple(comparing.of_drift(prepared.sight, origins))
    states = states_of(workspace, prepared.catalog, prepared.recorded)
    found = comparing.compare(prepared.compilation.resources(), states, connect, reached.away.keys() | reached.lost)
    return prepared, (*found, *native)
