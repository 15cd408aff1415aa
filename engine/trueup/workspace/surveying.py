"""What the clusters of an environment have: looked at by plans that look, recorded in the ledger with its date, known to all others.

Called by `planning`, and by the commands that may write to the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial

from trueup.apply.cluster import Cluster
from trueup.compile.compilation import Compilation
from trueup.observe import inventories
from trueup.observe.inventories import Inventory
from trueup.plan.recorded import Recorded
from trueup.record.events import Event, EventKind
from trueup.record.updates import InventoryUpdate
from trueup.resolve.catalog import Catalog
from trueup.workspace.opening import Workspace
from trueup_specs.core.diagnostics import Diagnostic
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.kubernetes.placement import clusters, stacks_of

FRESH = timedelta(days=1)
"""For so long a look that found what is recorded is not recorded again."""


def missing(
    workspace: Workspace, catalog: Catalog, compilation: Compilation, recorded: Recorded, live: bool, reach: bool
) -> tuple[tuple[Diagnostic, ...], Mapping[str, Inventory]]:
    """What the environment's clusters lack, and what they have where they were looked at for that: always where `live`, and where `reach`
    says so, if they lacked something when they were looked at last."""
    environment, settings = catalog.environment, catalog.settings
    forms = {name: form for (whose, name), form in recorded.inventories.items() if whose == environment}
    known, now = inventories.found(forms, _reached(workspace, settings) if live else ())
    said = tuple(inventories.judged(catalog, compilation, known))
    if said and reach and not now:
        known, now = inventories.found(forms, _reached(workspace, settings))
        said = tuple(inventories.judged(catalog, compilation, known))
    return said, now


def _reached(workspace: Workspace, settings: EnvironmentSpec) -> Iterator[tuple[str, Callable[[], Cluster]]]:
    from trueup.workspace.drivers import cluster_of

    if settings.target == "kubernetes":
        lost = {stacks_of(member) for member in settings.clusters if member.lost}
        for ending in clusters(settings).keys() - lost:
            yield ending, partial(cluster_of, workspace, settings, ending)


def record(workspace: Workspace, environment: str, recorded: Recorded, looked: Mapping[str, Inventory]) -> None:
    """Writes what was looked at to the ledger, where that is not what it holds, or was long ago. Raises LedgerError."""
    news = [InventoryUpdate(environment, n, i.form) for n, i in looked.items() if _new(recorded, environment, n, i)]
    if news:
        details = {"clusters": [u.cluster for u in news]} if any(u.cluster for u in news) else {}
        workspace.ledger.append(Event(EventKind.OBSERVED, environment, details=details), *news)


def _new(recorded: Recorded, environment: str, name: str, inventory: Inventory) -> bool:
    form = recorded.inventories.get((environment, name))
    if form is None:
        return True
    known = Inventory.of(form)
    same = {**form, "time": ""} == {**inventory.form, "time": ""}
    return not same or inventory.time - known.time > FRESH
