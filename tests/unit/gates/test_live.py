"""Live checks: the numbers that they judge, against another way to find them, and what they say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.gates.live import Answered, judged, quantile
from trueup_specs.kinds.model.spec import LiveCheck
from trueup_specs.kinds.monitor.metrics import BUCKETS

BOUNDS = (*BUCKETS, math.inf)


def histogram(times: list[float]) -> dict[float, float]:
    return {bound: float(sum(t <= bound for t in times)) for bound in BOUNDS}


@given(st.lists(st.floats(0, 20), min_size=1, max_size=200), st.sampled_from((0.5, 0.95, 0.99)))
def test_a_quantile_lies_in_the_bucket_of_the_real_one(times: list[float], share: float) -> None:
    real = sorted(times)[math.ceil(share * len(times)) - 1]
    found = quantile(histogram(times), share)
    above = next(b for b in BOUNDS if real <= b)
    below = max((b for b in BOUNDS if b < above), default=0.0)
    assert found is not None
    assert below <= found <= min(above, BUCKETS[-1])


def test_a_quantile_is_that_of_prometheus() -> None:
    """The example of Prometheus's own documentation of `histogram_quantile`: a straight line within the bucket."""
    assert quantile({0.1: 0.0, 0.2: 100.0, math.inf: 100.0}, 0.5) == pytest.approx(0.15)
    assert quantile({0.1: 50.0, 0.2: 100.0, math.inf: 100.0}, 0.25) == pytest.approx(0.05)
    assert quantile({0.1: 0.0, math.inf: 10.0}, 0.5) == pytest.approx(0.1)
    assert quantile({}, 0.5) is None and quantile({math.inf: 0.0}, 0.5) is None


def answered(
    ok: int = 0, invalid: int = 0, error: int = 0, timeout: int = 0, times: list[float] | None = None
) -> Answered:
    outcomes = {"ok": ok, "invalid": invalid, "error": error, "timeout": timeout}
    return Answered({k: float(v) for k, v in outcomes.items()}, histogram(times or []))


CHECKS = (
    LiveCheck(metric="requests", min=100),
    LiveCheck(metric="errorRatio", max=0.02),
    LiveCheck(metric="latencyP95", max=0.2),
)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (answered(ok=96, invalid=2, error=1, timeout=1, times=[0.02] * 100), [True, True, True]),
        (answered(ok=99, times=[0.02] * 99), [False, True, True]),
        (answered(ok=97, error=2, timeout=1, times=[0.02] * 100), [True, False, True]),
        (answered(ok=100, times=[0.02] * 90 + [2.0] * 10), [True, True, False]),
        (answered(), [False, False, False]),
    ],
)
def test_every_check_is_judged_by_its_own_number(seen: Answered, expected: list[bool]) -> None:
    assert [j.holds for j in judged(CHECKS, seen)] == expected


def test_what_is_said_has_the_number_and_what_was_asked() -> None:
    said = [j.text for j in judged(CHECKS, answered(ok=3, error=1, times=[0.02] * 4))]
    assert said[:2] == ["requests is 4; it must be at least 100.", "errorRatio is 0.25; it must be at most 0.02."]
    assert said[2].startswith("latencyP95 is 0.0") and said[2].endswith(" s; it must be at most 0.2 s.")
    nothing = judged((LiveCheck(metric="errorRatio", min=0, max=1),), answered())
    assert nothing[0].text == (
        "errorRatio is not known, since no request has been answered; it must be at least 0 and at most 1."
    )


def test_the_requests_of_several_servers_are_one_sum() -> None:
    both = answered(ok=3, times=[0.02]) + Answered({"ok": 2.0, "error": 5.0}, {0.05: 1.0, math.inf: 2.0})
    assert both.number("requests") == 10 and both.number("errorRatio") == 0.5
    assert both.buckets[math.inf] == 3 and both.buckets[0.05] == 2
