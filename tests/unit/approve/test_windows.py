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


NIGHT = Window(cron="0 1 * * *", duration="4h", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-03-28T23:59", False),
        ("2026-03-29T00:00", True),  # 01:00 CET
        ("2026-03-29T03:59", True),  # 05:59 CEST: four hours, although the clock went from 02:00 to 03:00
        ("2026-03-29T04:00", False),
        ("2026-10-24T22:59", False),
        ("2026-10-24T23:00", True),  # 01:00 CEST
        ("2026-10-25T00:30", True),  # 02:30 CEST
        ("2026-10-25T01:30", True),  # 02:30 again, CET
        ("2026-10-25T02:59", True),
        ("2026-10-25T03:00", False),
    ],
)
def test_a_window_lasts_as_long_on_nights_when_clocks_are_changed(moment: str, open_: bool) -> None:
    assert (closed([NIGHT], at(moment)) == "") is open_


def test_overlapping_freezes_last_until_the_last_of_them_ends() -> None:
    short = Window(action="freeze", cron="0 12 22 12 *", duration="2h")
    assert "frozen until 2027-01-03 00:00 UTC" in closed([short, FREEZE], at("2026-12-22T13:00"))
    assert "frozen until 2027-01-03 00:00 UTC" in closed([FREEZE, short], at("2026-12-22T13:00"))


def test_overlapping_windows_are_open_until_the_last_of_them_closes() -> None:
    early = Window(cron="0 6 * * *", duration="4h")
    late = Window(cron="0 8 * * *", duration="4h")
    assert closed([early, late], at("2026-03-02T11:59")) == ""
    assert closed([late, early], at("2026-03-02T09:00")) == ""
    assert closed([early, late], at("2026-03-02T12:00")) != ""


def test_a_window_that_repeats_before_it_closes_stays_open() -> None:
    hourly = Window(cron="0 * * * *", duration="90m")
    assert closed([hourly], at("2026-03-02T09:59")) == ""


def test_the_next_opening_is_one_that_is_not_frozen() -> None:
    text = closed([WORKDAYS, FREEZE], at("2026-12-19T10:00"))
    assert "the next opens at 2027-01-04 09:00 CET" in text


def test_where_everything_to_come_is_frozen_it_says_so() -> None:
    always = Window(action="freeze", cron="0 0 * * 1-5", duration="24h", timezone="Europe/Berlin")
    assert "none of the next is outside of a freeze" in closed([WORKDAYS, always], at("2026-03-01T10:00"))
