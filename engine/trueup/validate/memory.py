"""What earlier plans of a workspace learned, kept between processes: what files are tied to, and which cells would do nothing.

Everything is known by content: a file by its mode, blob id and path, a cell by the digest of all that a plan reads of it. So an entry
that is found is right whoever wrote it, and a plan of a fork's pull request can add entries but change none. What is damaged, or of
another version of Trueup, counts as nothing known. Called by `workspace/narrowing.py`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from trueup.load import cache
from trueup.validate.cells import Ties

OFF = "TRUEUP_NO_CACHE"
"""The variable that turns it off."""
FOLDER = "plans"
MOST_FILES = 20
"""Workspaces, and versions of Trueup, that are remembered: about 1.2 MB for each 10,000 specs."""
MOST_RESULTS = 4
"""Results that are kept for one content of a cell: of several environments and of what was recorded before."""
SPARE = 2.0
"""How many times the files of the last plan may be known, before what that plan did not need is forgotten."""

Source = tuple[str, str, str]
"""The namespace and name of a data source, and its fingerprint."""


class Group(msgspec.Struct, array_like=True):
    """Files with the same ties."""

    namespaces: list[str]
    mentioned: list[str]
    records: list[bytes]


class Cell(msgspec.Struct, array_like=True):
    """One content of a cell."""

    paths: list[str]
    """What of the workspace its documents may name."""
    idle: dict[str, list[Source]]
    """By the digest of all that a plan reads of it: its data sources, where that plan would do and say nothing."""


class Memory(msgspec.Struct):
    """All that is known of a workspace with some settings."""

    groups: list[Group] = []
    others: list[bytes] = []
    """Files that are no specs."""
    cells: dict[str, Cell] = {}

    def ties(self) -> list[Ties]:
        """The ties of each group."""
        return [Ties(frozenset(g.namespaces), frozenset(g.mentioned)) for g in self.groups]

    def places(self) -> dict[bytes, int]:
        """The group of each file; -1 for one that is no spec."""
        found = dict.fromkeys(self.others, -1)
        for number, group in enumerate(self.groups):
            found.update(dict.fromkeys(group.records, number))
        return found


def enabled() -> bool:
    """Whether what was learned may be used and kept."""
    return os.environ.get(OFF, "") in ("", "0")


def path_of(*parts: str) -> Path:
    """Where the memory of a workspace with some settings is kept."""
    return cache.file(FOLDER, "\0".join((cache.engine(cache.PLANNING), *parts)))


def load(path: Path) -> Memory:
    """What is known; nothing where the file is absent or damaged."""
    data = cache.load_from(path) or b""
    try:
        return msgspec.msgpack.decode(data[32:], type=Memory) if _digest(data[32:]) == data[:32] else Memory()
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return Memory()


def store(path: Path, memory: Memory) -> None:
    """Keeps what is known."""
    data = msgspec.msgpack.encode(memory)
    cache.store_at(path, _digest(data) + data, MOST_FILES)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def grouped(ties: Mapping[bytes, Ties]) -> list[Group]:
    """Files by what they are tied to."""
    found: dict[tuple[frozenset[str], frozenset[str]], list[bytes]] = {}
    for record, tie in ties.items():
        found.setdefault((tie.namespaces, tie.mentioned), []).append(record)
    return [Group(sorted(n), sorted(m), records) for (n, m), records in found.items()]


def content(records: Iterable[bytes]) -> str:
    """The digest of some files, whatever their order."""
    return hashlib.sha256(b"\0".join(sorted(records))).hexdigest()
