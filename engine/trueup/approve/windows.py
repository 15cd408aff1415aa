"""Change windows: when an environment may be applied to. Pure: the time is given.

A window starts by the clock of its time zone and lasts its duration as it passes, whatever the clock does in between: one of eight hours is
open for eight hours on the nights when clocks are changed too. Where windows of one kind overlap, the last to close counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from trueup_specs.core.envelope import seconds
from trueup_specs.kinds.environment.spec import Window

_MOST_LOOKED_AT = 60
"""Openings that are looked at for one that is not frozen."""


def closed(windows: Iterable[Window], now: datetime) -> str:
    """Why nothing may be applied at `now`, as a sentence; empty where it may. A freeze wins over a window that allows."""
    found = list(windows)
    freezing = [w for w in found if w.action == "freeze"]
    allowing = [w for w in found if w.action == "allow"]
    if frozen := _last(freezing, now):
        end, window = frozen
        return f"Changes are frozen until {_worded(end, window)} (window {window.cron!r})."
    if not allowing or _last(allowing, now) is not None:
        return ""
    opening = _opening(allowing, freezing, now)
    when = f"the next opens at {_worded(*opening)}" if opening else "none of the next is outside of a freeze"
    return f"Changes are allowed in windows only; {when}."


def _last(windows: Sequence[Window], now: datetime) -> tuple[datetime, Window] | None:
    """The window open at `now` that closes last, and when; None where none is."""
    ends = [(end, w) for w in windows if (end := _open_until(w, now)) is not None]
    return max(ends, key=lambda item: item[0], default=None)


def _open_until(window: Window, now: datetime) -> datetime | None:
    """When the window that is open at `now` closes, in UTC; None where none is. Reckoned in UTC: a local hour may come twice."""
    from cronsim import CronSim

    length, moment = timedelta(seconds=seconds(window.duration)), now.astimezone(UTC)
    last = None
    for start in CronSim(window.cron, (moment - length - timedelta(seconds=1)).astimezone(ZoneInfo(window.timezone))):
        if start.astimezone(UTC) > moment:
            break
        last = start.astimezone(UTC)
    return last + length if last is not None and last + length > moment else None


def _opening(allowing: Sequence[Window], freezing: Sequence[Window], now: datetime) -> tuple[datetime, Window] | None:
    """The next time that a window opens and nothing is frozen."""
    moment = now.astimezone(UTC)
    for _ in range(_MOST_LOOKED_AT):
        opens, window = min(((_next(w, moment), w) for w in allowing), key=lambda item: item[0])
        frozen = _last(freezing, opens)
        if frozen is None:
            return opens, window
        if _last(allowing, frozen[0]) is not None and _last(freezing, frozen[0]) is None:
            return frozen[0], frozen[1]
        moment = max(opens, frozen[0] - timedelta(seconds=1))
    return None


def _next(window: Window, moment: datetime) -> datetime:
    from cronsim import CronSim

    found: datetime = next(CronSim(window.cron, moment.astimezone(ZoneInfo(window.timezone))))
    return found.astimezone(UTC)


def _worded(moment: datetime, window: Window) -> str:
    return moment.astimezone(ZoneInfo(window.timezone)).strftime("%Y-%m-%d %H:%M %Z")
