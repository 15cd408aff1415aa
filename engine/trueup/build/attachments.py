"""What goes with an image: inventory, provenance and signature, as OCI artifacts that refer to it. Called by `workspace/building.py`.

Each is a manifest with `subject`, which registries list under `referrers`. The signed ones also get cosign's tags (`sha256-HEX.sig`,
`sha256-HEX.att`), where cosign and admission controllers look.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueup.build import inventory, provenance, signing
from trueup.build.images import CONFIG, EMPTY, EMPTY_JSON, MANIFEST, Descriptor, manifest_json
from trueup.build.store import Store
from trueup_specs.core.fingerprints import canonical

if TYPE_CHECKING:
    from trueup.build.signing import Private

_SIGNATURE_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
_ATTESTATION_TYPE = "application/vnd.dev.cosign.artifact.att.v1+json"
PREDICATE_TYPE = "predicateType"


@dataclass(frozen=True, slots=True)
class Attachment:
    """An artifact in the store: its manifest, what that names, and the tag that it is also found at."""

    manifest: Descriptor
    blobs: tuple[Descriptor, ...]
    tag: str = ""


@dataclass(frozen=True)
class Described:
    """What is said about an image."""

    name: str
    inventory: bytes
    provenance: bytes
    """The statement."""
    inventory_statement: bytes


def attach(store: Store, image: Descriptor, described: Described, key: Private | None) -> tuple[Attachment, ...]:
    """Writes what goes with an image; signed where there is a key."""
    marks = {PREDICATE_TYPE: provenance.PREDICATE}
    found = [
        _artifact(store, image, inventory.SBOM, store.put(described.inventory, inventory.SBOM), {}),
        _artifact(store, image, provenance.IN_TOTO, store.put(described.provenance, provenance.IN_TOTO), marks),
    ]
    return (*found, *_signed(store, image, described, key)) if key is not None else tuple(found)


def _artifact(
    store: Store, image: Descriptor, kind: str, content: Descriptor, annotations: Mapping[str, str]
) -> Attachment:
    config = store.put(EMPTY_JSON, EMPTY)
    data = manifest_json(config, (content,), annotations, artifact_type=kind, subject=image)
    return Attachment(_listed(store.put(data, MANIFEST), kind, annotations), (content, config))


def _signed(store: Store, image: Descriptor, described: Described, key: Private) -> Iterable[Attachment]:
    tag = image.digest.replace(":", "-")
    body = signing.payload(described.name, image.digest)
    mark = base64.b64encode(signing.sign(key, body)).decode()
    kept = store.put(body, signing.SIMPLE)
    yield _cosign(store, image, [_with(kept, {signing.SIGNATURE: mark})], _SIGNATURE_TYPE, f"{tag}.sig")
    statements = {
        provenance.CYCLONEDX: described.inventory_statement,
        provenance.PREDICATE: described.provenance,
    }
    envelopes = [
        _with(
            store.put(signing.envelope(key, provenance.IN_TOTO, statement), signing.DSSE),
            {signing.SIGNATURE: "", PREDICATE_TYPE: kind},
        )
        for kind, statement in statements.items()
    ]
    yield _cosign(store, image, envelopes, _ATTESTATION_TYPE, f"{tag}.att")


def _cosign(store: Store, image: Descriptor, layers: list[Descriptor], kind: str, tag: str) -> Attachment:
    """Cosign's artifacts are images whose layers are the signed documents."""
    value: dict[str, Any] = {
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    config = store.put(canonical(value), CONFIG)
    data = manifest_json(config, tuple(layers), {}, artifact_type=kind, subject=image)
    return Attachment(_listed(store.put(data, MANIFEST), kind, {}), (*layers, config), tag)


def _with(blob: Descriptor, annotations: Mapping[str, str]) -> Descriptor:
    return Descriptor(blob.media_type, blob.digest, blob.size, annotations)


def _listed(manifest: Descriptor, kind: str, annotations: Mapping[str, str]) -> Descriptor:
    return Descriptor(manifest.media_type, manifest.digest, manifest.size, annotations, kind)
