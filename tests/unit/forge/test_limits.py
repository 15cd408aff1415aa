"""How long a forge asks to wait."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.forge import limits

NOW = 1_800_000_000.0


def test_a_refusal_of_permission_is_no_limit() -> None:
    headers = {"x-ratelimit-remaining": "4000", "x-ratelimit-reset": str(int(NOW) + 1000)}
    assert limits.asked(403, headers, "Resource not accessible by integration", NOW) is None
    assert limits.asked(404, {"x-ratelimit-remaining": "0"}, "Not Found", NOW) is None
    assert limits.asked(422, {}, "is too long", NOW) is None


@pytest.mark.parametrize("status", [403, 429])
def test_the_primary_limit_of_github_is_waited_out_until_its_reset(status: int) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 90)}
    assert limits.asked(status, headers, "API rate limit exceeded for installation.", NOW) == 91


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_goes_before_everything(status: int) -> None:
    headers = {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 90)}
    assert limits.asked(status, headers, "You have exceeded a secondary rate limit", NOW) == 7


def test_a_secondary_limit_that_names_no_time_is_a_minute() -> None:
    headers = {"x-ratelimit-remaining": "4000", "x-ratelimit-reset": str(int(NOW) + 3000)}
    assert limits.asked(403, headers, "You have exceeded a secondary rate limit. Please wait", NOW) == 60


def test_gitlabs_reset_is_used() -> None:
    headers = {"ratelimit-remaining": "0", "ratelimit-reset": str(int(NOW) + 20)}
    assert limits.asked(429, headers, "Too Many Requests", NOW) == 21


def test_a_reset_that_gitlab_gives_wrongly_is_not_used() -> None:
    headers = {"ratelimit-remaining": "595", "ratelimit-reset": str(int(NOW) + 20)}
    assert limits.asked(429, headers, "This endpoint has been requested too many times.", NOW) == 60


def test_a_busy_server_says_when_to_come_back_or_nothing() -> None:
    assert limits.asked(503, {"retry-after": "12"}, "", NOW) == 12
    assert limits.asked(503, {}, "", NOW) is None


def test_moments_are_by_the_forges_own_clock() -> None:
    """This machine's clock is five minutes behind."""
    headers = {"date": formatdate(NOW + 300, usegmt=True), "retry-after": formatdate(NOW + 330, usegmt=True)}
    assert limits.asked(429, headers, "", NOW) == 30
    headers = {
        "date": formatdate(NOW + 300, usegmt=True),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": f"{int(NOW) + 310}",
    }
    assert limits.asked(403, headers, "", NOW) == 11


NOISE = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", " 5 ", "-3", "nan", "inf", "Wed, 99"]),
)


HEADERS = [
    "retry-after",
    "x-ratelimit-reset",
    "x-ratelimit-remaining",
    "ratelimit-reset",
    "ratelimit-remaining",
    "date",
]


@given(
    status=st.sampled_from([403, 429, 503]),
    headers=st.dictionaries(st.sampled_from(HEADERS), NOISE),
    message=st.text(max_size=40),
)
def test_whatever_the_headers_hold_the_wait_is_a_number_that_is_not_negative(
    status: int, headers: dict[str, str], message: str
) -> None:
    wait = limits.asked(status, headers, message, NOW)
    assert wait is None or 0 <= wait <= limits.LONGEST
    if status == 429:
        assert wait is not None
