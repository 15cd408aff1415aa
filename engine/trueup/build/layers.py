"""Layers: files as a tar archive whose bytes depend on the files alone. Called by `assembly`.

Entries are sorted by path, belong to root (or to the image's user), carry the one time that is given, and no name of a user or machine.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from trueup.build.compression import compressed
from trueup.build.images import LAYER, Descriptor
from trueup.build.store import PIECE, Store


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
    with tempfile.TemporaryFile(dir=store.folder) as archive:
        _write(archive, items, time)
        archive.seek(0)
        diff_id = _digest(archive)
        archive.seek(0)
        blob = _kept(store, archive)
    return Layer(blob, diff_id, title)


def _kept(store: Store, archive: BinaryIO) -> Descriptor:
    handle, name = tempfile.mkstemp(dir=store.folder, prefix=".layer-")
    try:
        made, size = hashlib.sha256(), 0
        with os.fdopen(handle, "wb") as file:
            for piece in compressed(archive):
                made.update(piece)
                size += len(piece)
                file.write(piece)
        digest = f"sha256:{made.hexdigest()}"
        Path(name).chmod(0o644)
        Path(name).replace(store.path(digest))
    finally:
        Path(name).unlink(missing_ok=True)
    return Descriptor(f"{LAYER}+gzip", digest, size)


def _write(archive: IO[bytes], items: Iterable[Item], time: int) -> None:
    ordered = sorted(_with_folders(items), key=lambda item: item.path)
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
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


def _digest(stream: IO[bytes]) -> str:
    made = hashlib.sha256()
    while piece := stream.read(PIECE):
        made.update(piece)
    return f"sha256:{made.hexdigest()}"
