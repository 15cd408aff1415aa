"""The folder of blobs by digest that images are read into and built in, in the user's cache. Called by every module that moves content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from trueup.build.errors import BuildError
from trueup.build.images import Descriptor, digest_of

PIECE = 1 << 20


class Store:
    """Blobs below `folder`, each in a file named by its digest. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        return self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob of that size is there."""
        path = self.path(blob.digest)
        return path.is_file() and path.stat().st_size == blob.size

    def put(self, data: bytes, media_type: str) -> Descriptor:
        """Keeps bytes."""
        digest = digest_of(data)
        if not self.path(digest).is_file():
            self._write(digest, [data])
        return Descriptor(media_type, digest, len(data))

    def read(self, digest: str) -> bytes:
        """The bytes of a blob, proved by its digest. Raises BuildError."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise BuildError(
                f"The blob {digest} is not there: the image is not complete. Copy or build it anew."
            ) from None
        if digest_of(data) != digest:
            raise BuildError(
                f"The blob {digest} is not what its name says: it was changed or cut off. Copy or build it anew."
            )
        return data

    def open(self, digest: str) -> BufferedReader:
        """A blob as a stream. Its content is not proved here: what came in was."""
        return self.path(digest).open("rb")

    def pieces(self, digest: str) -> Iterator[bytes]:
        """A blob's content, piece by piece."""
        with self.open(digest) as file:
            while piece := file.read(PIECE):
                yield piece

    def take(self, blob: Descriptor, pieces: Iterable[bytes], source: str) -> None:
        """Keeps a blob that comes from outside, if its size and digest are right. Raises BuildError where they are not."""
        self._write(blob.digest, pieces, blob.size, source)

    def _write(self, digest: str, pieces: Iterable[bytes], size: int | None = None, source: str = "") -> None:
        target = self.path(digest)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
        try:
            made, count = hashlib.sha256(), 0
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    made.update(piece)
                    count += len(piece)
                    if size is not None and count > size:
                        break
                    file.write(piece)
            if f"sha256:{made.hexdigest()}" != digest or size not in (None, count):
                raise BuildError(
                    f"{source} gave other bytes for {digest} than the manifest names: they were changed or cut off on the way. "
                    "Try again; if it stays, do not trust that source."
                )
            Path(name).chmod(0o644)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
