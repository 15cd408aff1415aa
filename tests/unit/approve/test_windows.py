"""When an environment may be changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trueup.approve.windows import closed
from trueup_specs.kinds.environment.spec import Window

WORKDAYS = Window(cron="0 9 * * 1-5", duration="8h", timezone="Europe/Berlin")
FREEZE = Window(action="freeze", cron="0 0 20 12 *", duration="14d")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_windows_it_is_always_open() -> None:
    assert closed([], at("2026-03-01T03:00")) == ""


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-03-02T07:59", False),
        ("2026-03-02T08:00", True),
        ("2026-03-02T15:59", True),
        ("2026-03-02T16:00", False),
        ("2026-02-28T10:00", False),
        ("2026-07-01T07:00", True),
        ("2026-07-01T15:01", False),
    ],
)
def test_a_window_opens_and_closes_in_its_own_time_zone(moment: str, open_: bool) -> None:
    assert (closed([WORKDAYS], at(moment)) == "") is open_


def test_a_closed_window_says_when_the_next_opens() -> None:
    assert "2026-03-02 09:00 CET" in closed([WORKDAYS], at("2026-02-28T10:00"))


def test_any_of_several_windows_is_enough() -> None:
    saturday = Window(cron="0 0 * * 6", duration="24h")
    assert closed([WORKDAYS, saturday], at("2026-02-28T10:00")) == ""


def test_a_freeze_wins_over_a_window_and_says_when_it_ends() -> None:
    text = closed([WORKDAYS, FREEZE], at("2026-12-22T10:00"))
    assert "frozen until 2027-01-03 00:00" in text
    assert closed([WORKDAYS, FREEZE], at("2026-12-18T10:00")) == ""
    assert closed([FREEZE], at("2027-01-03T00:00")) == "", "a freeze alone closes only its own time"
