"""A Schedule of Velero in one word, and why; and which of its Backups is the newest. Velero's part is what it writes into `status`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trueup.observe import backups
from trueup.observe.health import DEGRADED, HEALTHY, PROGRESSING

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def made(name: str, phase: str | None, hours: float, **status: Any) -> Any:
    """A Backup that was begun so many hours ago."""
    begun = (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"name": name, "creationTimestamp": begun, "labels": {"velero.io/schedule-name": "churn-nightly"}},
        "spec": {"includedNamespaces": ["churn"], "storageLocation": "default"},
        "status": {"startTimestamp": begun, **({"phase": phase} if phase else {}), **status},
    }


def schedule(phase: str | None = "Enabled", objective: str = "", paused: bool = False, **status: Any) -> Any:
    annotations = {"trueup/recovery-point-objective": objective} if objective else {}
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Schedule",
        "metadata": {"name": "churn-nightly", "namespace": "velero", "annotations": annotations},
        "spec": {"paused": paused},
        "status": {**({"phase": phase} if phase else {}), **status},
    }


GOOD = made("a", "Completed", 5)


@pytest.mark.parametrize(
    ("live", "found", "word", "reason"),
    [
        (schedule(None), [], PROGRESSING, "Velero has not looked at it"),
        (schedule("New"), [GOOD], PROGRESSING, "Velero has not looked at it"),
        (
            schedule("FailedValidation", validationErrors=["invalid schedule: unknown time zone Europe/Berlin"]),
            [GOOD],
            DEGRADED,
            "Velero calls it invalid: invalid schedule: unknown time zone Europe/Berlin",
        ),
        (schedule(), [], PROGRESSING, "no backup was made yet"),
        (schedule(), [made("a", None, 0)], PROGRESSING, "the first backup, a, is New"),
        (schedule(), [GOOD], HEALTHY, "the last backup, a, is complete and 5 h old"),
        (schedule(), [made("b", "InProgress", 0), GOOD], HEALTHY, "the last backup, a, is complete and 5 h old"),
        (schedule(), [GOOD, made("b", "Completed", 1.5)], HEALTHY, "the last backup, b, is complete and 90 min old"),
        (
            schedule(),
            [GOOD, made("b", "PartiallyFailed", 1, errors=3, warnings=2)],
            DEGRADED,
            "the last backup, b, is PartiallyFailed (errors: 3, warnings: 2)",
        ),
        (
            schedule(),
            [made("b", "Failed", 1, failureReason="no space is left"), GOOD],
            DEGRADED,
            "the last backup, b, is Failed (no space is left)",
        ),
        (
            schedule(),
            [made("b", "FailedValidation", 1, validationErrors=["an existing backup storage location was not found"])],
            DEGRADED,
            "the last backup, b, is FailedValidation (an existing backup storage location was not found)",
        ),
        (schedule(objective="6h"), [GOOD], HEALTHY, "the last backup, a, is complete and 5 h old"),
        (
            schedule(objective="4h"),
            [GOOD],
            DEGRADED,
            "the last complete backup, a, is 5 h old, and at most 4h may be lost",
        ),
        (schedule(paused=True), [GOOD], PROGRESSING, "it is paused, so that no backups are made"),
        (schedule(paused=True, objective="4h"), [GOOD], DEGRADED, "the last complete backup, a, is 5 h old"),
        (
            schedule(lastBackup="2026-03-01T03:00:00Z"),
            [],
            DEGRADED,
            "no backup of it is to be seen, and the last was begun at 2026-03-01T03:00:00Z",
        ),
    ],
)
def test_a_schedule_is_as_its_backups_are(live: Any, found: list[Any], word: str, reason: str) -> None:
    health = backups.health(live, map(backups.backup, found), NOW)
    assert health.word == word and health.reason.startswith(reason), health


def test_only_schedules_of_velero_are_looked_at_so() -> None:
    assert backups.is_schedule(schedule())
    assert not backups.is_schedule({**schedule(), "apiVersion": "example.com/v1"})
    assert not backups.is_schedule({**schedule(), "kind": "Backup"})


def test_the_newest_backup_is_the_last_begun_of_those_that_are_asked_for() -> None:
    old, new = made("z", "Completed", 48), made("a", "Completed", 24)
    values = [backups.backup(b) for b in (new, old, made("failed", "Failed", 1))]
    found = backups.newest(values, frozenset({"Completed"}))
    assert found is not None and found.name == "a" and found.schedule == "churn-nightly"
    assert found.namespaces == ("churn",) and found.location == "default"
    assert backups.newest(values, frozenset({"Deleting"})) is None


@pytest.mark.parametrize(("hours", "text"), [(0.5, "30 min"), (1.99, "119 min"), (2, "2 h"), (71, "71 h"), (73, "3 d")])
def test_how_old_a_backup_is_in_words(hours: float, text: str) -> None:
    assert backups.ago(backups.backup(made("a", "Completed", hours)), NOW) == text
