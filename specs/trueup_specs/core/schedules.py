"""Cron expressions and time zones, judged. Called by rules; computes no schedule."""

from __future__ import annotations

import functools
from datetime import datetime
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
