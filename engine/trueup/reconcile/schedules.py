"""When a pipeline's schedule is due. Pure: the time is given. Called by the workspace's loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Schedule


def due(documents: Iterable[Document], since: float, now: float) -> dict[str, float]:
    """The pipelines with a schedule that fired after `since` and until `now` (seconds since 1970): when last, by `str(Key)`.

    What fired several times meanwhile, since nobody looked, is due once.
    """
    found: dict[str, float] = {}
    for key, schedule in _schedules(documents):
        last = _last(schedule, since, now)
        if last is not None:
            found[key] = max(last, found.get(key, 0.0))
    return found


def next_(documents: Iterable[Document], now: float) -> float:
    """When the next schedule fires, in seconds since 1970; 0 where there is none."""
    times = [_next(schedule, now) for _, schedule in _schedules(documents)]
    return min(times, default=0.0)


def _schedules(documents: Iterable[Document]) -> Iterator[tuple[str, Schedule]]:
    for document in documents:
        if isinstance(document.spec, PipelineSpec):
            for trigger in document.spec.triggers:
                if trigger.schedule is not None:
                    yield str(document.key), trigger.schedule


def _last(schedule: Schedule, since: float, now: float) -> float | None:
    """The last time after `since` and until `now`, found from `now` backwards."""
    from cronsim import CronSim

    zone = ZoneInfo(schedule.timezone)
    moment = datetime.fromtimestamp(now + 1, UTC).astimezone(zone)  # what it begins with is left out
    for found in CronSim(schedule.cron, moment, reverse=True):
        time = float(found.timestamp())
        if time <= now:
            return time if time > since else None
    return None


def _next(schedule: Schedule, now: float) -> float:
    from cronsim import CronSim

    moment = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(schedule.timezone))
    return float(next(CronSim(schedule.cron, moment)).timestamp())
