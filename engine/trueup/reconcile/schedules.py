"""When a pipeline's schedule fires. Pure: the time is given. Called by the workspace's loop, which then looks at the data: what is new
starts the runs that follow it, and a run whose inputs are as they were is not made twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Schedule


def next_(documents: Iterable[Document], now: float) -> float:
    """When the next schedule fires, in seconds since 1970; 0 where there is none."""
    times = [_next(schedule, now) for schedule in _schedules(documents)]
    return min(times, default=0.0)


def _schedules(documents: Iterable[Document]) -> Iterator[Schedule]:
    for document in documents:
        if isinstance(document.spec, PipelineSpec):
            for trigger in document.spec.triggers:
                if trigger.schedule is not None:
                    yield trigger.schedule


def _next(schedule: Schedule, now: float) -> float:
    from cronsim import CronSim

    moment = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(schedule.timezone))
    return float(next(CronSim(schedule.cron, moment)).timestamp())
