"""Layers: files as a tar archive whose bytes depend on the files alone. Called by `assembly`.

Entries are sorted by path, belong to root (or to the image's user), carry the one time that is given, and no name of a user or machine.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trueup.build.compression import BLOCK, Compressor
from trueup.build.images import LAYER, Descriptor
from trueup.build.store import Store


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a layer: its path in the image without a leading slash, and its content, as bytes or as a file to read.

    With `link` it is a symbolic link; with `folder` an empty folder.
    """

    path: str
    content: bytes | Path = b""
    executable: bool = False
    link: str = ""
    folder: bool = False
    owner: int = 0

    @property
    def mode(self) -> int:
        """The permission bits: anyone may read, nobody but root may write."""
        return 0o777 if self.link else 0o755 if self.folder or self.executable else 0o644


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in the store: the compressed blob, and the digest of the archive in it."""

    blob: Descriptor
    diff_id: str
    title: str


def layer(store: Store, title: str, items: Iterable[Item], time: int) -> Layer:
    """Writes a layer with every entry at `time` (seconds since the epoch)."""
    handle, name = tempfile.mkstemp(dir=store.folder, prefix=".layer-")
    try:
        with os.fdopen(handle, "wb") as file:
            blob = _Hashing(file.write)
            compressor = Compressor(blob.write)
            archive = _Hashing(compressor.write)
            _write(archive, items, time)
            compressor.close()
        Path(name).chmod(0o644)
        Path(name).replace(store.path(blob.digest))
    finally:
        Path(name).unlink(missing_ok=True)
    return Layer(Descriptor(f"{LAYER}+gzip", blob.digest, blob.size), archive.digest, title)


class _Hashing:
    """Passes on what is written, and knows its digest and size."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink, self._made = sink, hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Takes bytes."""
        self._made.update(data)
        self.size += len(data)
        self._sink(data)
        return len(data)

    @property
    def digest(self) -> str:
        """Of all that was written."""
        return f"sha256:{self._made.hexdigest()}"


def _write(archive: _Hashing, items: Iterable[Item], time: int) -> None:
    ordered = sorted(_with_folders(items), key=lambda item: item.path)
    sink: Any = archive  # a stream is only ever written to
    with tarfile.open(fileobj=sink, mode="w|", bufsize=BLOCK, format=tarfile.PAX_FORMAT) as tar:
        for item in ordered:
            info = tarfile.TarInfo(item.path)
            info.mtime, info.mode, info.uid, info.gid = time, item.mode, item.owner, item.owner
            if item.folder:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif item.link:
                info.type, info.linkname = tarfile.SYMTYPE, item.link
                tar.addfile(info)
            else:
                _file(tar, info, item.content)


def _file(tar: tarfile.TarFile, info: tarfile.TarInfo, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        import io

        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        return
    with content.open("rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)


def _with_folders(items: Iterable[Item]) -> Iterator[Item]:
    """The items and the folders above them; the last of several at one path counts."""
    found = {item.path: item for item in items}
    above = {str(p) for path in found for p in PurePosixPath(path).parents if str(p) != "."}
    yield from found.values()
    yield from (Item(path, folder=True) for path in above - found.keys())
