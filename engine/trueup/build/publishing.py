"""A finished image goes where it is wanted: into an OCI layout, or to a registry. Called by `workspace/building.py`, after the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from trueup.build import layouts, references
from trueup.build.attachments import Attachment
from trueup.build.bases import Base
from trueup.build.errors import BuildError
from trueup.build.images import MANIFEST, Image
from trueup.build.references import Reference
from trueup.build.registry import Registry
from trueup.build.store import Store

REF_NAME = "org.opencontainers.image.ref.name"


def write(place: Path, store: Store, image: Image, attachments: Iterable[Attachment], tag: str) -> None:
    """Writes a layout with the image, at a tag, and all that refers to it."""
    found = list(attachments)
    named = replace(image.manifest, annotations={REF_NAME: tag})
    manifests = [named, *(replace(a.manifest, annotations={**a.manifest.annotations, **_tagged(a)}) for a in found)]
    layouts.write(place, store, manifests, [*image.blobs, *(b for a in found for b in a.blobs)])


def _tagged(attachment: Attachment) -> dict[str, str]:
    return {REF_NAME: attachment.tag} if attachment.tag else {}


def target(text: str) -> Reference:
    """Where to push to. Raises BuildError."""
    found = references.parse(text)
    if found.place is not None:
        raise BuildError(f"{text} is a layout of this machine: write one with --out, and push to REGISTRY/NAME.")
    if found.digest:
        raise BuildError("--push takes a name, perhaps with a tag: the digest is what comes out.")
    return found


def push(
    target: Reference,
    store: Store,
    image: Image,
    attachments: Iterable[Attachment],
    base: Base,
    said: Callable[[str], None],
) -> str:
    """Sends the image and all that refers to it; the text that names it for good. Raises BuildError."""
    origin = base.reference.name if base.reference and base.reference.host == target.host else ""
    with Registry(target, push=True) as registry:
        for blob in image.blobs:
            if registry.push_blob(blob, store, origin):
                said(f"pushed {blob.digest[:19]} ({blob.size / 1e6:.1f} MB)")
        registry.push_manifest(store.read(image.manifest.digest), MANIFEST)
        if target.tag:
            registry.push_manifest(store.read(image.manifest.digest), MANIFEST, target.tag)
        for attachment in attachments:
            for blob in attachment.blobs:
                registry.push_blob(blob, store)
            data = store.read(attachment.manifest.digest)
            registry.push_manifest(data, MANIFEST, subject=image.manifest)
            if attachment.tag:
                registry.push_manifest(data, MANIFEST, attachment.tag, subject=image.manifest)
    return target.pinned(image.manifest.digest)
