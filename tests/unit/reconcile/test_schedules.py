"""When pipelines' schedules are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trueup.reconcile import schedules
from trueup_specs.core.envelope import Document, Metadata
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_specs.kinds.pipeline.spec import PipelineSpec

MONDAY = datetime(2026, 3, 2, 4, 0, tzinfo=UTC).timestamp()


def nightly(*crons: str, zone: str = "UTC") -> list[Document]:
    spec = PipelineSpec.model_validate(
        {
            "steps": [{"name": "fit", "run": "true"}],
            "triggers": [{"schedule": {"cron": c, "timezone": zone}} for c in crons] + [{"onCode": True}],
        }
    )
    return [Document(Key("Pipeline", "churn", "nightly"), Metadata(name="nightly"), spec, Location("p.yaml"))]


def test_what_fired_since_then_is_due_once() -> None:
    found = schedules.due(nightly("0 4 * * *"), MONDAY - 5 * 86400, MONDAY + 10)
    assert found == {"Pipeline/churn/nightly": MONDAY}
    assert schedules.due(nightly("0 4 * * *"), MONDAY, MONDAY + 3600) == {}
    assert schedules.due(nightly("0 4 * * *"), MONDAY - 1, MONDAY) == {"Pipeline/churn/nightly": MONDAY}, (
        "at the moment itself"
    )
    assert schedules.due([], 0, MONDAY) == {} and schedules.next_([], MONDAY) == 0


def test_the_time_zone_counts() -> None:
    berlin = nightly("0 4 * * 1", zone="Europe/Berlin")
    assert schedules.due(berlin, MONDAY - 86400, MONDAY) == {"Pipeline/churn/nightly": MONDAY - 3600}
    assert schedules.next_(berlin, MONDAY) == MONDAY - 3600 + timedelta(days=7).total_seconds()


@given(st.integers(0, 86400 * 30), st.integers(1, 86400 * 2))
def test_what_is_next_is_due_then(after: int, window: int) -> None:
    documents, now = nightly("*/20 3-6 * * *", "0 12 1 * *"), MONDAY + after
    coming = schedules.next_(documents, now)
    assert coming > now
    assert schedules.due(documents, coming - 0.5, coming) == {"Pipeline/churn/nightly": coming}
    if now + window < coming:
        assert schedules.due(documents, now, now + window) == {}
