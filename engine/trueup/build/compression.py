"""Gzip whose bytes depend on the content alone: no name, no time, and blocks that do not depend on how many cores there are.

The content is cut into blocks that are compressed side by side and joined (as pigz does), so the result is one ordinary gzip member. The
bytes are those of zlib: another implementation (zlib-ng) writes others from the same content, so the provenance names the version. The
digest of what was compressed (the `diff_id`) is the same everywhere. Called by `layers`.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

LEVEL = 4
"""A twentieth larger than at 6, in half the time: packages of machine learning are hundreds of megabytes."""
BLOCK = 1 << 20
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no flags, no time, no extra flags, unknown system."""


class Compressor:
    """A file to write to: what is written goes to `sink` as one gzip member, which `close` ends."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._crc = self._size = 0
        self._rest = bytearray()
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._cores, thread_name_prefix="deflate")
        self._waiting: deque[Future[bytes]] = deque()
        sink(_HEADER)

    def write(self, data: bytes) -> int:
        """Takes more of the content."""
        self._crc, self._size = zlib.crc32(data, self._crc), self._size + len(data)
        self._rest += data
        while len(self._rest) >= BLOCK:
            self._submit(bytes(self._rest[:BLOCK]))
            del self._rest[:BLOCK]
        return len(data)

    def close(self) -> None:
        """Writes what is left, and the end."""
        if self._rest:
            self._submit(bytes(self._rest))
        while self._waiting:
            self._sink(self._waiting.popleft().result())
        self._pool.shutdown()
        self._sink(zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH))
        self._sink(struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))

    def _submit(self, block: bytes) -> None:
        self._waiting.append(self._pool.submit(_deflated, block))
        if len(self._waiting) > 2 * self._cores:
            self._sink(self._waiting.popleft().result())


def _deflated(block: bytes) -> bytes:
    """A block that ends at a byte, so that others can follow it."""
    made = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return made.compress(block) + made.flush(zlib.Z_SYNC_FLUSH)
