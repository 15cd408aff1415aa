"""Names of images. Pure.

In a registry (`ghcr.io/acme/risk@sha256:…`), in an OCI layout (`oci:FOLDER@sha256:…`, `oci-archive:FILE.tar@sha256:…`: transports of
containers/image), or none (`scratch`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trueup.build.errors import BuildError

SCRATCH = "scratch"
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_NAME = re.compile(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$")
"""The grammar of repository names in the distribution specification."""
_TAG = re.compile(r"^\w[\w.-]{0,127}$", re.ASCII)
_HUB, _HUB_HOST = "docker.io", "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image, in a registry or (with `place`) in a layout of this machine."""

    host: str = ""
    name: str = ""
    tag: str = ""
    digest: str = ""
    place: Path | None = None

    @property
    def repository(self) -> str:
        """Where it is, without tag and digest."""
        return f"oci:{self.place}" if self.place is not None else f"{self.host}/{self.name}"

    def pinned(self, digest: str) -> str:
        """The text that names one image for good."""
        return f"{self.repository}@{digest}"

    @property
    def api_host(self) -> str:
        """The host that answers for it."""
        return _HUB_HOST if self.host == _HUB else self.host

    def __str__(self) -> str:
        return f"{self.repository}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"


def parse(text: str) -> Reference:
    """The image that a text names. Raises BuildError for what is no name."""
    for scheme in ("oci:", "oci-archive:"):
        if text.startswith(scheme):
            return _local(text.removeprefix(scheme))
    rest, _, digest = text.partition("@")
    if digest and not _DIGEST.match(digest):
        raise BuildError(f"{digest!r} in {text!r} is no digest: write sha256: and 64 hexadecimal digits.")
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        host, path = head, tail
    else:
        host, path = _HUB, rest
    name, colon, tag = path.partition(":")
    if host == _HUB and "/" not in name:
        name = f"library/{name}"
    if not _NAME.match(name) or (colon and not _TAG.match(tag)):
        raise BuildError(
            f"{text!r} is no name of an image. Write REGISTRY/NAME@sha256:…, such as ghcr.io/acme/risk@sha256:…, with small letters, or "
            "oci:FOLDER for an OCI layout on this machine."
        )
    return Reference(host, name, tag, digest)


def _local(text: str) -> Reference:
    place, at, digest = text.rpartition("@")
    if not at or not _DIGEST.match(digest):
        place, digest = text, ""
    return Reference(place=Path(place), digest=digest)
