"""The loop's memory in a file of the workspace's home, so that it survives a kill: written whole, read with suspicion."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from trueup.reconcile.values import Memory

VERSION = 1


class _File(msgspec.Struct):
    version: int
    memory: Memory


def place(home: Path, environment: str) -> Path:
    """The file of an environment's memory."""
    return home / "loop" / f"{environment}.json"


def load(path: Path) -> Memory:
    """The memory in a file; an empty one where there is none or it cannot be read: what it held is seen again, or tried again."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):
        return Memory()
    return found.memory if found.version == VERSION else Memory()


def save(path: Path, memory: Memory) -> None:
    """Writes the memory; a kill at any moment leaves the old or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(_File(VERSION, memory)), indent=1))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
