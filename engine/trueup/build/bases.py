"""Base images: read by digest from a registry or a layout, and looked into. Called by `workspace/building.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from trueup.build import references, systems
from trueup.build.errors import BuildError
from trueup.build.images import (
    DOCKER_LAYERS,
    INDEXES,
    MANIFEST,
    Descriptor,
    parsed,
    read_image,
)
from trueup.build.layouts import Layout
from trueup.build.references import Reference
from trueup.build.registry import Registry
from trueup.build.store import Store
from trueup.build.systems import System


class _Source(Protocol):
    """Where an image comes from."""

    def fetch(self, blob: Descriptor, store: Store) -> None: ...


@dataclass(frozen=True)
class Base:
    """What an image stands on."""

    name: str
    """As asked for, with its digest; `scratch` for nothing."""
    digest: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The image's configuration as a whole."""
    layers: tuple[Descriptor, ...] = ()
    system: System = field(default_factory=System)
    reference: Reference | None = None

    @property
    def runtime(self) -> Mapping[str, Any]:
        """What containers of it run with: `Env`, `User`, `Labels` …"""
        return self.config.get("config") or {}

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the layers' archives."""
        return tuple((self.config.get("rootfs") or {}).get("diff_ids") or ())


def read(text: str, platform: str, store: Store, target: str = "") -> Base:
    """The base image that a text names, for a platform; `target` is the host that is pushed to, whose login holds for it too.

    Raises BuildError for one that is not named by digest.
    """
    if text == references.SCRATCH:
        return Base(text)
    reference = references.parse(text)
    if reference.place is not None:
        layout = Layout(reference.place)
        if not reference.digest:
            raise BuildError(_mutable(text, [m.digest for m in layout.manifests]))
        manifest = layout.read(reference.digest)
        return _read(reference, manifest, MANIFEST, platform, store, layout, layout.read)
    if not reference.digest:
        raise BuildError(_mutable(text, []))
    with Registry(reference, given=reference.host == target) as registry:

        def fetched(digest: str) -> bytes:
            found = registry.manifest(digest)
            if found is None:
                raise BuildError(f"{reference.host} has no {reference.name}@{digest}. Look at the name and the digest.")
            return found[0]

        found = registry.manifest(reference.digest)
        if found is None:
            raise BuildError(
                f"{reference.host} has no {reference.name}@{reference.digest}. Look at the name and the digest."
            )
        return _read(reference, *found, platform, store, registry, fetched)


def _mutable(text: str, digests: list[str]) -> str:
    known = f" It holds {', '.join(digests)}." if digests else ""
    return (
        f"The base image {text!r} is not named by digest: a tag can mean another image tomorrow, and the build could not be repeated."
        f"{known} Write NAME@sha256:…; `crane digest NAME` or `docker buildx imagetools inspect NAME` prints it."
    )


def _read(
    reference: Reference, data: bytes, kind: str, platform: str, store: Store, source: _Source, manifest: Any
) -> Base:
    try:
        data = _for_platform(reference, data, kind, platform, manifest)
        image = read_image(data)
        for blob in image.blobs:
            if not store.has(blob):
                source.fetch(blob, store)
        config = parsed(store.read(image.config.digest), "the configuration")
    except ValueError as error:
        raise BuildError(f"The base image {reference} cannot be read: {error}.") from None
    layers = tuple(Descriptor(DOCKER_LAYERS.get(b.media_type, b.media_type), b.digest, b.size) for b in image.layers)
    base = Base(str(reference), image.manifest.digest, config, layers, reference=reference)
    _judge(base, platform)
    environment = dict(v.partition("=")[::2] for v in base.runtime.get("Env") or ())
    with ExitStack() as stack:
        system = systems.inspect(_opened(layers, store, stack), environment.get("PATH", ""))
    return Base(base.name, base.digest, config, layers, system, reference)


def _opened(layers: tuple[Descriptor, ...], store: Store, stack: ExitStack) -> Iterator[tuple[str, BinaryIO]]:
    for blob in layers:
        yield blob.media_type, stack.enter_context(store.open(blob.digest))


def _for_platform(reference: Reference, data: bytes, kind: str, platform: str, manifest: Any) -> bytes:
    """The manifest of a platform, where there are several."""
    found = parsed(data, "the manifest")
    if (found.get("mediaType") or kind) not in INDEXES and "manifests" not in found:
        return data
    listed = [Descriptor.read(m) for m in found.get("manifests") or ()]
    for entry in listed:
        if _named(entry.platform) == platform or f"{_named(entry.platform)}".startswith(f"{platform}/"):
            return bytes(manifest(entry.digest))
    known = ", ".join(sorted({_named(e.platform) for e in listed} - {"", "unknown/unknown"})) or "none"
    raise BuildError(
        f"The base image {reference} is not there for {platform}; it has: {known}. Name one of them with --platform."
    )


def _named(platform: Mapping[str, str]) -> str:
    return "/".join(platform[k] for k in ("os", "architecture", "variant") if platform.get(k))


def _judge(base: Base, platform: str) -> None:
    """Whether its configuration is one that layers can be put on."""
    own = _named({k: str(base.config.get(k) or "") for k in ("os", "architecture")})
    if own != "/".join(platform.split("/")[:2]):
        raise BuildError(
            f"The base image {base.name} is for {own}, not for {platform}: name the right one, or set --platform."
        )
    if len(base.diff_ids) != len(base.layers):
        raise BuildError(
            f"The base image {base.name} lists {len(base.layers)} layers and {len(base.diff_ids)} contents: it is damaged."
        )
