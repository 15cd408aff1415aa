"""What was found for a tree before, kept by the tree's id and this engine's: a tree that did not change is not read again.

Anything wrong with a cache file is the same as no cache file. Entries are small: diagnostics, not documents.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from trueup import places

KEPT_SECONDS = 30 * 24 * 3600
MOST_ENTRIES = 200


JUDGING = ("trueup/load", "trueup/validate", "trueup/views", "trueup_specs")
PLANNING = (
    *(
        f"trueup/{p}"
        for p in ("load", "validate", "resolve", "compile", "plan", "approve", "record", "observe", "workspace")
    ),
    "trueup_specs",
    "trueup_stacks",
)


@lru_cache(maxsize=2)
def engine(packages: tuple[str, ...] = JUDGING) -> str:
    """The identity of the code that judges: of its version and its files, so that a changed rule is never answered from the cache."""
    digest = hashlib.sha256(sys.version.encode())
    for package in packages:
        digest.update(package.encode())
        for folder in _folders(package):
            digest.update(_state(folder))
    return digest.hexdigest()[:20]


@lru_cache(maxsize=2)
def code(packages: tuple[str, ...]) -> str:
    """The identity of some packages by the content of their modules: the same wherever the same version is installed."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for package in packages:
        for folder in _folders(package):
            for path in sorted(folder.rglob("*.py")):
                digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:40]


def _folders(package: str) -> list[Path]:
    name, _, rest = package.partition("/")
    here = Path(__file__).resolve().parents[1]
    if name == "trueup":
        return [here / rest]
    return [Path(p) for p in import_module(name).__path__]


def _state(folder: Path) -> bytes:
    """Names, sizes and times of the modules of a folder: reading them all would cost more than it saves."""
    return "\n".join(sorted(_modules(str(folder)))).encode()


def _modules(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            status = entry.stat()
            yield f"{entry.path} {status.st_size} {status.st_mtime_ns}"
        elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
            yield from _modules(entry.path)


def path_of(key: str) -> Path:
    """Where what was found for a tree is kept."""
    return file("validation", f"{engine()} {key}")


def file(folder: str, key: str) -> Path:
    """Where the entry of a key is kept in a folder of the cache."""
    return places.cache() / folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:40]}.json"


def load(key: str) -> bytes | None:
    """What was found for a tree, or None."""
    return load_from(path_of(key))


def load_from(path: Path) -> bytes | None:
    """An entry, or None."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def store(key: str, data: bytes) -> None:
    """Keeps what was found for a tree."""
    store_at(path_of(key), data)


def store_at(path: Path, data: bytes, most: int = MOST_ENTRIES) -> None:
    """Keeps an entry, and so many of its folder; a cache that cannot be written is no failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)
        _swept(path.parent, most)
    except OSError:
        return


def _swept(folder: Path, most: int) -> None:
    files = [(entry.stat().st_mtime, entry.path) for entry in os.scandir(folder) if entry.is_file()]
    if len(files) <= most:
        return
    limit = time.time() - KEPT_SECONDS
    for moment, path in sorted(files)[: len(files) - most // 2]:
        if moment < limit or len(files) > most:
            Path(path).unlink(missing_ok=True)
