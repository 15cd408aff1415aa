"""How a restore ended in one word, and what people read of it; what is asked for on a cluster is in tests/acceptance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trueup.apply import restores as asking
from trueup.apply.restores import Progress
from trueup.cli.restores import _mapping
from trueup.observe.backups import Backup
from trueup.resolve.catalog import Catalog
from trueup.views import restores
from trueup.workspace.opening import WorkspaceError
from trueup.workspace.restoring import Into, Restored, _names
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds.backup_policy.spec import BackupPolicySpec
from trueup_specs.kinds.environment.spec import EnvironmentSpec

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
BACKUP = Backup("b-1", "b", "Completed", NOW - timedelta(hours=5), None, 0, 0, "", ("churn", "data"), "main")


@pytest.mark.parametrize(
    ("phase", "outcome"),
    [
        ("Completed", "done"),
        ("PartiallyFailed", "partly"),
        ("Failed", "failed"),
        ("FailedValidation", "failed"),
        ("InProgress", "waiting"),
        ("FinalizingPartiallyFailed", "waiting"),
    ],
)
def test_a_restore_has_ended_when_velero_does_nothing_more_for_it(phase: str, outcome: str) -> None:
    assert Restored(Progress("r", phase), 3.0).outcome == outcome


def test_what_is_there_and_what_is_made_is_said_before_it_is_done() -> None:
    into = (Into("churn", "churn", True), Into("data", "rehearsal", False))
    assert restores.plan_text(BACKUP, into, NOW).splitlines() == [
        "Backup b-1, 5 h old: Completed.",
        "    churn is there: what it has stays as it is, what is missing is made",
        "    data into rehearsal, which is not there, and is made",
    ]


def test_how_it_ended_is_said_with_where_the_details_are_and_what_is_next() -> None:
    done = restores.text("prod", Restored(Progress("r", "Completed"), 3.0))
    assert done.startswith("r is Completed after 3.0 s: 0 warnings, 0 errors.\n") and "logs" not in done
    assert "`trueup plan prod --refresh`" in done and "`trueup apply prod`" in done
    failed = restores.text("prod", Restored(Progress("r", "Failed", errors=1, reason="no such backup"), 3.0))
    assert "1 error; no such backup." in failed and "`velero restore logs r`" in failed and "apply" not in failed
    lost = restores.text("prod", Restored(Progress("r", "InProgress", 2, 9), 3.0, "The cluster does not answer."))
    assert lost.startswith("The cluster does not answer. r is InProgress: 2 of 9 objects; Velero goes on")


def test_a_restore_leaves_what_is_there_and_maps_nothing_by_itself() -> None:
    assert asking.manifest("r", "velero", "b-1", {}, {})["spec"] == {
        "backupName": "b-1",
        "existingResourcePolicy": "none",
    }
    assert asking.manifest("r", "velero", "b-1", {"a": "b"}, {})["spec"]["namespaceMapping"] == {"a": "b"}


def test_a_mapping_is_from_and_to_each_once() -> None:
    assert _mapping(["a=b", "c=d"]) == {"a": "b", "c": "d"}
    for wrong in (["a"], ["=b"], ["a="], ["a=b", "a=c"]):
        with pytest.raises(WorkspaceError, match="is not FROM=TO, or FROM is there twice"):
            _mapping(wrong)


def test_backups_are_found_under_the_policys_former_name_and_those_of_every_cluster() -> None:
    members = [{"name": "frankfurt", "movedFrom": "cluster", "namespacePrefix": "p-"}, {"name": "paris", "drain": True}]
    settings = EnvironmentSpec.model_validate({"target": "kubernetes", "clusters": members})
    spec = BackupPolicySpec.model_validate({"schedule": {"cron": "0 3 * * *"}})
    metadata = Metadata(name="nightly", namespace="churn", moved_from="daily")
    document = Document(Key("BackupPolicy", "churn", "nightly"), metadata, spec, Source("s.yaml"))
    catalog = Catalog("shop", "prod", settings, {document.key: document})
    assert _names(catalog, document) == {
        "p-churn-nightly": "",
        "paris-churn-nightly": "paris",
        "p-churn-daily": "",
        "paris-churn-daily": "paris",
    }
