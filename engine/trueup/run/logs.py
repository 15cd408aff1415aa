"""What a step prints, on its way to its log: the values of its `env`, any of which may be a secret, become `***`. Called by `execution`."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import IO

MASK = "***"
SHORTEST = 4
"""Shorter values are not masked: `1` or `on` would make every log unreadable."""
BLOCK = 1 << 16


def masked(text: str, values: Iterable[str]) -> str:
    """The text without the values; longer ones go first, since one may hold another."""
    for value in _hidden(values):
        text = text.replace(value, MASK)
    return text


def _hidden(values: Iterable[str]) -> list[str]:
    lines = {part for value in values for part in (value, *value.splitlines())}
    return sorted((v for v in lines if len(v) >= SHORTEST), key=len, reverse=True)


class Masking:
    """Copies a stream into a log in a thread, values masked, also where one comes in two pieces."""

    def __init__(self, source: IO[bytes], log: IO[bytes], values: Iterable[str]) -> None:
        self._source, self._log = source, log
        self._values = [v.encode() for v in _hidden(values)]
        self._longest = max((len(v) for v in self._values), default=1)
        self._thread = threading.Thread(target=self._copy, name="log", daemon=True)
        self._thread.start()

    def finish(self, seconds: float = 5.0) -> None:
        """Waits until everything is written."""
        self._thread.join(seconds)

    def _copy(self) -> None:
        held = b""
        while block := self._source.read1(BLOCK):  # type: ignore[attr-defined]
            held = self._clean(held + block)
            ready, held = held[: self._safe(held)], held[self._safe(held) :]
            self._log.write(ready)
            self._log.flush()
        self._log.write(self._clean(held))
        self._log.flush()

    def _clean(self, text: bytes) -> bytes:
        for value in self._values:
            text = text.replace(value, MASK.encode())
        return text

    def _safe(self, text: bytes) -> int:
        """How much cannot be the beginning of a value: all but the longest tail that one begins with."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            if any(v.startswith(text[-length:]) for v in self._values):
                return len(text) - length
        return len(text)
