"""What Velero has of a backup policy: its Schedule's health in words, and its Backups as values. Pure.

Called by `observe/objects.py` for status, and by the workspace's `restoring`, which chooses what is restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from trueup.apply.restores import COMPLETED, ENDED, reason
from trueup.observe.health import DEGRADED, HEALTHY, PROGRESSING, Health
from trueup_specs.core.envelope import seconds
from trueup_stacks.kubernetes.backups import OBJECTIVE, SCHEDULE_LABEL

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, as Velero tells of it."""

    name: str
    schedule: str
    """Of which Schedule it is; empty for one that somebody made by hand."""
    phase: str
    begun: datetime | None
    """The time whose state is in it."""
    expires: datetime | None
    warnings: int
    errors: int
    reason: str
    """Why it failed; the details are in Velero's log of it."""
    namespaces: tuple[str, ...]
    """By the cluster's names."""
    location: str
    """The BackupStorageLocation that it is in."""

    @property
    def told(self) -> str:
        """How it ended, for a sentence."""
        counts = f"errors: {self.errors}, warnings: {self.warnings}" if self.errors or self.warnings else ""
        return self.phase + (f" ({found})" if (found := self.reason or counts) else "")


def backup(found: Object) -> Backup:
    """A Backup object as a value."""
    spec, status, metadata = found.get("spec") or {}, found.get("status") or {}, found["metadata"]
    return Backup(
        str(metadata["name"]),
        str((metadata.get("labels") or {}).get(SCHEDULE_LABEL) or ""),
        str(status.get("phase") or "New"),
        _time(status.get("startTimestamp") or metadata.get("creationTimestamp")),
        _time(status.get("expiration")),
        int(status.get("warnings") or 0),
        int(status.get("errors") or 0),
        reason(status),
        tuple(spec.get("includedNamespaces") or ()),
        str(spec.get("storageLocation") or ""),
    )


def newest(found: Iterable[Backup], phases: frozenset[str]) -> Backup | None:
    """The last begun of those in one of the phases."""
    fitting = [b for b in found if b.phase in phases and b.begun is not None]
    return max(fitting, key=lambda b: (b.begun or datetime.min.replace(tzinfo=UTC), b.name), default=None)


def is_schedule(live: Object) -> bool:
    """Whether an object is a Schedule of Velero."""
    return live.get("kind") == "Schedule" and str(live.get("apiVersion", "")).startswith("velero.io/")


def health(schedule: Object, found: Iterable[Backup], now: datetime) -> Health:
    """Whether Velero takes the schedule, how the last backup ended, and whether the last complete one is as new as it has to be."""
    status, spec = schedule.get("status") or {}, schedule.get("spec") or {}
    phase = str(status.get("phase") or "New")
    if phase == "FailedValidation":
        return Health(DEGRADED, f"Velero calls it invalid: {reason(status) or 'without a reason'}")
    if phase == "New":
        return Health(PROGRESSING, "Velero has not looked at it")
    backups = list(found)
    last = newest(backups, ENDED)
    if last is not None and last.phase != COMPLETED:
        return Health(DEGRADED, f"the last backup, {last.name}, is {last.told}")
    if last is not None and (late := _late(schedule, last, now)):
        return Health(DEGRADED, late)
    if spec.get("paused"):
        return Health(PROGRESSING, "it is paused, so that no backups are made")
    if last is not None:
        return Health(HEALTHY, f"the last backup, {last.name}, is complete and {ago(last, now)} old")
    if backups:
        return Health(PROGRESSING, f"the first backup, {backups[0].name}, is {backups[0].phase}")
    if status.get("lastBackup"):
        return Health(DEGRADED, f"no backup of it is to be seen, and the last was begun at {status['lastBackup']}")
    return Health(PROGRESSING, "no backup was made yet")


def _late(schedule: Object, last: Backup, now: datetime) -> str:
    """That more would be lost now than may be."""
    objective = ((schedule.get("metadata") or {}).get("annotations") or {}).get(OBJECTIVE)
    if not objective or last.begun is None or now - last.begun <= timedelta(seconds=seconds(objective)):
        return ""
    return f"the last complete backup, {last.name}, is {ago(last, now)} old, and at most {objective} may be lost"


def ago(found: Backup, now: datetime) -> str:
    """How old a backup is: `3 h`, `2 d`."""
    if found.begun is None:
        return "of unknown age"
    minutes = max(0, int((now - found.begun).total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} d"


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
