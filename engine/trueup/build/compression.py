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
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

LEVEL = 4
"""A twentieth larger than at 6, in half the time: packages of machine learning are hundreds of megabytes."""
BLOCK = 1 << 20
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no flags, no time, no extra flags, unknown system."""


def compressed(stream: BinaryIO) -> Iterator[bytes]:
    """The gzip member of a stream's content, piece by piece."""
    yield _HEADER
    crc, size = 0, 0
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="deflate") as pool:
        waiting: deque[Future[bytes]] = deque()
        while block := stream.read(BLOCK):
            crc, size = zlib.crc32(block, crc), size + len(block)
            waiting.append(pool.submit(_deflated, block))
            if len(waiting) > 2 * (os.cpu_count() or 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    yield zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)
    yield struct.pack("<LL", crc, size & 0xFFFFFFFF)


def _deflated(block: bytes) -> bytes:
    """A block that ends at a byte, so that others can follow it."""
    made = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return made.compress(block) + made.flush(zlib.Z_SYNC_FLUSH)
