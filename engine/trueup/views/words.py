"""Values and durations in words, shared by all views. Nothing here knows what it prints about."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

WIDEST = 72
DIGEST = re.compile(r"\b([0-9a-f]{12})(?:[0-9a-f]{28}|[0-9a-f]{52})\b")
"""SHA-1 and SHA-256 in hexadecimal, of which people read the beginning."""


def worded(value: Any, width: int = WIDEST) -> str:
    """An encoded property value for people: symbols as what they stand for, digests and long ones shortened."""
    text = DIGEST.sub(r"\1…", _text(value))
    return text if len(text) <= width else text[: width - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        if "$absent" in value:
            return "(none)"
        if "$output" in value:
            inner = value["$output"]
            return f"({inner['property']} of {inner['of'].rsplit('::', 1)[-1]}, known after it is applied)"
        if "$secret" in value:
            inner = value["$secret"]
            key = f", key {inner['key']}" if inner.get("key") else ""
            return f"(secret {inner['store']}/{inner['name']}{key})"
        return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True)
    if isinstance(value, (list, tuple)):
        return json.dumps(_plain(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return (
            _text(value) if {"$output", "$secret", "$absent"} & set(value) else {k: _plain(v) for k, v in value.items()}
        )
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def duration(seconds: float | None) -> str:
    """`about 3 min`; empty where it is not known."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plural(number: int, noun: str) -> str:
    """`1 step`, `2 steps`, `2 policies`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def short(commit: str) -> str:
    """A commit's id as people write it."""
    return commit[:10] if commit else "the working tree"
