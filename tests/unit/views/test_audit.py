"""The ledger for people and for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from trueup.record.events import Entry, Event, EventKind, Subject
from trueup.record.findings import Approver, Change, Data, Problem, Report
from trueup.views import audit

TIME = datetime(2026, 3, 2, 10, 30, 5, tzinfo=UTC)
ENTRY = Entry(
    id="a" * 40,
    previous="b" * 40,
    sequence=7,
    workspace="demo",
    event=Event(
        EventKind.APPLIED,
        "prod",
        commit="c" * 40,
        actor="Ada <ada@example.com>",
        details={
            "why": "the spring campaign",
            "documents": [f"Model/churn/m{n}" for n in range(5)],
            "blocked": {"x": "y"},
        },
        subjects=(Subject("model:Model/churn/m0@3", {"sha256": "d" * 64}),),
        approvals=("ap1",),
        durations={"prod.churn.model": 2.5},
        time=TIME,
    ),
    changed={"demo/stacks/prod.churn.model.json": "e" * 64},
    removed=("demo/approvals/prod/ap1.json",),
    author="CI <ci@example.com>",
    signed=True,
)


def test_an_entry_is_one_line_of_the_log() -> None:
    head, line = audit.log_text([ENTRY]).splitlines()
    assert head.split() == ["ENTRY", "TIME", "(UTC)", "EVENT", "ENVIRONMENT", "BY", "ABOUT"]
    assert line.split()[:5] == ["a" * 10, "2026-03-02", "10:30:05", "applied", "prod"]
    assert "Ada" in line
    assert "at cccccccccc" in line
    assert "Model/churn/m0, Model/churn/m1, Model/churn/m2 and 2 more" in line
    assert "“the spring campaign”" in line


def test_what_did_not_come_out_well_says_so_in_the_log() -> None:
    from dataclasses import replace

    failed = replace(ENTRY, event=replace(ENTRY.event, outcome="partly"))
    assert "applied (partly)" in audit.log_text([failed])
    denied = replace(ENTRY, event=replace(ENTRY.event, kind=EventKind.DENIED, outcome="denied"))
    assert "denied  prod" in audit.log_text([denied])


def test_an_empty_log_says_so() -> None:
    assert audit.log_text([]) == "The ledger has no such entries.\n"


def test_one_entry_is_shown_in_full() -> None:
    text = audit.entry_text(ENTRY)
    for part in (
        "Entry 7  " + "a" * 40 + "  signed",
        "applied prod: done",
        "2026-03-02 10:30:05 by Ada <ada@example.com>",
        "written by CI <ci@example.com>",
        "specs at " + "c" * 40,
        "approved by\n    ap1",
        "model:Model/churn/m0@3  sha256:dddddddddddddddd",
        "prod.churn.model: 2.5 s",
        "demo/stacks/prod.churn.model.json  sha256:eeeeeeeeeeeeeeee",
        "removed\n    demo/approvals/prod/ap1.json",
        "why: the spring campaign",
        "blocked\n      x: y",
    ):
        assert part in text, part


def test_entries_for_machines_hold_everything() -> None:
    [found] = json.loads(json.dumps(audit.log_json([ENTRY])))
    assert found == json.loads(json.dumps(audit.entry_json(ENTRY)))
    assert found["time"] == "2026-03-02T10:30:05+00:00"
    assert found["subjects"] == [{"name": "model:Model/churn/m0@3", "digest": {"sha256": "d" * 64}}]
    assert (found["approvals"], found["signed"], found["sequence"]) == (["ap1"], True, 7)


def test_a_report_names_the_entry_of_each_problem() -> None:
    report = Report(
        "a" * 40,
        9,
        signed=2,
        unknown=1,
        anchored=True,
        problems=(Problem("f" * 40, "It is not so."), Problem("", "Cut off.")),
    )
    text = audit.report_text(report)
    assert "WRONG  ffffffffff: It is not so." in text
    assert "WRONG  the ledger: Cut off." in text
    assert "2 problems found in 9 entries, up to aaaaaaaaaa. Signatures: 2 of trusted keys, 1 of unknown keys." in text
    assert "not anchored" not in text
    found = audit.report_json(report)
    assert (found["ok"], found["problems"][0]) == (False, {"entry": "f" * 40, "text": "It is not so."})


def test_a_report_without_an_anchor_says_what_it_cannot_tell() -> None:
    text = audit.report_text(Report("a" * 40, 1))
    assert "Nothing was changed in 1 entry, up to aaaaaaaaaa. No entry is signed." in text
    assert "The end is not anchored" in text
    assert audit.report_text(Report("", 0)) == "There is no ledger yet: nothing was recorded.\n"


CHANGE = Change(
    ENTRY,
    author="Cy <cy@example.com>",
    subject="Weaker regularisation",
    why="the spring campaign",
    approvers=(Approver("Di <di@example.com>", TIME, "ap1"),),
    steps=({"resource": "prod.churn.model::trueup:run:Run::m0", "action": "create", "status": "done"},),
    data=(Data("Dataset/churn/customers", 20, "9" * 64),),
    code="7" * 40,
    version=3,
    metrics={"evaluate.roc_auc": 0.86123},
    evidence=({"verdict": "passed", "text": "roc_auc 0.86 is over 0.8"},),
)


def test_the_history_of_a_document_says_who_why_from_what_and_proved_by_what() -> None:
    text = audit.blame_text("Model/churn/m0", "prod", [CHANGE])
    for part in (
        "applied done, by Ada <ada@example.com>",
        "specs at cccccccccc, written by Cy <cy@example.com>: Weaker regularisation",
        "why: the spring campaign",
        "approved by: Di <di@example.com>",
        "create prod.churn.model::trueup:run:Run::m0: done",
        "from Dataset/churn/customers version 20, content 9999999999999999",
        "code: tree 7777777777",
        "version in use: 3",
        "metrics: evaluate.roc_auc=0.8612",
        "gate: PASSED roc_auc 0.86 is over 0.8",
    ):
        assert part in text, part
    [found] = json.loads(json.dumps(audit.blame_json([CHANGE])))
    assert found["approvedBy"] == [{"id": "ap1", "actor": "Di <di@example.com>", "time": "2026-03-02T10:30:05+00:00"}]
    assert found["data"] == [{"document": "Dataset/churn/customers", "version": 20, "digest": "9" * 64}]


def test_no_history_says_so() -> None:
    assert "no change of Model/churn/m0 in prod" in audit.blame_text("Model/churn/m0", "prod", [])
