"""Cron expressions and time zones, judged. Called by rules."""

from __future__ import annotations

import functools
import itertools
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from trueup_specs.core.diagnostics import nearest


@functools.cache
def cron_problem(expression: str) -> str | None:
    """Why `expression` is no five-field cron expression or never fires, as the end of a sentence; None where it is fine."""
    from cronsim import CronSim, CronSimError

    try:
        moments = CronSim(expression, datetime(2024, 1, 1))
    except CronSimError as problem:
        return f"is no cron expression: {str(problem)[:1].lower()}{str(problem)[1:]}"
    if next(moments, None) is None:
        return "never fires"
    return None


_DAYS = 250
"""So many days on which a schedule fires are looked at: a year of workdays, and almost five years of weeks."""


@functools.cache
def longest_gap(expression: str) -> timedelta:
    """The longest time between two moments of a cron expression that fires, where no clock is changed.

    Which minutes of a day are meant is the same on every day that is, so that days and the minutes of one day are looked at apart.
    """
    from cronsim import CronSim

    minute, hour, *rest = expression.split()
    first = datetime(2024, 1, 1)
    before = first - timedelta(minutes=1)
    of_a_day = itertools.takewhile(lambda t: t.date() == first.date(), CronSim(f"{minute} {hour} * * *", before))
    times = [moment - first for moment in of_a_day]
    days = list(itertools.islice(CronSim(f"0 0 {' '.join(rest)}", before), _DAYS))
    within = [b - a for a, b in itertools.pairwise(times)]
    between = [b - a - times[-1] + times[0] for a, b in itertools.pairwise(days)]
    gaps: list[timedelta] = [*within, *between]
    return max(gaps)


@functools.cache
def known_timezone(name: str) -> bool:
    """Whether `name` is a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def timezone_fix(name: str) -> str:
    """What to write instead of an unknown time zone."""
    near = nearest(name, sorted(available_timezones()))
    return f"Did you mean `{near}`?" if near else "Write a name of the IANA database, such as `Europe/Berlin` or `UTC`."
