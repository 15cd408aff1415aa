"""Restoring a backup of a BackupPolicy through Velero: what would be restored into where, and then the restore itself. Called by
`trueup restore`.

As for `destroy`, a person confirms; as for an apply, the access policies that were applied last say who may; and the ledger tells of it.
The policy's Schedule need not be on the cluster: a new cluster knows the backups as soon as Velero there has their storage location.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from trueup.apply import restores
from trueup.apply.cluster import Cluster, ClusterError
from trueup.apply.restores import Progress
from trueup.exits import DENIED, NOTHING_SELECTED, USAGE
from trueup.observe import backups
from trueup.observe.backups import Backup
from trueup.record.events import DONE, Event, EventKind
from trueup.resolve.catalog import Catalog
from trueup.resolve.environments import environments
from trueup.validate.validation import documents
from trueup.workspace import guarding, naming
from trueup.workspace.drivers import cluster_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key, catalog_of, last_applied
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key, qualified
from trueup_specs.kinds.environment.cluster import Cluster as ClusterSpec
from trueup_stacks.kubernetes.backups import SCHEDULE_LABEL, named
from trueup_stacks.kubernetes.placement import clusters, stacks_of

RESTORABLE = frozenset({restores.COMPLETED, "PartiallyFailed"})
"""Backups that hold something. One that is not complete is restored only where it is named."""


@dataclass(frozen=True)
class Asked:
    """What a person wants restored."""

    policy: str
    """`name` or `namespace/name`."""
    backup: str = ""
    """By default the newest that is complete."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Other namespaces than those of the backup, both by the cluster's names."""
    cluster: str = ""
    """Of several clusters, the one that is restored to."""


@dataclass(frozen=True)
class Into:
    """One namespace of the backup, and where it goes."""

    source: str
    target: str
    exists: bool
    """Whether it is there: Velero makes only what is missing in it."""


@dataclass(frozen=True)
class Ready:
    """A restore that can be asked for."""

    environment: str
    policy: Key
    backup: Backup
    into: tuple[Into, ...]
    manifest: Mapping[str, Any]
    connection: Cluster
    cluster: str = ""
    """Its name, of several."""


@dataclass(frozen=True)
class Restored:
    """What came of it."""

    progress: Progress
    seconds: float
    lost: str = ""
    """Why it could not be followed to its end."""

    @property
    def outcome(self) -> str:
        """`done`, `partly`, `failed`, or `waiting` where Velero is still at it."""
        if not self.progress.ended:
            return "waiting"
        return {"Completed": "done", "PartiallyFailed": "partly"}.get(self.progress.phase, "failed")


def prepare(workspace: Workspace, catalog: Catalog, asked: Asked) -> Ready:
    """What would be restored, and into where; changes nothing. Raises WorkspaceError with what stands against it."""
    document = _policy(catalog, asked.policy)
    if refusals := guarding.acting(workspace, _ruling(workspace, catalog)):
        raise WorkspaceError(" ".join(refusals), DENIED)
    ending, name, spec = _cluster(catalog, asked.cluster)
    try:
        cluster = cluster_of(workspace, catalog.settings, ending)
        names = _names(catalog, document)
        found = _backups(cluster, names, spec.velero.namespace)
        own = frozenset(n for n, of in names.items() if of == ending)
        backup = _chosen(found, own, document.key, asked.backup)
        _readable(cluster, spec.velero.namespace, backup)
        into = _into(cluster, backup, asked.mapping)
    except ClusterError as error:
        raise WorkspaceError(str(error)) from None
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    annotations = {"trueup/document": str(document.key), "trueup/environment": catalog.environment}
    manifest = restores.manifest(
        f"{backup.name}-{stamp}", spec.velero.namespace, backup.name, asked.mapping, annotations
    )
    return Ready(catalog.environment, document.key, backup, into, manifest, cluster, name)


def restore(
    workspace: Workspace, ready: Ready, on_progress: Callable[[Progress], None], timeout: float, why: str = ""
) -> Restored:
    """Asks Velero for it, waits, and records how it ended. Raises WorkspaceError where Velero cannot be asked.

    Who interrupts it interrupts the waiting only: Velero goes on.
    """
    begun = datetime.now(UTC)
    try:
        restores.begin(ready.connection, ready.manifest)
    except ClusterError as error:
        raise WorkspaceError(f"Nothing was restored. {error}") from None
    last = [Progress(str(ready.manifest["metadata"]["name"]))]

    def heard(progress: Progress) -> None:
        last[:] = [progress]
        on_progress(progress)

    def ended(lost: str = "") -> Restored:
        found = Restored(last[0], (datetime.now(UTC) - begun).total_seconds(), lost)
        _record(workspace, ready, found, why)
        return found

    try:
        restores.follow(ready.connection, ready.manifest, heard, timeout)
    except ClusterError as error:
        return ended(str(error))
    except KeyboardInterrupt:
        ended("The waiting was interrupted.")
        raise
    return ended()


def _record(workspace: Workspace, ready: Ready, found: Restored, why: str) -> None:
    details = {
        "documents": [str(ready.policy)],
        "backup": ready.backup.name,
        "restore": found.progress.name,
        "phase": found.progress.phase,
        "namespaces": {i.source: i.target for i in ready.into},
        "warnings": found.progress.warnings,
        "errors": found.progress.errors,
        **({"error": text} if (text := found.progress.reason or found.lost) else {}),
        **({"cluster": ready.cluster} if ready.cluster else {}),
        **({"why": why} if why else {}),
    }
    outcome = DONE if found.outcome == "done" else found.outcome
    event = Event(EventKind.RESTORED, ready.environment, outcome=outcome, details=details)
    workspace.ledger.append(replace(event, durations={"restore": found.seconds}))


def _policy(catalog: Catalog, text: str) -> Document:
    known = [d.key for d in catalog.of_kind("BackupPolicy")]
    if catalog.settings.target != "kubernetes":
        raise WorkspaceError(
            f"Environment {catalog.environment!r} has the target {catalog.settings.target!r}; Velero restores to clusters only.",
            NOTHING_SELECTED,
        )
    return catalog.documents[naming.chosen(f"BackupPolicy/{text.removeprefix('BackupPolicy/')}", known)]


def _ruling(workspace: Workspace, catalog: Catalog) -> Catalog:
    """The rules that were applied last, so that nobody lets themselves in with a change of their own."""
    tree = last_applied(workspace, catalog.environment).tree
    former = by_key(documents(tree)) if tree is not None else {}
    return (
        catalog_of(workspace, former, catalog.environment) if catalog.environment in environments(former) else catalog
    )


def _cluster(catalog: Catalog, asked: str) -> tuple[str, str, ClusterSpec]:
    """What the names of its stacks end with, its name, and what the environment says of it."""
    members = {m.name: m for m in catalog.settings.clusters}
    if asked not in members and (asked or members):
        listed = ", ".join(members) or "one only, which needs no name"
        which = f"There is no cluster {asked!r}" if asked else "Say to which cluster, with --cluster"
        raise WorkspaceError(f"{which}. The environment {catalog.environment!r} has: {listed}.", USAGE)
    ending = stacks_of(members[asked]) if asked else ""
    return ending, asked, clusters(catalog.settings)[ending]


def _backups(cluster: Cluster, names: Iterable[str], velero: str) -> list[Backup]:
    """The backups of Schedules that Velero knows there. Raises ClusterError, and WorkspaceError where there is no Velero."""
    kind = cluster.kind(restores.API, "Backup")
    if kind is None:
        raise WorkspaceError(
            "The cluster has no Velero, so that nothing can be restored. Install it (the Helm chart vmware-tanzu/velero) with the storage "
            "location of the backups."
        )
    query = {"labelSelector": f"{SCHEDULE_LABEL} in ({','.join(sorted(names))})"}
    listed = cluster.request("GET", f"{kind.base}/namespaces/{velero}/{kind.plural}", query=query)
    return [backups.backup(item) for item in listed["items"]]


def _names(catalog: Catalog, document: Document) -> dict[str, str]:
    """What the policy's Schedules are called, or were before it was renamed, each with what the names of its cluster's stacks end with."""
    keys, moved = [document.key], document.metadata.moved_from
    if moved:
        keys.append(Key("BackupPolicy", *qualified(moved, document.key.namespace)))
    known = clusters(catalog.settings).items()
    return {named(key, spec.namespace_prefix, ending): ending for key in keys for ending, spec in known}


def _chosen(found: list[Backup], own: frozenset[str], policy: Key, asked: str) -> Backup:
    """The backup that was asked for, or the newest complete one of the Schedules `own`. Raises WorkspaceError."""
    listed = ", ".join(f"{b.name} ({b.phase})" for b in sorted(found, key=lambda b: b.name)[-5:]) or "none"
    if asked:
        backup = next((b for b in found if b.name == asked), None)
        if backup is None:
            close = nearest(asked, [b.name for b in found])
            hint = f" Did you mean {close}?" if close else ""
            raise WorkspaceError(f"{policy} has no backup {asked!r} there.{hint} It has: {listed}.", NOTHING_SELECTED)
    else:
        backup = backups.newest([b for b in found if b.schedule in own], frozenset({restores.COMPLETED}))
        if backup is None:
            raise WorkspaceError(
                f"{policy} has no complete backup of this cluster there. It has: {listed}. Name one with --backup.",
                NOTHING_SELECTED,
            )
    if backup.phase not in RESTORABLE:
        raise WorkspaceError(f"Nothing can be restored from the backup {backup.name}: it is {backup.told}.", DENIED)
    if backup.expires is not None and backup.expires <= datetime.now(UTC):
        raise WorkspaceError(
            f"The backup {backup.name} expired at {backup.expires:%Y-%m-%d %H:%M} UTC, and Velero deletes it.", DENIED
        )
    return backup


def _readable(cluster: Cluster, velero: str, backup: Backup) -> None:
    """Raises WorkspaceError where the backup's storage cannot be reached from there, as Velero itself says."""
    metadata = {"name": backup.location, "namespace": velero}
    location = cluster.get({"apiVersion": restores.API, "kind": "BackupStorageLocation", "metadata": metadata})
    status = (location or {}).get("status") or {}
    if status.get("phase") == "Unavailable":
        why = str(status.get("message") or "Velero does not say why").rstrip(".")
        raise WorkspaceError(f"The storage location {backup.location!r} of {backup.name} is unavailable: {why}.")


def _into(cluster: Cluster, backup: Backup, mapping: Mapping[str, str]) -> tuple[Into, ...]:
    if unknown := sorted(set(mapping) - set(backup.namespaces)):
        listed = ", ".join(backup.namespaces) or "none by name"
        raise WorkspaceError(f"The backup {backup.name} has no namespace {unknown[0]!r}. It has: {listed}.", USAGE)
    targets = [mapping.get(name, name) for name in backup.namespaces]
    if twice := sorted({t for t in targets if targets.count(t) > 1}):
        raise WorkspaceError(f"Two namespaces would be restored into {twice[0]!r}. Give one of them another.", USAGE)
    exists = partial(_exists, cluster)
    return tuple(Into(s, t, exists(t)) for s, t in zip(backup.namespaces, targets, strict=True))


def _exists(cluster: Cluster, name: str) -> bool:
    return cluster.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}) is not None
