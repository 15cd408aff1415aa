"""OCI image layouts: a folder or a tar archive with an image and all that refers to it, for machines without a registry.

Podman, Skopeo, crane, containerd (`ctr images import`) and Docker from version 25 on read them. Called by `bases`, `publishing` and
`verification`.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trueup.build.errors import BuildError
from trueup.build.images import INDEX, Descriptor, digest_of, parsed
from trueup.build.store import PIECE, Store
from trueup_specs.core.fingerprints import canonical

_VERSION = b'{"imageLayoutVersion":"1.0.0"}'
_BLOBS = "blobs/sha256/"


class Layout:
    """A layout that is there. Raises BuildError for what is none."""

    def __init__(self, place: Path) -> None:
        self.place = place
        if not place.exists():
            raise BuildError(
                f"There is no OCI layout at {place}. Make one with `crane pull --format=oci IMAGE {place}` or `skopeo copy`."
            )
        if not place.is_dir() and not tarfile.is_tarfile(place):
            raise BuildError(f"{place} is no OCI layout: it is neither a folder nor a tar archive.")
        try:
            index = parsed(self._bytes("index.json"), "index.json")
            self.manifests = [Descriptor.read(m) for m in index.get("manifests") or ()]
        except (KeyError, FileNotFoundError, ValueError) as error:
            raise BuildError(f"{place} is no OCI layout: its index.json cannot be read ({error}).") from None

    def read(self, digest: str) -> bytes:
        """A blob's bytes, proved by its digest. Raises BuildError."""
        try:
            data = self._bytes(_BLOBS + digest.removeprefix("sha256:"))
        except (KeyError, FileNotFoundError):
            raise BuildError(f"The layout {self.place} lacks {digest}: it is not complete. Copy it anew.") from None
        if digest_of(data) != digest:
            raise BuildError(
                f"The layout {self.place} holds other bytes than {digest}: it was changed or cut off. Copy it anew."
            )
        return data

    def fetch(self, blob: Descriptor, store: Store) -> None:
        """Copies a blob into a store. Raises BuildError."""
        try:
            with self._open(_BLOBS + blob.digest.removeprefix("sha256:")) as file:
                store.take(blob, iter(lambda: file.read(PIECE), b""), f"The layout {self.place}")
        except (KeyError, FileNotFoundError):
            raise BuildError(
                f"The layout {self.place} lacks {blob.digest}: it is not complete. Copy it anew."
            ) from None

    def _bytes(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read()

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        if self.place.is_dir():
            with (self.place / name).open("rb") as file:
                yield file
            return
        with tarfile.open(self.place) as tar:
            try:
                found = tar.extractfile(name)
            except KeyError:
                found = tar.extractfile(f"./{name}")
            if found is None:
                raise KeyError(name)
            with found:
                yield found  # type: ignore[misc]


def write(place: Path, store: Store, manifests: Iterable[Descriptor], blobs: Iterable[Descriptor]) -> None:
    """Writes a layout: a tar archive where the name ends in `.tar`, else a folder. The same content gives the same bytes.

    Raises BuildError where something else lies there.
    """
    listed = list(manifests)
    index = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [m.json() for m in listed]})
    digests = sorted({b.digest for b in (*blobs, *listed)})
    if place.suffix == ".tar":
        _archive(place, store, index, digests)
    else:
        _folder(place, store, index, digests)


def _folder(place: Path, store: Store, index: bytes, digests: list[str]) -> None:
    if place.exists() and not (place / "oci-layout").is_file() and (not place.is_dir() or any(place.iterdir())):
        raise BuildError(f"{place} is there already and is no OCI layout: name another place with --out.")
    shutil.rmtree(place / "blobs", ignore_errors=True)
    (place / "blobs" / "sha256").mkdir(parents=True)
    for digest in digests:
        shutil.copyfile(store.path(digest), place / _BLOBS / digest.removeprefix("sha256:"))
    (place / "oci-layout").write_bytes(_VERSION)
    (place / "index.json").write_bytes(index)


def _archive(place: Path, store: Store, index: bytes, digests: list[str]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("oci-layout", _VERSION), ("index.json", index)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for digest in digests:
            info = tarfile.TarInfo(_BLOBS + digest.removeprefix("sha256:"))
            info.size = store.path(digest).stat().st_size
            with store.open(digest) as file:
                tar.addfile(info, file)
    part.replace(place)
