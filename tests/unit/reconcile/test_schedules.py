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


def test_the_next_time_is_found_in_its_zone() -> None:
    assert schedules.next_(nightly("0 4 * * *"), MONDAY) == MONDAY + 86400, "the moment itself has passed"
    assert schedules.next_(nightly("0 4 * * *", "30 4 * * *"), MONDAY) == MONDAY + 1800, "the first of several"
    berlin = nightly("0 4 * * 1", zone="Europe/Berlin")
    assert schedules.next_(berlin, MONDAY) == MONDAY - 3600 + timedelta(days=7).total_seconds()
    assert schedules.next_([], MONDAY) == 0


@given(st.integers(0, 86400 * 30))
def test_nothing_fires_between_now_and_the_next_time(after: int) -> None:
    documents, now = nightly("*/20 3-6 * * *", "0 12 1 * *"), MONDAY + after
    coming = schedules.next_(documents, now)
    assert coming > now
    assert schedules.next_(documents, (now + coming) / 2) == coming
    assert schedules.next_(documents, coming - 1) == coming
