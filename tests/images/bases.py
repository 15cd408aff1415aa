"""Base images of the tests: written by hand here, so that what reads and builds images does not make its own exam."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
    "site-packages",
    "__pycache__",
    "pydoc_data",
}
_MANYLINUX = (
    "libpthread.so.0",
    "librt.so.1",
    "libdl.so.2",
    "libutil.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libz.so.1",
)


def layer(files: Mapping[str, bytes | None], links: Mapping[str, str] | None = None) -> bytes:
    """A tar archive of files; None is a whiteout."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            folder, _, base = name.rpartition("/")
            info = tarfile.TarInfo(name if data is not None else f"{folder}/.wh.{base}")
            info.size, info.mode = len(data or b""), 0o755
            tar.addfile(info, io.BytesIO(data or b""))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return made.getvalue()


def blobs(
    archives: Iterable[bytes], config: Mapping[str, Any] | None = None, *, plain: bool = False
) -> tuple[str, dict[str, bytes]]:
    """The digest of an image's manifest, and all its blobs by digest."""
    found: dict[str, bytes] = {}

    def put(data: bytes, kind: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        found[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(data)}

    listed = list(archives)
    layers = [
        put(a, "layer.v1.tar") if plain else put(gzip.compress(a, 1, mtime=0), "layer.v1.tar+gzip") for a in listed
    ]
    value = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(a).hexdigest()}" for a in listed]},
        **(config or {}),
    }
    made = put(json.dumps(value).encode(), "config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": made,
        "layers": layers,
    }
    return put(json.dumps(manifest).encode(), "manifest.v1+json")["digest"], found


def write(folder: Path, digest: str, found: Mapping[str, bytes]) -> str:
    """Writes an OCI layout; the name of the image in it."""
    place = folder / "blobs" / "sha256"
    place.mkdir(parents=True)
    for name, data in found.items():
        (place / name.removeprefix("sha256:")).write_bytes(data)
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": len(found[digest]),
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{folder}@{digest}"


def python_layer() -> bytes:
    """This machine's Python and the libraries that it loads, at their places."""
    real = Path(sys.executable).resolve()
    prefix, minor = Path(sys.base_prefix), f"python3.{sys.version_info.minor}"
    library = prefix / "lib" / minor
    files = [p for p in library.rglob("*") if p.is_file() and not _LEFT_OUT & set(p.relative_to(library).parts)]
    needed: dict[str, Path] = {}
    for program in (real, *library.glob("lib-dynload/*.so")):
        said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        for path in re.findall(r"(/\S+) \(0x", said):
            needed[path] = Path(path).resolve()
    beside = {Path(p).parent for p in needed if "libc.so" in p}
    for folder in beside:  # what the manylinux policy lets every wheel ask for
        needed |= {str(p): p.resolve() for n in _MANYLINUX if (p := folder / n).exists()}
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path in files:
            tar.add(path.resolve(), str(path).lstrip("/"), recursive=False)
        for name, path in needed.items():
            tar.add(path, name.lstrip("/"), recursive=False)
        tar.add(real, str(prefix / "bin" / minor).lstrip("/"), recursive=False)
        for name in ("tmp", "work"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(info)
        info = tarfile.TarInfo("usr/bin/python3")
        info.type, info.linkname = tarfile.SYMTYPE, str(prefix / "bin" / minor)
        tar.addfile(info)
    return made.getvalue()
