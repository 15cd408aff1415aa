"""Digests of meaning: canonical JSON (RFC 8785), hashed with SHA-256.

Formatting, comments and key order of a file never reach a fingerprint, since it is taken from parsed values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import rfc8785

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def canonical(value: Json) -> bytes:
    """The canonical JSON bytes of `value`; integers beyond 2**53 are written as strings, which RFC 8785 cannot hold."""
    return rfc8785.dumps(_plain(value))


def fingerprint(value: Json) -> str:
    """The SHA-256 of the canonical form, in hex (64 characters)."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _plain(value: Json) -> rfc8785._impl._Value:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return f"integer:{value}"
    return value
