"""What people do beside plan and apply: status, drift, destroy, down and up, rollback, logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from trueup import places
from trueup.apply.checkpoints import Checkpoint
from trueup.apply.cluster import Cluster
from trueup.exits import NOTHING_SELECTED
from trueup.observe.live import Seen, Sight, look
from trueup.plan.recorded import Recorded, RecordedResource
from trueup.plan.values import PropertyChange
from trueup.record.events import Entry, Event, EventKind
from trueup.record.updates import PinUpdate
from trueup.resolve.catalog import Catalog
from trueup.views.clusters import on
from trueup.workspace import reaching
from trueup.workspace.drivers import cluster_of, states_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_stacks.core.resources import Address
from trueup_stacks.kubernetes.placement import names

SERVED = ("trueup:serve:Gateway", "trueup:serve:Service")
LOST = "its cluster is lost"
RUN, GATE = "trueup:run:Run", "trueup:run:Gate"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is there: what, which version, since when, how it is."""

    document: str
    resource: str
    version: str
    since: datetime | None
    health: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One resource that is not as recorded."""

    address: Address
    what: str
    """`changed`, `gone` or `not ready`."""
    changes: tuple[PropertyChange, ...] = ()
    detail: str = ""


def sight(workspace: Workspace, catalog: Catalog, recorded: Recorded) -> Sight:
    """The live resources of an environment, seen without a Pulumi process: the native ones, and those of its cluster."""
    from trueup.provider.catalogue import component

    states = states_of(workspace, catalog, recorded)
    found = look(workspace.home, states, component)
    if catalog.settings.target == "kubernetes":
        found |= _on_clusters(workspace, catalog, states)
    return found


def _on_clusters(workspace: Workspace, catalog: Catalog, states: list[Checkpoint]) -> Sight:
    """The live objects of the environment's cluster, or of each. Raises WorkspaceError where one of several is away that may not be."""
    from trueup.observe import objects

    if not catalog.settings.clusters:
        return objects.look(states, lambda: cluster_of(workspace, catalog.settings))
    reached = reaching.reach(workspace, catalog.settings)
    found = reached.sight
    for ending, cluster in reached.there.items():
        found |= objects.look(states, partial(_same, cluster), ending)
    there = {r.address for state in states for r in state.by_address().values()}
    silent = {**reached.away, **dict.fromkeys(reached.lost, LOST)}
    gone = {a: silent[a.stack.cluster] for a in there if a.stack.cluster in silent}
    lost = {a: why for a, why in gone.items() if a.on_kubernetes}
    return found | Sight({a: Seen(a, None, error=why, away=True) for a, why in lost.items()})


def _same(cluster: Cluster) -> Cluster:
    return cluster


def findings(seen_now: Sight, recorded: Recorded) -> tuple[Finding, ...]:
    """What of a sight is not as recorded."""
    found = []
    statuses = {a: r.status for s in recorded.stacks.values() for a, r in s.resources.items()}
    for address, seen in sorted(seen_now.seen.items()):
        if seen.changes:
            found.append(Finding(address, "changed", seen.changes))
        elif seen.away:
            continue  # it is told once for the whole cluster
        elif seen.error:
            found.append(Finding(address, "not readable", detail=seen.error))
        elif seen.live is None:
            found.append(Finding(address, "gone"))
        elif seen.live.not_ready and not seen.state and statuses.get(address) not in ("held", "waiting"):
            found.append(Finding(address, "not ready", detail=seen.live.not_ready))
    return tuple(found)


def record_drift(workspace: Workspace, environment: str, found: tuple[Finding, ...]) -> None:
    """Writes the drift that was found to the ledger."""
    details = {str(f.address): [c.path for c in f.changes] or f.what for f in found}
    workspace.ledger.append(Event(EventKind.DRIFT, environment, outcome="found", details={"resources": details}))


def status(workspace: Workspace, catalog: Catalog, recorded: Recorded, seen_now: Sight) -> tuple[Row, ...]:
    """What runs in an environment: version, since when, healthy or not."""
    since = last_changes(workspace, catalog.environment)
    seen, clusters = seen_now.seen, names(catalog.settings)
    rows = []
    for id, stack in sorted(recorded.stacks.items()):
        if id.environment != catalog.environment:
            continue
        for address, resource in sorted(stack.resources.items()):
            look_at = seen.get(address)
            health, detail = _health(resource, look_at)
            rows.append(
                Row(
                    resource.origin,
                    f"{address.type} {address.name}{on(address, clusters)}",
                    _version(resource),
                    since.get(str(address)),
                    health,
                    detail,
                )
            )
    return tuple(rows)


def last_changes(workspace: Workspace, environment: str) -> dict[str, datetime]:
    """When each resource was changed last, from the ledger."""
    found: dict[str, datetime] = {}
    for entry in workspace.ledger.entries():
        event = entry.event
        if event.environment != environment or event.time is None:
            continue
        for step in event.details.get("steps") or ():
            if isinstance(step, dict) and step.get("status") == "done":
                found.setdefault(step["resource"], event.time)
    return found


def _health(resource: RecordedResource, seen: Any) -> tuple[str, str]:
    if resource.status == "held":
        return "held", _held(resource)
    if resource.status in ("waiting", "failed"):
        return resource.status, resource.reason
    if seen is None:
        return "recorded", ""
    if seen.away:
        return "away", seen.error
    if seen.error:
        return "unreadable", seen.error
    if seen.live is None:
        return "gone", ""
    if seen.changes:
        return "drifted", ", ".join(c.path for c in seen.changes)
    if seen.state:
        return seen.state, seen.reason or _where(resource)
    return ("unhealthy", seen.live.not_ready) if seen.live.not_ready else ("healthy", _where(resource))


def _held(resource: RecordedResource) -> str:
    outputs = resource.outputs
    return f"version {outputs.get('candidateVersion')} did not pass; version {outputs.get('acceptedVersion') or 'none'} is in use"


def _where(resource: RecordedResource) -> str:
    return str(resource.outputs.get("url") or "")


def _version(resource: RecordedResource) -> str:
    for name in ("acceptedVersion", "modelVersion", "version"):
        if resource.outputs.get(name) is not None:
            return str(resource.outputs[name])
    said = resource.properties.get("version") if resource.address.type == "trueup:registry:Alias" else None
    return "" if said is None or isinstance(said, Mapping) else str(said)


def urls(recorded: Recorded, environment: str) -> dict[str, str]:
    """Where the endpoints of an environment answer: document → URL."""
    found: dict[str, str] = {}
    for id, stack in sorted(recorded.stacks.items()):
        for address, resource in stack.resources.items():
            base = resource.outputs.get("url")
            if id.environment != environment or address.type != SERVED[0] or not base:
                continue
            for route in resource.properties.get("routes") or ():
                for backend in route["backends"]:
                    found[f"Endpoint/{backend['name']}"] = str(base).rstrip("/") + route["path"]
    return found


def served(workspace: Workspace, recorded: Recorded, environment: str) -> Iterator[tuple[RecordedResource, Path]]:
    """The supervised servers of an environment, services before gateways, with their folders."""
    for kind in reversed(SERVED):
        for id, stack in sorted(recorded.stacks.items()):
            for address, resource in sorted(stack.resources.items()):
                if id.environment == environment and address.type == kind:
                    yield resource, Path(places.resolve(workspace.home, str(resource.properties["folder"])))


def down(workspace: Workspace, recorded: Recorded, environment: str) -> list[str]:
    """Stops the environment's processes; state, tables and the registry stay as they are."""
    from trueup.serving import control

    stopped = []
    for resource, folder in reversed(list(served(workspace, recorded, environment))):
        control.stop(folder)
        stopped.append(resource.origin)
    workspace.ledger.append(Event(EventKind.DOWN, environment, details={"documents": stopped}))
    return stopped


def up(workspace: Workspace, recorded: Recorded, environment: str) -> list[str]:
    """Starts the environment's processes again as they were."""
    from trueup.serving import control

    started = []
    for resource, folder in served(workspace, recorded, environment):
        try:
            control.start(folder)
        except control.ControlError as error:
            hint = (
                " Another process has the port: end it, then run this again." if "already in use" in str(error) else ""
            )
            raise WorkspaceError(f"{resource.origin} does not start: {str(error).rstrip('.')}.{hint}") from None
        started.append(resource.origin)
    workspace.ledger.append(Event(EventKind.UP, environment, details={"documents": started}))
    return started


def pin(workspace: Workspace, environment: str, commit: str, why: str) -> Entry:
    """Pins an environment at a commit, as a direct rollback does."""
    return workspace.ledger.append(
        Event(EventKind.ROLLED_BACK, environment, commit=commit, details={"why": why} if why else {}),
        PinUpdate(environment, commit),
    )


def lift(workspace: Workspace, environment: str, commit: str) -> Entry:
    """Lifts a pin because someone asked. Raises WorkspaceError where there is none: nothing would change."""
    if workspace.ledger.recorded(environment, namespaces=frozenset()).pins.get(environment) is None:
        raise WorkspaceError(
            f"No rollback pins {environment}, so there is nothing to lift. Nothing was done.", NOTHING_SELECTED
        )
    return unpin(workspace, environment, commit)


def unpin(workspace: Workspace, environment: str, commit: str) -> Entry:
    """Lifts the pin: main says the same, or someone asked."""
    return workspace.ledger.append(
        Event(EventKind.ROLLED_BACK, environment, commit=commit, outcome="lifted"), PinUpdate(environment, None)
    )
