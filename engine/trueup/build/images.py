"""Images as values: descriptors, manifests and configurations of the OCI image specification 1.1. Pure; used by every module of `build`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup_specs.core.fingerprints import canonical

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES, MANIFESTS = (INDEX, DOCKER_INDEX), (MANIFEST, DOCKER_MANIFEST)
DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{LAYER}+zstd",
}
"""Docker's names of what OCI calls layers; the content is the same."""
EMPTY_JSON = b"{}"
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob by its digest, with its size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        found: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        if self.platform:
            found["platform"] = dict(self.platform)
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        return found

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Descriptor:
        """One of a manifest. Raises ValueError for what is none."""
        try:
            digest, size = value["digest"], value["size"]
            if not isinstance(digest, str) or not DIGEST.match(digest) or not isinstance(size, int) or size < 0:
                raise ValueError(f"{digest!r} of {size!r} bytes is no blob with a SHA-256 digest")
            return cls(
                str(value["mediaType"]),
                digest,
                size,
                dict(value.get("annotations") or {}),
                str(value.get("artifactType") or ""),
                dict(value.get("platform") or {}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a descriptor lacks {error}") from None


def digest_of(data: bytes) -> str:
    """The digest of bytes, as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises ValueError, which names what was read."""
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{what} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{what} is no JSON object")
    return found


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is in the store: its manifest, and what the manifest names."""

    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What has to be there before the manifest."""
        return (*self.layers, self.config)


def manifest_json(
    config: Descriptor,
    layers: tuple[Descriptor, ...],
    annotations: Mapping[str, str],
    artifact_type: str = "",
    subject: Descriptor | None = None,
) -> bytes:
    """The bytes of a manifest. `subject` makes it a referrer of another."""
    found: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.json(),
        "layers": [layer.json() for layer in layers],
    }
    if artifact_type:
        found["artifactType"] = artifact_type
    if subject is not None:
        found["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    if annotations:
        found["annotations"] = dict(annotations)
    return canonical(found)


def read_image(data: bytes, media_type: str = MANIFEST) -> Image:
    """The image that a manifest's bytes describe. Raises ValueError for what is no image manifest."""
    found = parsed(data, "the manifest")
    kind = str(found.get("mediaType") or media_type)
    if found.get("schemaVersion") != 2 or kind not in MANIFESTS:
        raise ValueError(f"it is no image manifest (schemaVersion {found.get('schemaVersion')!r}, {kind})")
    config, layers = found.get("config"), found.get("layers")
    if not isinstance(config, dict) or not isinstance(layers, list):
        raise ValueError("the manifest names no configuration or no layers")
    return Image(
        Descriptor(kind, digest_of(data), len(data)),
        Descriptor.read(config),
        tuple(Descriptor.read(layer) for layer in layers),
    )
