"""Backups on a real control plane: a policy becomes a Schedule that the API server takes, status says how its backups are, and
`trueup restore` asks for a Restore, follows it and records it.

Velero itself does not run here: the tests play its part and write what it writes, the `status` of Schedules, Backups and Restores, so
that each of its answers can be had. What Velero makes of them is in test_kubernetes_controllers.py.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trueup.cli.selection import opened
from trueup.workspace.opening import WorkspaceError, open_workspace
from trueup.workspace.restoring import Asked, prepare
from trueup_stacks.core.resources import encode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCENES = Path(__file__).resolve().parents[1] / "unit" / "stacks"
VELERO = "bak-velero"
HOME = "bak-shop"
OF_VELERO = f"/apis/velero.io/v1/namespaces/{VELERO}"
SCHEDULE = f"{OF_VELERO}/schedules/bak-shop-nightly"
SPECS = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: { name: shop }
spec: { members: [{ user: tomas, email: tomas@example.com }], owns: [shop] }
---
apiVersion: trueup.dev/v1alpha1
kind: AccessPolicy
metadata: { name: who-applies }
spec: { on: [apply], teams: [shop] }
---
apiVersion: trueup.dev/v1alpha1
kind: BackupPolicy
metadata: { name: nightly, owner: shop }
spec:
  schedule: { cron: "0 3 * * *", timezone: Europe/Berlin }
  recoveryPointObjective: 26h
  ttl: 14d
  storageLocation: main
  snapshotVolumes: true
"""


@pytest.fixture(scope="module")
def repository(cluster: Any, make_backed_up: Callable[[str, str, str], Any]) -> Any:
    """A policy beside a pipeline, applied."""
    if not cluster.install_crds("velero"):
        pytest.skip("the CustomResourceDefinitions are not there")
    cluster.namespace(VELERO)
    cluster.apply(velero("BackupStorageLocation", "main", {"provider": "aws", "objectStorage": {"bucket": "backups"}}))
    return make_backed_up("bak-", VELERO, SPECS)


def velero(kind: str, name: str, spec: Any, status: Any = None, **metadata: Any) -> Any:
    """An object as Velero writes it."""
    found = {
        "apiVersion": "velero.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": VELERO, **metadata},
        "spec": spec,
    }
    return found if status is None else {**found, "status": status}


def backup(
    cluster: Any, name: str, phase: str, hours: float, schedule: str = "bak-shop-nightly", **status: Any
) -> None:
    """Velero has made a backup, begun so many hours ago."""
    begun = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = {"includedNamespaces": [HOME], "storageLocation": "main"}
    labels = {"velero.io/schedule-name": schedule}
    cluster.apply(velero("Backup", name, spec, {"phase": phase, "startTimestamp": begun, **status}, labels=labels))


@pytest.fixture
def nights(repository: Any, cluster: Any) -> None:
    """Two nights have gone by: the first is not whole, the second is."""
    backup(cluster, "bak-shop-nightly-2", "PartiallyFailed", 6, errors=2, warnings=1)
    backup(cluster, "bak-shop-nightly-3", "Completed", 5)


@contextmanager
def restoring(cluster: Any, *steps: Any) -> Iterator[list[Any]]:
    """Velero works off the next Restore: each of the steps is what it writes into its status. What it was asked for is in the list."""
    known = {i["metadata"]["name"] for i in cluster.get(f"{OF_VELERO}/restores")["items"]}
    asked: list[Any] = []

    def new() -> list[Any]:
        return [i for i in cluster.get(f"{OF_VELERO}/restores")["items"] if i["metadata"]["name"] not in known]

    def work() -> None:
        cluster.until(new, "a restore is asked for", 120)
        asked.append(new()[0])
        for status in steps:
            cluster.patch(f"{OF_VELERO}/restores/{asked[0]['metadata']['name']}", {"status": status}, manager="velero")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield asked
    thread.join(130)
    assert not thread.is_alive(), "no restore was asked for"


def health(repository: Any) -> tuple[str, str]:
    """How the Schedule is, and why."""
    rows = repository.trueup("status", "prod", "--output", "json").json["resources"]
    return next((r["health"], r["detail"]) for r in rows if ":Schedule " in r["resource"])


def restored(repository: Any) -> list[Any]:
    """What the ledger tells of restores, the newest first."""
    return [e for e in repository.trueup("audit", "log", "--output", "json").json if e["event"] == "restored"]


def test_the_policy_is_a_schedule_and_nothing_is_left_to_do(repository: Any, cluster: Any) -> None:
    schedule = cluster.get(SCHEDULE)
    assert schedule["spec"]["schedule"] == "CRON_TZ=Europe/Berlin 0 3 * * *"
    assert schedule["spec"]["template"] == {
        "includedNamespaces": [HOME],
        "storageLocation": "main",
        "snapshotVolumes": True,
        "ttl": "336h0m0s",
    }
    planned = repository.trueup("plan", "prod", "--refresh", "--detailed-exitcode", "--output", "json").json
    assert planned["steps"] == []


def test_every_field_of_a_policy_is_taken_under_strict_validation(repository: Any, cluster: Any) -> None:
    sys.path.append(str(SCENES))
    from trueup_test_scenes import compiled

    found = [r for r in compiled("backups").resources() if r.address.type.endswith(":Schedule")]
    written = [
        velero("Schedule", r.address.name, encode(r.properties["spec"]), labels=r.properties["metadata"]["labels"])
        for r in found
    ]
    assert cluster.apply(*written, dry_run=True).count("serverside-applied") == len(found) == 2
    written[0]["spec"]["template"]["snapshotVolume"] = True
    with pytest.raises(AssertionError, match="snapshotVolume"):
        cluster.apply(*written, dry_run=True)


def test_a_storage_location_that_velero_does_not_have_is_an_error_at_plan(repository: Any) -> None:
    repository.edit("backups.yaml", "storageLocation: main", "storageLocation: mein")
    try:
        refused = repository.trueup("plan", "prod", "--live", code=4)
        assert "needs BackupStorageLocation 'mein'" in refused.err and "Write 'main'" in refused.err, refused.text
    finally:
        repository.git("checkout", "-q", "backups.yaml")


def test_status_says_how_the_backups_are(repository: Any, cluster: Any) -> None:
    cluster.patch(SCHEDULE, {"status": {"phase": "Enabled"}}, manager="velero")
    backup(cluster, "bak-shop-nightly-1", "Completed", 30)
    late = "the last complete backup, bak-shop-nightly-1, is 30 h old, and at most 26h may be lost"
    assert health(repository) == ("degraded", late)
    backup(cluster, "bak-shop-nightly-2", "PartiallyFailed", 6, errors=2, warnings=1)
    backup(cluster, "bak-shop-nightly-3", "Completed", 5)
    assert health(repository) == ("healthy", "the last backup, bak-shop-nightly-3, is complete and 5 h old")


def test_what_people_change_in_the_schedule_is_drift_and_veleros_status_is_none(repository: Any, cluster: Any) -> None:
    assert repository.trueup("drift", "prod", "--output", "json").json["drift"] == []
    cluster.patch(SCHEDULE, {"spec": {"paused": True}})
    try:
        (found,) = repository.trueup("drift", "prod", "--output", "json").json["drift"]
        assert [(c["path"], c["applied"], c["live"]) for c in found["changes"]] == [("spec.paused", False, True)]
    finally:
        cluster.patch(SCHEDULE, {"spec": {"paused": False}})


@pytest.mark.capability("infrastructure/recovery-procedures", by="trueup.workspace.restoring:restore")
def test_a_restore_beside_takes_the_newest_complete_backup_and_is_recorded(
    repository: Any, cluster: Any, nights: None
) -> None:
    backup(cluster, "bak-shop-nightly-4", "InProgress", 0)
    backup(cluster, "other-1", "Completed", 1, schedule="other")
    shown = repository.trueup("restore", "prod", "nightly", "--namespace-mapping", f"{HOME}=rehearsal", "--dry-run").out
    assert "Backup bak-shop-nightly-3, 5 h old: Completed." in shown
    assert f"{HOME} into rehearsal, which is not there, and is made" in shown
    steps = (
        {"phase": "InProgress", "progress": {"itemsRestored": 1, "totalItems": 9}},
        {"phase": "Completed", "warnings": 1, "progress": {"itemsRestored": 9, "totalItems": 9}},
    )
    with restoring(cluster, *steps) as asked:
        arguments = ("restore", "prod", "nightly", "--namespace-mapping", f"{HOME}=rehearsal")
        done = repository.trueup(*arguments, "--yes", "--why", "The rehearsal of May")
    (restore,) = asked
    spec = restore["spec"]
    assert (spec["backupName"], spec["namespaceMapping"]) == ("bak-shop-nightly-3", {HOME: "rehearsal"})
    assert spec["existingResourcePolicy"] == "none"
    assert restore["metadata"]["annotations"]["trueup/document"] == "BackupPolicy/shop/nightly"
    assert "is Completed after" in done.out and "1 warning, 0 errors" in done.out, done.text
    entry = restored(repository)[0]
    assert entry["outcome"] == "done" and entry["details"]["why"] == "The rehearsal of May"
    assert entry["details"]["backup"] == "bak-shop-nightly-3" and entry["details"]["namespaces"] == {HOME: "rehearsal"}
    assert entry["details"]["documents"] == ["BackupPolicy/shop/nightly"] and entry["durations"]["restore"] > 0


def test_a_restore_that_does_not_go_well_says_so_by_its_exit_code_and_in_the_ledger(
    repository: Any, cluster: Any, nights: None
) -> None:
    with restoring(cluster, {"phase": "PartiallyFailed", "errors": 2, "warnings": 1}):
        chosen = ("--backup", "bak-shop-nightly-2", "--yes", "--output", "json")
        done = repository.trueup("restore", "prod", "nightly", *chosen, code=10)
    assert done.json["outcome"] == "partly" and done.json["restore"]["errors"] == 2
    assert done.json["namespaces"] == [{"source": HOME, "target": HOME, "exists": True}]
    done = repository.trueup("restore", "prod", "nightly", "--yes", "--timeout", "0", code=9)
    assert "The time to wait is over." in done.out and "Velero goes on" in done.out, done.text
    assert [e["outcome"] for e in restored(repository)[:2]] == ["waiting", "partly"]


@pytest.fixture
def said(repository: Any, nights: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What stands against a restore, asked in this process."""
    for name, value in repository.environment().items():
        monkeypatch.setenv(name, value)

    def ask(policy: str = "nightly", backup: str = "", mapping: Any = None, cluster: str = "") -> str:
        workspace = open_workspace(repository.folder)
        catalog, _ = opened(workspace, "prod")
        with pytest.raises(WorkspaceError) as refused:
            prepare(workspace, catalog, Asked(policy, backup, mapping or {}, cluster))
        return f"[{refused.value.code}] {refused.value}"

    return ask


def test_what_stands_against_a_restore_is_said(said: Callable[..., str], cluster: Any) -> None:
    backup(cluster, "other-1", "Completed", 1, schedule="other")
    backup(cluster, "bak-shop-nightly-0", "Completed", 900, expiration="2026-01-01T00:00:00Z")
    backup(cluster, "bak-shop-nightly-5", "Failed", 1, failureReason="no space is left")
    assert "Did you mean BackupPolicy/nightly?" in said("nihgtly")
    assert said(backup="other-1").startswith("[3] BackupPolicy/shop/nightly has no backup 'other-1' there.")
    assert "[7] Nothing can be restored from the backup bak-shop-nightly-5: it is Failed (no space" in said(
        backup="bak-shop-nightly-5"
    )
    assert "bak-shop-nightly-0 expired at 2026-01-01 00:00 UTC" in said(backup="bak-shop-nightly-0")
    assert f"[64] The backup bak-shop-nightly-3 has no namespace 'shop'. It has: {HOME}." in said(mapping={"shop": "b"})
    assert "There is no cluster 'paris'" in said(cluster="paris")


def test_a_backup_whose_storage_is_away_is_not_restored(said: Callable[..., str], cluster: Any) -> None:
    location = f"{OF_VELERO}/backupstoragelocations/main"
    cluster.patch(location, {"status": {"phase": "Unavailable", "message": "access denied"}}, manager="velero")
    try:
        assert "'main' of bak-shop-nightly-3 is unavailable: access denied." in said()
    finally:
        cluster.patch(location, {"status": {"phase": "Available"}}, manager="velero")


def test_who_may_not_apply_may_not_restore(said: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "eve@example.com")
    text = said()
    assert text.startswith("[7]") and "eve@example.com" in text
