"""Change windows: when an environment may be applied to. Pure: the time is given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from trueup_specs.core.envelope import seconds
from trueup_specs.kinds.environment.spec import Window


def closed(windows: Iterable[Window], now: datetime) -> str:
    """Why nothing may be applied at `now`, as a sentence; empty where it may. A freeze wins over a window that allows."""
    found = list(windows)
    for window in found:
        if window.action == "freeze" and (end := _open_until(window, now)) is not None:
            return f"Changes are frozen until {_worded(end)} (window {window.cron!r})."
    allowing = [w for w in found if w.action == "allow"]
    if not allowing or any(_open_until(w, now) is not None for w in allowing):
        return ""
    return f"Changes are allowed in windows only; the next opens at {_worded(min(_next(w, now) for w in allowing))}."


def _open_until(window: Window, now: datetime) -> datetime | None:
    """When the window that is open at `now` closes; None where none is."""
    from cronsim import CronSim

    length = timedelta(seconds=seconds(window.duration))
    local = now.astimezone(ZoneInfo(window.timezone))
    last = None
    for start in CronSim(window.cron, local - length - timedelta(seconds=1)):
        if start > local:
            break
        last = start
    return last + length if last is not None and last + length > local else None


def _next(window: Window, now: datetime) -> datetime:
    from cronsim import CronSim

    found: datetime = next(CronSim(window.cron, now.astimezone(ZoneInfo(window.timezone))))
    return found


def _worded(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M %Z")
