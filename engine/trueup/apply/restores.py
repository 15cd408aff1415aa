"""Restores by Velero: asked for, and followed to their end. Called by the workspace's `restoring`.

A Restore is no resource that is kept: Velero works it off once, and what it makes is then compared with Git as everything else is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.apply.cluster import Cluster

API = "velero.io/v1"
MANAGER = "trueup"
COMPLETED = "Completed"
ENDED = frozenset({COMPLETED, "PartiallyFailed", "Failed", "FailedValidation"})
"""Phases after which Velero does nothing more for a backup or a restore, but to delete it."""
INTERVAL = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a restore is."""

    name: str
    phase: str = "New"
    done: int = 0
    of: int = 0
    """Objects."""
    warnings: int = 0
    errors: int = 0
    reason: str = ""
    """Why it failed; the details are in Velero's log of it."""

    @property
    def ended(self) -> bool:
        """Whether Velero does nothing more for it."""
        return self.phase in ENDED


def manifest(
    name: str, namespace: str, backup: str, mapping: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """The Restore of a backup. What is there already stays as it is, which is Velero's own way."""
    spec = {"backupName": backup, "existingResourcePolicy": "none"}
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "trueup"},
        "annotations": dict(annotations),
    }
    return {
        "apiVersion": API,
        "kind": "Restore",
        "metadata": metadata,
        "spec": {**spec, **({"namespaceMapping": dict(mapping)} if mapping else {})},
    }


def begin(cluster: Cluster, restore: Mapping[str, Any]) -> None:
    """Asks Velero for a restore. Raises ClusterError."""
    path = f"/apis/{API}/namespaces/{restore['metadata']['namespace']}/restores"
    cluster.request("POST", path, restore, query={"fieldManager": MANAGER, "fieldValidation": "Strict"})


def look(cluster: Cluster, restore: Mapping[str, Any]) -> Progress:
    """How far it is now. Raises ClusterError."""
    metadata = restore["metadata"]
    found = cluster.request("GET", f"/apis/{API}/namespaces/{metadata['namespace']}/restores/{metadata['name']}")
    status = found.get("status") or {}
    count = status.get("progress") or {}
    return Progress(
        str(metadata["name"]),
        str(status.get("phase") or "New"),
        int(count.get("itemsRestored") or 0),
        int(count.get("totalItems") or 0),
        int(status.get("warnings") or 0),
        int(status.get("errors") or 0),
        reason(status),
    )


def reason(status: Mapping[str, Any]) -> str:
    """Why Velero did not do what it was asked for."""
    return "; ".join([*(status.get("validationErrors") or ()), *filter(None, [status.get("failureReason")])])


def follow(
    cluster: Cluster, restore: Mapping[str, Any], on_progress: Callable[[Progress], None], timeout: float
) -> Progress:
    """Waits until it has ended, or for `timeout` seconds; how far it is then. `on_progress` hears of each change. Raises ClusterError."""
    end, last = time.monotonic() + timeout, None
    while True:
        found = look(cluster, restore)
        if found != last:
            on_progress(found)
        if found.ended or time.monotonic() >= end:
            return found
        last = found
        time.sleep(INTERVAL)
