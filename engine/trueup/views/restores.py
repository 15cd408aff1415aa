"""A restore before and after it is done, as text and JSON. Sees values only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from trueup.apply.restores import Progress
from trueup.observe.backups import Backup, ago
from trueup.views.words import duration, plural


class Into(Protocol):
    """One namespace of a backup, and where it goes (`workspace.restoring.Into`)."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def exists(self) -> bool: ...


class Restored(Protocol):
    """What came of a restore (`workspace.restoring.Restored`)."""

    @property
    def progress(self) -> Progress: ...
    @property
    def seconds(self) -> float: ...
    @property
    def lost(self) -> str: ...
    @property
    def outcome(self) -> str: ...


def plan_text(backup: Backup, into: Sequence[Into], now: datetime | None = None) -> str:
    """What would be restored, and into where."""
    lines = [f"Backup {backup.name}, {ago(backup, now or datetime.now(UTC))} old: {backup.told}."]
    for found in into:
        what = (
            "is there: what it has stays as it is, what is missing is made"
            if found.exists
            else "is not there, and is made"
        )
        lines.append(
            f"    {found.source} into {found.target}, which {what}"
            if found.source != found.target
            else f"    {found.source} {what}"
        )
    return "\n".join(lines) + "\n"


def progress_line(progress: Progress) -> str:
    """How far it is."""
    count = f": {progress.done} of {plural(progress.of, 'object')}" if progress.of else ""
    return f"{progress.name} is {progress.phase}{count}"


def text(environment: str, restored: Restored) -> str:
    """How it ended, and what to do then."""
    found = restored.progress
    if restored.outcome == "waiting":
        why = restored.lost or "The time to wait is over."
        return f"{why} {progress_line(found)}; Velero goes on: `velero restore describe {found.name}` says how far it is.\n"
    counts = f"{plural(found.warnings, 'warning')}, {plural(found.errors, 'error')}"
    lines = [
        f"{found.name} is {found.phase} after {duration(restored.seconds)}: {counts}{f'; {found.reason}' if found.reason else ''}."
    ]
    if found.warnings or found.errors:
        lines.append(f"`velero restore logs {found.name}` has the details.")
    if restored.outcome != "failed":
        lines.append(
            f"`trueup plan {environment} --refresh` shows how it differs from the specs, and `trueup apply {environment}` puts it right."
        )
    return "\n".join(lines) + "\n"


def as_json(environment: str, backup: Backup, into: Iterable[Into], restored: Restored | None = None) -> dict[str, Any]:
    """The same for machines."""
    plan = {
        "environment": environment,
        "backup": backup.name,
        "phase": backup.phase,
        "begun": backup.begun.isoformat() if backup.begun else None,
        "namespaces": [{"source": i.source, "target": i.target, "exists": i.exists} for i in into],
    }
    if restored is None:
        return plan
    found = restored.progress
    ended = {"name": found.name, "phase": found.phase, "warnings": found.warnings, "errors": found.errors}
    return {
        **plan,
        "outcome": restored.outcome,
        "restore": {**ended, "reason": found.reason or restored.lost, "seconds": round(restored.seconds, 3)},
    }
