"""Whether an image is what it says: complete, signed by somebody whose signature counts, and with an inventory and a provenance that are
about it. Called by `workspace/building.py`; reads a registry or a layout, changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueup.build import inventory, provenance, signing
from trueup.build.attachments import PREDICATE_TYPE
from trueup.build.errors import BuildError
from trueup.build.images import EMPTY, MANIFEST, Descriptor, Image, parsed, read_image
from trueup.build.layouts import Layout
from trueup.build.references import Reference
from trueup.build.registry import Registry
from trueup.build.signing import Trusted
from trueup.build.store import Store


@dataclass(frozen=True)
class Report:
    """What was found. `problems` are full sentences; none of them means that all is as it should be."""

    image: str
    problems: tuple[str, ...]
    signed_by: tuple[str, ...] = ()
    inventory: bytes = b""
    signed_inventory: bool = False
    """Whether a trusted key signed the inventory."""
    provenance: dict[str, Any] = field(default_factory=dict)
    signed_provenance: bool = False


class _Source(Protocol):
    """A registry or a layout, with what refers to an image."""

    def manifest_bytes(self, digest: str) -> bytes | None: ...
    def referrers(self, digest: str) -> list[Descriptor]: ...
    def fetch(self, blob: Descriptor, store: Store) -> None: ...


class _Remote:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.fetch = registry.fetch

    def manifest_bytes(self, digest: str) -> bytes | None:
        found = self._registry.manifest(digest)
        return found[0] if found else None

    def referrers(self, digest: str) -> list[Descriptor]:
        listed = self._registry.referrers(digest)
        for ending in (".sig", ".att"):  # cosign's own way, where nobody lists referrers
            found = self._registry.manifest(digest.replace(":", "-") + ending)
            if found:
                listed.append(Descriptor(MANIFEST, read_image(found[0]).manifest.digest, len(found[0])))
        return listed


class _Local:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.fetch = layout.fetch

    def manifest_bytes(self, digest: str) -> bytes | None:
        return self._layout.read(digest)

    def referrers(self, digest: str) -> list[Descriptor]:
        return [m for m in self._layout.manifests if m.digest != digest]


@contextmanager
def _source(reference: Reference) -> Iterator[_Source]:
    with ExitStack() as stack:
        if reference.place is not None:
            yield _Local(Layout(reference.place))
        else:
            yield _Remote(stack.enter_context(Registry(reference, given=True)))


def verify(reference: Reference, store: Store, keys: Sequence[Trusted]) -> Report:
    """Reads everything of an image anew and judges it. Raises BuildError for an image that is not there."""
    if not reference.digest:
        raise BuildError(
            f"{reference} is not named by digest, so nobody could say what was verified: write NAME@sha256:…."
        )
    with _source(reference) as source:
        data = source.manifest_bytes(reference.digest)
        if data is None:
            raise BuildError(f"There is no image {reference}. Look at the name and the digest.")
        problems = list(_complete(source, store, data))
        seen = _Seen(reference.digest, keys)
        for entry in {d.digest: d for d in source.referrers(reference.digest)}.values():
            problems += _referrer(source, store, entry, seen)
    if not seen.signers and keys:
        problems.append("No signature of it is by a key that counts here.")
    if seen.signers and not (seen.inventory_signed and seen.provenance_signed):
        problems.append(
            "The image is signed, and its inventory or its provenance is not: somebody else may have written it."
        )
    if not seen.inventory:
        problems.append("It has no inventory (SBOM), so no vulnerability of it can be told.")
    if not seen.provenance:
        problems.append("It has no provenance, so nobody can tell what it was made from.")
    return Report(
        str(reference),
        tuple(problems),
        tuple(sorted(seen.signers)),
        seen.inventory,
        seen.inventory_signed,
        seen.provenance,
        seen.provenance_signed,
    )


@dataclass
class _Seen:
    """What referrers said so far. What a trusted key signed takes the place of what nobody signed."""

    digest: str
    keys: Sequence[Trusted]
    signers: set[str] = field(default_factory=set)
    inventory: bytes = b""
    inventory_signed: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)
    provenance_signed: bool = False


def _complete(source: _Source, store: Store, data: bytes) -> Iterator[str]:
    """Whether every blob is there and what its name says, and the configuration fits the layers."""
    try:
        image = read_image(data)
    except ValueError as error:
        yield f"Its manifest is none: {error}."
        return
    for blob in image.blobs:
        try:
            source.fetch(blob, store)
        except BuildError as error:
            yield str(error)
            return
    yield from _fitting(store, image)


def _fitting(store: Store, image: Image) -> Iterator[str]:
    config = parsed(store.read(image.config.digest), "the configuration")
    listed = (config.get("rootfs") or {}).get("diff_ids") or []
    if len(listed) != len(image.layers):
        yield f"Its configuration lists {len(listed)} layers, and its manifest {len(image.layers)}."
        return
    for blob, diff_id in zip(image.layers, listed, strict=True):
        if (found := _content(store, blob)) not in (diff_id, ""):
            yield f"The layer {blob.digest} unpacks to {found}, and its configuration says {diff_id}."
    user = str((config.get("config") or {}).get("User") or "")
    if user.partition(":")[0] in ("", "0", "root"):
        yield "It runs as root unless the pod says otherwise."


def _content(store: Store, blob: Descriptor) -> str:
    """The digest of what is in a layer; empty where it is compressed in a way that is not read here."""
    import gzip
    import hashlib

    if blob.media_type.endswith("zstd"):
        return ""
    with store.open(blob.digest) as file:
        stream: Any = gzip.GzipFile(fileobj=file) if blob.media_type.endswith("gzip") else file
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _referrer(source: _Source, store: Store, entry: Descriptor, seen: _Seen) -> Iterator[str]:
    try:
        data = source.manifest_bytes(entry.digest)
        found = parsed(data or b"", "the manifest")
        if (found.get("subject") or {}).get("digest") not in (None, seen.digest):
            return
        layers = [Descriptor.read(layer) for layer in found.get("layers") or ()]
        for blob in (b for b in layers if b.media_type != EMPTY):
            if blob.media_type in (signing.SIMPLE, signing.DSSE, inventory.SBOM, provenance.IN_TOTO):
                source.fetch(blob, store)
                yield from _document(store.read(blob.digest), blob, seen)
    except (ValueError, BuildError) as error:
        yield f"What refers to it as {entry.digest} cannot be read: {error}"


def _document(data: bytes, blob: Descriptor, seen: _Seen) -> Iterator[str]:
    if blob.media_type == signing.SIMPLE:
        yield from _signature(data, blob, seen)
    elif blob.media_type == signing.DSSE:
        body, who = signing.opened(data, seen.keys)
        yield from _statement(body, who, seen)
    elif blob.media_type == provenance.IN_TOTO:
        yield from _statement(data, None, seen)
    elif not seen.inventory:
        root = ((parsed(data, "the inventory").get("metadata") or {}).get("component") or {}).get("version")
        if root != seen.digest:
            yield "An inventory that is kept with it is about another image."
        else:
            seen.inventory = data


def _signature(data: bytes, blob: Descriptor, seen: _Seen) -> Iterator[str]:
    if signing.signed_digest(data) != seen.digest:
        yield "A signature that is kept with it is of another image."
        return
    try:
        mark = base64.b64decode(blob.annotations.get(signing.SIGNATURE, ""), validate=True)
    except binascii.Error:
        yield "A signature that is kept with it cannot be read."
        return
    who = signing.signer(seen.keys, data, mark)
    if who is not None:
        seen.signers.add(who)


def _statement(body: bytes, who: str | None, seen: _Seen) -> Iterator[str]:
    found = parsed(body, "the statement")
    about = {(s.get("digest") or {}).get("sha256") for s in found.get("subject") or ()}
    if about != {seen.digest.removeprefix("sha256:")}:
        yield f"A statement of the type {found.get(PREDICATE_TYPE)} that is kept with it is about another image."
        return
    kind, predicate = found.get(PREDICATE_TYPE), found.get("predicate") or {}
    if kind == provenance.PREDICATE and (who or not seen.provenance):
        seen.provenance, seen.provenance_signed = predicate, who is not None or seen.provenance_signed
    if kind == provenance.CYCLONEDX and (who or not seen.inventory):
        seen.inventory = json.dumps(predicate).encode()
        seen.inventory_signed = who is not None or seen.inventory_signed
