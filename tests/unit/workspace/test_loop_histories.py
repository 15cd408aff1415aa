"""History, bisection and success metrics over a real ledger: of applies and runs that happened, and of none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.views import histories as views
from trueup.workspace import applying, bisecting, histories, measuring, operating, permitting
from trueup.workspace.opening import WorkspaceError

World = Any


def apply(world: World) -> applying.Applied:
    prepared = world.prepare()
    allowed = permitting.permission(world.workspace, prepared)
    assert not allowed.refusals
    return applying.apply(world.workspace, prepared, lambda _event: None, why="for the test")


@pytest.mark.slow
@pytest.mark.capability("model-development/root-cause-analysis", by="trueup.workspace.bisecting:bisect")
def test_what_happened_to_a_model_and_which_commit_made_it_worse(pulumi_cli: Path, world: World) -> None:
    (world.folder / "endpoint.yaml").unlink()
    world.edit("model.yaml", "threshold: 0.75", "threshold: 0.6")
    good = world.commit("Begin")
    first = apply(world)
    assert first.outcome == "done"
    ((gate, outputs),) = first.gates.items()
    assert gate.name == "risk" and outputs["acceptedVersion"] == 1 and "roc_auc" in str(outputs["evidence"])
    world.edit("model.yaml", "description: The probability", "description: The estimated probability")
    label = world.commit("Only words", "bob@example.com")
    world.edit("model.yaml", "seed: 7", "seed: 8")
    seed = world.commit("Another seed")
    world.edit("model.yaml", "C: { type: number, default: 1.0", "C: { type: number, default: 0.0000001")
    guilty = world.commit("Regularise", "eve@example.com")
    world.write("README.md", "Words.\n")
    bad = world.commit("Words")
    second = apply(world)
    assert second.outcome == "held" and not second.gates and len(second.held) == 1

    found = bisecting.bisect(world.workspace, "roc_auc", good, bad, runs=False)
    assert found is not None
    assert not found.settled, "without a run nobody knows"
    assert [p.commit for p in found.between] == [seed]
    assert "one of the 1 before it that have no run" in views.bisect_text(found)
    lines: list[str] = []
    found = bisecting.bisect(world.workspace, "roc_auc", good, "HEAD", said=lines.append)
    assert (found.settled, found.bad.commit, found.before.commit) == (True, guilty, seed)
    assert found.bad.value < found.before.value
    sources = {p.commit: p.source for p in found.points}
    assert sources[seed] == "run now", "only what is missing is run"
    assert {sources[c] for c in (good, guilty, bad) if c in sources} == {"ledger"}
    assert sum(line.startswith("running ") and " at " in line for line in lines) == 1
    assert f"{guilty[:10]} is the first bad commit" in views.bisect_text(found)
    again = bisecting.bisect(world.workspace, "evaluate.roc_auc", good, bad, runs=False)
    assert again.bad.commit == guilty, "what was run once is recorded"
    assert bisecting.bisect(world.workspace, "roc_auc", label, bad, runs=False).bad.commit == guilty

    with pytest.raises(WorkspaceError, match="nothing to find"):
        bisecting.bisect(world.workspace, "roc_auc", good, label)
    with pytest.raises(WorkspaceError, match="does not come before"):
        bisecting.bisect(world.workspace, "roc_auc", bad, good)
    with pytest.raises(WorkspaceError, match=r"did you mean evaluate\.roc_auc"):
        bisecting.bisect(world.workspace, "evaluate.rocauc", good, bad, runs=False)
    with pytest.raises(WorkspaceError, match="has no revision 'v9'"):
        bisecting.bisect(world.workspace, "roc_auc", "v9", bad)

    moments = histories.history_of(world.workspace, "risk")
    applied = [m for m in moments if m.event == "applied"]
    assert [(m.version, m.verdict, m.commit) for m in applied] == [(1, "held", bad), (1, "passed", good)]
    assert applied[0].evidence and "roc_auc" in applied[0].evidence[0]
    assert (applied[1].subject, applied[1].why) == ("Begin", "for the test")
    text = views.text(moments)
    assert "Model/credit/risk" in text and "held" in text and good[:10] in text
    assert views.as_json(moments)[-1]["metrics"]

    by_name = {m.name: m for m in measuring.metrics(world.workspace)}
    assert (by_name["Deployment success"].numerator, by_name["Deployment success"].denominator) == (1, 1), (
        "held is neither"
    )
    assert (by_name["Pipeline reliability"].numerator, by_name["Pipeline reliability"].denominator) == (3, 3)
    assert (by_name["Gate success"].numerator, by_name["Gate success"].denominator) == (1, 2)
    assert (by_name["Lineage coverage"].numerator, by_name["Lineage coverage"].denominator) == (1, 1)
    assert by_name["Gated serving"].value is None
    assert "no data" in views.metrics_text([by_name["Gated serving"]])


def test_metrics_have_no_value_where_nothing_happened(world: World) -> None:
    found = measuring.metrics(world.workspace)
    assert [m.value for m in found] == [None] * len(found)
    text = views.metrics_text(found)
    assert text.count("no data") == len(found) and "%" not in text.replace(" %  ", "")
    assert all(row["value"] is None and row["denominator"] == 0 for row in views.metrics_json(found))


@pytest.mark.capability("model-management/compliance-tracking", by="trueup.workspace.measuring:metrics")
def test_metrics_count_what_the_ledger_says(world: World) -> None:
    from trueup.record.events import Event, EventKind

    world.apply()
    first = world.git("rev-parse", "HEAD")
    ledger = world.workspace.ledger
    run, gate = "dev.credit.model::trueup:run:Run::risk", "dev.credit.model::trueup:run:Gate::risk"
    steps = [{"resource": run, "action": "replace", "status": "failed"}]
    ledger.append(
        Event(EventKind.FAILED, "dev", first, stack="dev.credit.model", outcome="failed", details={"steps": steps})
    )
    ledger.append(Event(EventKind.APPLIED, "dev", first, outcome="failed", details={"effects": 1}))
    held = {
        "steps": [{"resource": gate, "action": "update", "status": "done"}],
        "evidence": {gate: [{"verdict": "fail"}]},
    }
    ledger.append(Event(EventKind.HELD, "dev", first, stack="dev.credit.model", details=held))
    ledger.append(Event(EventKind.APPLIED, "dev", first, outcome="held", details={"effects": 1}))
    passed = {**held, "evidence": {gate: [{"verdict": "pass"}]}}
    ledger.append(Event(EventKind.STEP, "dev", first, stack="dev.credit.model", details=passed))
    ledger.append(Event(EventKind.APPLIED, "dev", first, details={"effects": 1, "dirty": True}, approvals=("a1",)))
    operating.pin(world.workspace, "dev", first, "error rate")
    operating.unpin(world.workspace, "dev", first)
    measured = measuring.metrics(world.workspace, "dev")
    assert measured is not None
    found = {m.name: (m.numerator, m.denominator) for m in measured}
    assert found["Deployment success"] == (2, 3)
    assert found["Pipeline reliability"] == (0, 1)
    assert found["Gate success"] == (0, 1), "the second attempt at the same commit does not count"
    assert found["Rollback frequency"] == (1, 2), "lifting a pin is no rollback"
    assert found["Governance coverage"] == (1, 2), "a dirty tree is nobody's commit"
    assert found["Lead time"][1] == 1
    assert found["Gated serving"] == (0, 1), "a gate without evidence judged nothing"
    assert {m.name: m.denominator for m in measuring.metrics(world.workspace, "prod")}["Deployment success"] == 0


def test_history_of_what_is_not_there(world: World) -> None:
    world.apply()
    with pytest.raises(WorkspaceError, match="no model and no endpoint 'rsk'"):
        histories.history_of(world.workspace, "rsk")
    with pytest.raises(WorkspaceError, match="ledger knows none"):
        histories.history_of(world.workspace, "Model/rsk")


@pytest.mark.capability("model-management/lifecycle-reporting", by="trueup.workspace.histories:history_of")
def test_an_endpoint_has_the_version_that_it_serves_and_the_rollbacks(world: World) -> None:
    from trueup.record.events import Event, EventKind

    world.apply(version=3)
    first, ledger = world.git("rev-parse", "HEAD"), world.workspace.ledger
    details = {"documents": ["Endpoint/credit/risk"]}
    ledger.append(Event(EventKind.STEP, "dev", first, stack="dev.credit.serving", details=details))
    ledger.append(Event(EventKind.APPLIED, "dev", first, details=details, actor="Ada <ada@example.com>"))
    operating.pin(world.workspace, "dev", first, "error rate")
    moments = histories.history_of(world.workspace, "risk", "dev")
    assert moments is not None
    rolled, applied = moments
    assert (applied.document, applied.version, applied.actor) == ("Endpoint/credit/risk", 3, "Ada <ada@example.com>")
    assert (rolled.event, rolled.why, rolled.commit) == ("rolled-back", "error rate", first)
    assert "why: error rate" in views.text((rolled, applied))
    with pytest.raises(WorkspaceError, match="no model and no endpoint"):
        histories.history_of(world.workspace, "risk", "prod")
