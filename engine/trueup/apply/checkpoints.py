"""Pulumi's checkpoint as a value: read from the file of a file backend, or from an export. Changes nothing.

Called by `apply/pulumi.py` and `apply/recovery.py`. Format: `{"version": 3, "checkpoint": {"latest": DEPLOYMENT}}` in the file,
`{"version": 3, "deployment": DEPLOYMENT}` in an export.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup_stacks.core.resources import Address, StackId

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Pulumi's key of special values in property maps."""
SECRET = "1b47061264138c4ac30d75fd1eb44270"
"""The signature of an encrypted value."""
SUFFIXES = (".json", ".json.gz", ".json.zst")


class CompressedError(Exception):
    """A checkpoint cannot be read here, since what would decompress it is not installed. The text says what to do."""


@dataclass(frozen=True, slots=True)
class StateResource:
    """A resource as Pulumi recorded it. Secrets in `inputs` and `outputs` are ciphertext, or left out of `plain_outputs`."""

    urn: str
    id: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    init_errors: tuple[str, ...] = ()
    protect: bool = False
    retain: bool = False
    deleting: bool = False
    """Left over from a replacement: the old thing, to be deleted by the next update."""

    @property
    def address(self) -> Address:
        return address_of(self.urn)

    @property
    def plain_outputs(self) -> dict[str, Any]:
        """The outputs that hold no secret."""
        return {k: v for k, v in self.outputs.items() if not holds_secret(v)}


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that was begun and not recorded as ended."""

    kind: str
    """creating, updating, deleting, reading or importing."""
    urn: str
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A stack's state: its resources without Pulumi's own (the stack, providers), and its pending operations."""

    resources: tuple[StateResource, ...] = ()
    pending: tuple[Pending, ...] = ()

    def by_address(self) -> dict[Address, StateResource]:
        """The live resources; those that wait for their deletion are left out."""
        return {r.address: r for r in self.resources if not r.deleting}


def without(exported: Mapping[str, Any], types: str) -> tuple[dict[str, Any], tuple[Address, ...]]:
    """An export without the resources whose types begin so, and which those were: nor does anything wait to be deleted of them, is begun
    on them, or names them."""
    deployment = exported["deployment"]
    resources = deployment.get("resources") or ()
    dropped = {r["urn"] for r in resources if _type(r["urn"]).startswith(types)}
    pending = [
        p for p in deployment.get("pending_operations") or () if not _type(p["resource"]["urn"]).startswith(types)
    ]
    kept = [_unnaming(r, dropped) for r in resources if r["urn"] not in dropped]
    left = {**exported, "deployment": {**deployment, "resources": kept, "pending_operations": pending}}
    return left, tuple(sorted(address_of(urn) for urn in dropped))


def _unnaming(raw: Mapping[str, Any], dropped: AbstractSet[str]) -> dict[str, Any]:
    """A resource that depends on none of these any more."""
    kept = {k: v for k, v in raw.items() if not (k in ("parent", "deletedWith") and v in dropped)}
    if "dependencies" in kept:
        kept["dependencies"] = [urn for urn in kept["dependencies"] if urn not in dropped]
    if "propertyDependencies" in kept:
        by_property = kept["propertyDependencies"] or {}
        kept["propertyDependencies"] = {
            k: [u for u in urns or () if u not in dropped] for k, urns in by_property.items()
        }
    return kept


def locate(folder: Path, project: str, stack: StackId) -> Path | None:
    """The checkpoint's file in a file backend, compressed or not; None where the stack is not there."""
    base = folder / ".pulumi" / "stacks" / project
    for suffix in SUFFIXES:
        path = base / f"{stack}{suffix}"
        if path.exists():
            return path
    return None


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file. Raises OSError, ValueError for a file that is not one, and CompressedError."""
    document = json.loads(_content(path))
    return parse(document.get("checkpoint", {}).get("latest") or {})


def parse(deployment: Mapping[str, Any]) -> Checkpoint:
    """The value of a deployment as Pulumi writes it."""
    resources = tuple(_resource(r) for r in deployment.get("resources") or () if not is_internal(r["urn"]))
    pending = tuple(
        Pending(p["type"], p["resource"]["urn"], p["resource"].get("inputs") or {})
        for p in deployment.get("pending_operations") or ()
        if not is_internal(p["resource"]["urn"])
    )
    return Checkpoint(resources, pending)


def is_internal(urn: str) -> bool:
    """Whether a URN is of Pulumi's own resources: the stack or a provider."""
    return _type(urn).startswith("pulumi:")


def address_of(urn: str) -> Address:
    """The address in a URN `urn:pulumi:STACK::PROJECT::[PARENT$]TYPE::NAME`."""
    stack = urn.removeprefix("urn:pulumi:").split("::", 1)[0]
    return Address(StackId.parse(stack), _type(urn), urn.split("::", 3)[3])


def holds_secret(value: Any) -> bool:
    """Whether an encrypted value is anywhere inside."""
    if isinstance(value, Mapping):
        return value.get(SIGNATURE) == SECRET or any(holds_secret(v) for v in value.values())
    return isinstance(value, list) and any(holds_secret(v) for v in value)


def _type(urn: str) -> str:
    return urn.split("::", 3)[2].split("$")[-1]


def _resource(raw: Mapping[str, Any]) -> StateResource:
    return StateResource(
        urn=raw["urn"],
        id=raw.get("id", ""),
        inputs=raw.get("inputs") or {},
        outputs=raw.get("outputs") or {},
        init_errors=tuple(raw.get("initErrors") or ()),
        protect=bool(raw.get("protect")),
        retain=bool(raw.get("retainOnDelete")),
        deleting=bool(raw.get("delete")),
    )


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd(path, data)
    return data


def _zstd(path: Path, data: bytes) -> bytes:
    """Zstandard content, which Pulumi writes only when `PULUMI_DIY_BACKEND_ZSTD` is set; the extra `steps` brings a reader."""
    try:
        import pyarrow
    except ImportError as error:
        raise CompressedError(
            f"The state file {path} is compressed with Zstandard, which needs pyarrow to be read. "
            "Install Trueup with the extra `steps`, or unset PULUMI_DIY_BACKEND_ZSTD and run `trueup apply` once."
        ) from error
    stream = pyarrow.CompressedInputStream(pyarrow.BufferReader(data), "zstd")
    return bytes(stream.read())
