"""What is in a base image: its Python, its C library and its packages. Called by `bases`; reads archives, unpacks none."""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from trueup.build.errors import BuildError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RELEASE = ("etc/os-release", "usr/lib/os-release")
_DPKG, _DPKG_PARTS, _APK = "var/lib/dpkg/status", "var/lib/dpkg/status.d/", "lib/apk/db/installed"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MOST = 64 << 20
_PYTHON = re.compile(r"^python3\.(\d+)$")


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A package of the distribution; `source` is the one that it was built from, which Debian's advisories name."""

    type: str
    name: str
    version: str
    source: str
    source_version: str
    architecture: str = ""


@dataclass(frozen=True)
class System:
    """The file system of a base image, as far as a Python image asks."""

    python: str = ""
    """The interpreter's path; empty for none."""
    minor: int = 0
    """`3.minor`."""
    musl: bool = False
    id: str = ""
    version: str = ""
    packages: tuple[SystemPackage, ...] = ()


@dataclass
class _Files:
    """What the layers come to, the last one winning."""

    links: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    read: dict[str, bytes] = field(default_factory=dict)

    def drop(self, path: str, inside_only: bool) -> None:
        gone = [p for p in self.names if p.startswith(f"{path}/") or (p == path and not inside_only)]
        for each in gone:
            self.names.discard(each)
            self.links.pop(each, None)
            self.read.pop(each, None)

    def resolved(self, path: str) -> str:
        """The file at the end of links, of the file and of the folders above it; empty where there is none."""
        for _ in range(40):
            parts = path.split("/")
            for number in range(1, len(parts) + 1):
                head = "/".join(parts[:number])
                if head in self.links:
                    target = self.links[head]
                    base = "" if target.startswith("/") else posixpath.dirname(head)
                    path = posixpath.normpath("/".join([base, target.lstrip("/"), *parts[number:]])).strip("/")
                    break
            else:
                return path if path in self.names else ""
        return ""


def inspect(layers: Iterable[tuple[str, BinaryIO]], path: str = "") -> System:
    """The system in the layers, which are (media type, stream) from the lowest on; `path` is the image's PATH."""
    files = _Files()
    for media_type, stream in layers:
        _add(files, media_type, stream)
    python, minor = _python(files, (path or _PATH).split(":"))
    release = next((_release(files.read[n]) for n in _RELEASE if n in files.read), {})
    packages = [*_debian(files), *_alpine(files.read.get(_APK, b""))]
    musl = any(n.startswith(("lib/ld-musl-", "usr/lib/ld-musl-")) for n in files.names)
    return System(python, minor, musl, release.get("ID", ""), release.get("VERSION_ID", ""), tuple(packages))


def _add(files: _Files, media_type: str, stream: BinaryIO) -> None:
    if media_type.endswith("zstd"):
        raise BuildError(
            "A layer of the base image is compressed with zstd, which is not read here. Take a variant of it with gzip layers, or "
            "convert it: `skopeo copy --dest-compress-format gzip`."
        )
    try:
        with tarfile.open(fileobj=stream, mode="r|gz" if media_type.endswith("gzip") else "r|") as tar:
            for entry in tar:
                _enter(files, tar, entry)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BuildError(f"A layer of the base image cannot be read: {error}. Pull the image anew.") from None


def _enter(files: _Files, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
    name = posixpath.normpath(entry.name).lstrip("/")
    folder, base = posixpath.split(name)
    if base == _OPAQUE:
        files.drop(folder, inside_only=True)
        return
    if base.startswith(_WHITEOUT):
        files.drop(posixpath.join(folder, base.removeprefix(_WHITEOUT)), inside_only=False)
        return
    files.names.add(name)
    files.links.pop(name, None)
    if entry.issym():
        files.links[name] = entry.linkname
    elif entry.islnk():
        files.links[name] = "/" + entry.linkname.lstrip("/")
    elif entry.isreg() and (name in (*_RELEASE, _DPKG, _APK) or _part(name)) and entry.size <= _MOST:
        found = tar.extractfile(entry)
        files.read[name] = found.read() if found else b""


def _part(name: str) -> bool:
    """Whether it is one of the files in which images without a package manager keep a package each."""
    return name.startswith(_DPKG_PARTS) and not name.endswith(".md5sums")


def _python(files: _Files, path: list[str]) -> tuple[str, int]:
    """The first interpreter on PATH, as `python3.N` or through links that end at one."""
    for folder in (p.strip("/") for p in path if p.startswith("/")):
        for name in ("python3", "python"):
            at = f"{folder}/{name}"
            real = files.resolved(at)
            if real and (found := _PYTHON.match(posixpath.basename(real))):
                return f"/{at}", int(found[1])
        for at in sorted(n for n in files.names if posixpath.dirname(n) == folder):
            if (found := _PYTHON.match(posixpath.basename(at))) and files.resolved(at):
                return f"/{at}", int(found[1])
    return "", 0


def _release(data: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
    return {key: value.strip().strip("\"'") for key, _, value in lines if key}


def _debian(files: _Files) -> Iterator[SystemPackage]:
    texts = [files.read[n] for n in sorted(files.read) if n == _DPKG or _part(n)]
    for paragraph in (p for text in texts for p in re.split(r"\n\s*\n", text.decode("utf-8", "replace"))):
        fields = dict(re.findall(r"(?m)^([A-Za-z-]+): *(.*)$", paragraph))
        if "Package" not in fields or "Version" not in fields or "installed" not in fields.get("Status", "installed"):
            continue
        named = re.match(r"(\S+)(?: \(([^)]+)\))?", fields.get("Source", ""))
        source, version = (named[1], named[2] or fields["Version"]) if named else (fields["Package"], fields["Version"])
        yield SystemPackage(
            "deb", fields["Package"], fields["Version"], source, version, fields.get("Architecture", "")
        )


def _alpine(data: bytes) -> Iterator[SystemPackage]:
    for paragraph in data.decode("utf-8", "replace").split("\n\n"):
        fields = {line[0]: line[2:] for line in io.StringIO(paragraph).read().splitlines() if line[1:2] == ":"}
        if "P" in fields and "V" in fields:
            yield SystemPackage(
                "apk", fields["P"], fields["V"], fields.get("o", fields["P"]), fields["V"], fields.get("A", "")
            )
