"""Who changed a document in an environment, when, why, approved by whom, from which data and commit, proved by which numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trueup.plan.recorded import RecordedResource
from trueup.record import accepted, history
from trueup.record.events import Event, EventKind, Subject
from trueup.record.ledger import Ledger
from trueup.record.updates import ApprovalUpdate, StackUpdate
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Output, StackId, encode

Git = Callable[..., str]
Make = Callable[..., RecordedResource]
DATA, MODEL = StackId("dev", "churn", "data"), StackId("dev", "churn", "model")
KEY = "Model/churn/churn"


def trained(resource: Make, table: RecordedResource, version: int, accuracy: float) -> tuple[RecordedResource, ...]:
    """A run of the model on the table, and the gate that accepted it."""
    read = encode(Output(table.address, "version", table.fingerprint))
    properties = {"datasets": {"customers": {"version": read}}, "code": {"tree": "7" * 40}}
    evidence = [{"metric": "roc_auc", "verdict": "passed", "text": f"roc_auc {accuracy} is over 0.8"}]
    return (
        resource(
            "churn",
            origin=KEY,
            properties=properties,
            outputs={"metrics": {"evaluate.roc_auc": accuracy}, "modelVersion": version},
        ),
        resource("churn", "trueup:run:Gate", origin=KEY, outputs={"acceptedVersion": version, "evidence": evidence}),
    )


def applied(
    ledger: Ledger,
    resource: Make,
    commit: str,
    version: int,
    accuracy: float,
    approvals: tuple[str, ...] = (),
    why: str = "",
) -> None:
    """The entries of one apply: data, model, end."""
    table = resource(
        "customers",
        "trueup:data:Table",
        DATA,
        origin="Dataset/churn/customers",
        outputs={"version": version * 10, "contentDigest": f"sha{version}"},
    )
    ledger.append(
        Event(EventKind.STEP, "dev", commit, stack=str(DATA), details={"documents": ["Dataset/churn/customers"]}),
        StackUpdate(DATA, (table,)),
    )
    run = str(Address(MODEL, "trueup:run:Run", "churn"))
    details = {"documents": [KEY], "steps": [{"resource": run, "action": "create", "status": "done"}]}
    subjects = (Subject(f"model:{KEY}@{version}", {"sha256": "f"}),)
    ledger.append(
        Event(EventKind.STEP, "dev", commit, stack=str(MODEL), details=details, subjects=subjects),
        StackUpdate(MODEL, trained(resource, table, version, accuracy)),
    )
    end = {"documents": [KEY, "Dataset/churn/customers"], **({"why": why} if why else {})}
    ledger.append(
        Event(EventKind.APPLIED, "dev", commit, details=end, approvals=approvals, actor="Bo <bo@example.com>")
    )


@pytest.fixture
def told(repository: Path, ledger: Ledger, resource: Make, git: Git) -> Ledger:
    """Two applies, the second one approved; and one of another environment's documents."""
    applied(ledger, resource, git(repository, "rev-parse", "HEAD"), 1, 0.81)
    (repository / "model.yaml").write_text("C: 2\n")
    git(repository, "add", ".")
    git(
        repository,
        "-c",
        "user.name=Cy",
        "-c",
        "user.email=cy@example.com",
        "commit",
        "-q",
        "-m",
        "Weaker regularisation",
    )
    ledger.append(
        Event(EventKind.APPROVED, "dev", approvals=("ap1",), actor="Di <di@example.com>"),
        ApprovalUpdate("dev", "ap1", {"id": "ap1"}),
    )
    applied(ledger, resource, git(repository, "rev-parse", "HEAD"), 2, 0.86, ("ap1",), "the spring campaign")
    ledger.append(Event(EventKind.APPLIED, "prod", details={"documents": [KEY]}))
    return ledger


@pytest.mark.capability("model-management/lineage-tracking", by="trueup.record.history:blame")
def test_a_change_tells_who_when_why_from_what_and_proved_by_what(told: Ledger, repository: Path, git: Git) -> None:
    changes = list(history.blame(told, KEY, "dev") or ())
    assert len(changes) == 2
    newest = changes[0]
    assert newest.entry.event.actor == "Bo <bo@example.com>"
    assert newest.entry.event.time is not None
    assert newest.entry.event.commit == git(repository, "rev-parse", "HEAD")
    assert (newest.author, newest.subject, newest.why) == (
        "Cy <cy@example.com>",
        "Weaker regularisation",
        "the spring campaign",
    )
    assert [a.actor for a in newest.approvers] == ["Di <di@example.com>"]
    assert [(d.document, d.version, d.digest) for d in newest.data] == [("Dataset/churn/customers", 20, "sha2")]
    assert newest.code == "7" * 40
    assert (newest.version, newest.metrics) == (2, {"evaluate.roc_auc": 0.86})
    assert [c["text"] for c in newest.evidence] == ["roc_auc 0.86 is over 0.8"]
    assert [s["action"] for s in newest.steps] == ["create"]


def test_an_older_change_is_told_as_it_was_then(told: Ledger) -> None:
    oldest = list(history.blame(told, KEY, "dev"))[-1]
    assert [(d.version, d.digest) for d in oldest.data] == [(10, "sha1")]
    assert (oldest.version, oldest.metrics, oldest.approvers) == (1, {"evaluate.roc_auc": 0.81}, ())


def test_other_environments_and_documents_have_their_own_history(told: Ledger) -> None:
    assert len(list(history.blame(told, KEY, "prod"))) == 1
    assert len(list(history.blame(told, "Dataset/churn/customers", "dev"))) == 2
    assert list(history.blame(told, "Model/churn/other", "dev")) == []


def test_an_apply_that_was_interrupted_is_told_too(told: Ledger, resource: Make) -> None:
    told.append(
        Event(EventKind.FAILED, "dev", stack=str(MODEL), outcome="failed", details={"documents": [KEY]}),
        StackUpdate(MODEL, (resource("churn", origin=KEY),)),
    )
    newest = next(history.blame(told, KEY, "dev"))
    assert newest.entry.event.kind is EventKind.FAILED


def test_a_deletion_is_told(told: Ledger) -> None:
    told.append(Event(EventKind.DESTROYED, "dev", stack=str(MODEL)), StackUpdate(MODEL, destroyed=True))
    assert next(history.blame(told, KEY, "dev")).entry.event.kind is EventKind.DESTROYED


def test_versions_that_were_in_use_are_known(told: Ledger) -> None:
    key = Key.parse(KEY)
    assert accepted.in_use(told.recorded(), "dev", key) == 2
    assert accepted.ever(told, "dev", key) == {1, 2}
    assert accepted.in_use(told.recorded(), "prod", key) is None
