"""The packages of a lock file as files of a layer. Called by `workspace/building.py`.

They lie in a virtual environment at `/opt/venv`, whose `python` is the base image's: so `python` is found whatever the base calls its
own, and the base's own packages stay apart. What an installer writes that differs between machines (paths in scripts, its own files) is
made equal. Bytecode is not made: Python does not write the same bytes twice.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.parser import BytesHeaderParser
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import msgspec

from trueup.build import installer
from trueup.build.compression import LEVEL
from trueup.build.layers import Item, Layer, layer
from trueup.build.locks import Lock, normal
from trueup.build.store import Store
from trueup.build.systems import System

VENV = "opt/venv"
PYTHON = f"/{VENV}/bin/python"
OWN = ("trueup", "trueup_specs", "trueup_stacks")
_DROPPED = frozenset({"uv_cache.json", "direct_url.json", "REQUESTED", "INSTALLER"})
_KEPT_VERSION = 3
"""Raised with whatever changes what is written for the same lock."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed package: `requires` are the names of those that it needs."""

    name: str
    version: str
    license: str = ""
    summary: str = ""
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packages:
    """The layer with the packages, and which they are."""

    layer: Layer
    distributions: tuple[Distribution, ...]


def minor_of(system: System) -> int:
    """The Python that packages are for: the base image's, else the one that runs here."""
    return system.minor or sys.version_info.minor


def site_packages(minor: int) -> str:
    """Where packages lie in the image."""
    return f"{VENV}/lib/python3.{minor}/site-packages"


def locked(store: Store, lock: Lock, system: System, platform: str, time: int) -> Packages:
    """The layer of a lock file's packages, made anew or kept from an earlier build. Raises BuildError."""
    import zlib

    minor = minor_of(system)
    inputs = [
        *(str(_KEPT_VERSION), lock.file, hashlib.sha256(lock.content).hexdigest(), platform, str(minor), system.python),
        *(str(system.musl), str(time), zlib.ZLIB_RUNTIME_VERSION, str(LEVEL)),
    ]
    memory = store.folder / "packages" / f"{hashlib.sha256('|'.join(inputs).encode()).hexdigest()}.json"
    if (kept := _kept(memory, store)) is not None:
        return kept
    with tempfile.TemporaryDirectory(dir=store.folder, prefix=".install-") as scratch:
        folder = Path(scratch)
        (folder / lock.file).write_bytes(lock.content)
        installer.install(folder / lock.file, folder / "site", platform, minor, system.musl)
        found = tuple(sorted(_distributions(folder / "site"), key=lambda d: normal(d.name)))
        items = [*_environment(system, minor), *_installed(folder / "site", minor)]
        made = Packages(layer(store, "packages of the lock file", items, time), found)
    memory.parent.mkdir(exist_ok=True)
    part = memory.with_suffix(f".{id(made)}.part")
    part.write_bytes(msgspec.json.encode(asdict(made)))
    part.replace(memory)
    return made


def _kept(memory: Path, store: Store) -> Packages | None:
    """The layer of an earlier build, if its blob is still whole."""
    try:
        found = msgspec.json.decode(memory.read_bytes(), type=Packages)
    except (OSError, msgspec.MsgspecError):
        return None
    if not store.has(found.layer.blob):
        return None
    with store.open(found.layer.blob.digest) as file:
        whole = hashlib.file_digest(file, "sha256").hexdigest()
    return found if f"sha256:{whole}" == found.layer.blob.digest else None


def own(time: int, store: Store, minor: int) -> Packages:
    """The layer with this Trueup itself, for a lock file that does not hold it."""
    root = site_packages(minor)
    items = []
    for name in OWN:
        spec = find_spec(name)
        assert spec is not None and spec.submodule_search_locations
        folder = Path(next(iter(spec.submodule_search_locations)))
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                items.append(Item(f"{root}/{name}/{path.relative_to(folder).as_posix()}", path))
    known = distribution("trueup")
    text = known.read_text("METADATA") or f"Metadata-Version: 2.1\nName: trueup\nVersion: {known.version}\n"
    items.append(Item(f"{root}/trueup-{known.version}.dist-info/METADATA", text.encode()))
    return Packages(layer(store, f"trueup {known.version}", items, time), (_described(text.encode()),))


def _environment(system: System, minor: int) -> Iterator[Item]:
    """The virtual environment around the packages; a base without Python has none."""
    yield Item(site_packages(minor), folder=True)
    if system.python:
        home = system.python.rpartition("/")[0]
        text = f"home = {home}\ninclude-system-site-packages = false\nversion = 3.{minor}\n"
        yield Item(f"{VENV}/pyvenv.cfg", text.encode())
        yield Item(f"{VENV}/bin/python", link=system.python)
        yield Item(f"{VENV}/bin/python3", link="python")


def _installed(site: Path, minor: int) -> Iterator[Item]:
    root = site_packages(minor)
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if not path.is_file() or path.is_symlink() or name == ".lock" or "__pycache__" in path.parts:
            continue
        if name.startswith("bin/"):
            yield Item(f"{VENV}/{name}", _script(path.read_bytes()), executable=True)
            continue
        described = path.parent.parent == site and path.parent.name.endswith(".dist-info")
        if described and path.name in _DROPPED:
            continue
        if described and path.name == "RECORD":
            yield Item(f"{root}/{name}", _record(path, site))
        else:
            yield Item(f"{root}/{name}", path, executable=bool(path.stat().st_mode & 0o100))


def _script(data: bytes) -> bytes:
    """A script that starts the image's Python, not this machine's."""
    text = re.sub(rb"\A#![^\n]*python[^\n]*\n", f"#!{PYTHON}\n".encode(), data)
    return re.sub(rb"\A#!/bin/sh\n'''exec' [^\n]*\n' '''\n", f"#!{PYTHON}\n".encode(), text)


def _record(path: Path, site: Path) -> bytes:
    """The list of a package's files, as they are in the image."""
    rows = []
    for name, digest, size in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
        if Path(name).name in _DROPPED or "__pycache__" in name:
            continue
        if name.startswith("bin/"):
            data = _script((site / name).read_bytes())
            mark = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append((f"../../../{name}", f"sha256={mark}", str(len(data))))
        else:
            rows.append((name, digest, size))
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(sorted(rows))
    return made.getvalue().encode()


def _distributions(site: Path) -> Iterator[Distribution]:
    for path in sorted(site.glob("*.dist-info/METADATA")):
        yield _described(path.read_bytes())


def _described(data: bytes) -> Distribution:
    fields = BytesHeaderParser().parsebytes(data)
    needed = {
        normal(found[0])
        for text in fields.get_all("Requires-Dist") or ()
        if "extra ==" not in text and (found := re.match(r"[A-Za-z0-9._-]+", text))
    }
    license_text = str(fields.get("License-Expression") or fields.get("License") or "").strip()
    return Distribution(
        str(fields["Name"]),
        str(fields["Version"]),
        license_text if len(license_text) <= 80 and "\n" not in license_text else "",
        str(fields.get("Summary") or "").strip(),
        tuple(sorted(needed)),
    )
