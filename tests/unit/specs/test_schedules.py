"""The longest time between two moments of a cron expression."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from cronsim import CronSim

from trueup_specs.core.schedules import longest_gap


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("* * * * *", 1 / 60),
        ("0 */6 * * *", 6),
        ("0 3 * * *", 24),
        ("0 3,11,18 * * *", 9),
        ("*/5 8-18 * * 1-5", 61 + 5 / 60),
        ("0 3 * * 0", 7 * 24),
        ("0 3 1 * *", 31 * 24),
        ("0 3 31 * *", 61 * 24),
    ],
)
def test_the_longest_gap_is_the_one_of_nights_weekends_and_months(cron: str, hours: float) -> None:
    assert longest_gap(cron) == timedelta(hours=hours)


@pytest.mark.parametrize("cron", ["15 2,14 * * 2,5", "0 0 1,15 * 3", "30 4 * 1,7 *"])
def test_it_is_the_longest_of_all_that_are_between_the_moments_of_years(cron: str) -> None:
    moments = CronSim(cron, datetime(2024, 1, 1))
    times = [next(moments) for _ in range(250)]
    assert longest_gap(cron) == max(b - a for a, b in itertools.pairwise(times))
