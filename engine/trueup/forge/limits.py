"""How long a forge asks to wait, read from the headers of its answer. Used by the door (http.py). Pure.

GitHub: 403 or 429; `Retry-After` first, then `X-RateLimit-Reset` where nothing remains, else at least a minute (its documentation,
"Rate limits for the REST API"). GitLab: 429 with `Retry-After` and `RateLimit-Reset`. Proxies before Gitea: 429 or 503 with `Retry-After`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

MINUTE = 60.0
LONGEST = 7 * 24 * 3600.0
"""No forge means more than this."""
_EPOCH = 1_000_000_000
"""A reset below this is a number of seconds (the IETF's draft), above it a moment (GitHub, GitLab)."""


def asked(status: int, headers: Mapping[str, str], message: str, now: float) -> float | None:
    """The seconds to wait before the next request; None where the answer is about something other than a limit.

    `headers` are looked up in lower case; `now` is in seconds since the epoch, used where the answer has no `Date`.
    """
    found = _asked(status, headers, message, now)
    return None if found is None else min(found, LONGEST)


def _asked(status: int, headers: Mapping[str, str], message: str, now: float) -> float | None:
    after = _retry_after(headers, now)
    if status == 503:
        return after
    if not _is_limit(status, headers, message):
        return None
    if after is not None:
        return after
    reset = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset"))
    if reset is not None and _remaining(headers) in (None, 0):
        return max(0.0, reset - _now(headers, now) + 1 if reset > _EPOCH else reset)
    return MINUTE


def _is_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    if status == 429:
        return True
    said = message.lower()
    return status == 403 and (
        "retry-after" in headers or _remaining(headers) == 0 or "rate limit" in said or "abuse detection" in said
    )


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    moment = _moment(text)
    return None if moment is None else max(0.0, moment - _now(headers, now))


def _remaining(headers: Mapping[str, str]) -> float | None:
    return _number(headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining"))


def _now(headers: Mapping[str, str], now: float) -> float:
    """The forge's own clock, since its moments are by that one."""
    moment = _moment(headers.get("date", ""))
    return now if moment is None else moment


def _moment(text: str) -> float | None:
    try:
        found: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return found.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _number(text: str | None) -> float | None:
    try:
        found = float((text or "").strip())
    except ValueError:
        return None
    return found if math.isfinite(found) else None
