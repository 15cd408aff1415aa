"""Recorded stacks as JSON and back: the files `stacks/<environment>.<namespace>.<layer>.json` of the ledger.

Called by `updates` and `ledger`. Properties stay in encoded form, where a secret is a reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from trueup.plan.recorded import RecordedResource, RecordedStack
from trueup.record.events import LedgerError
from trueup_stacks.core.resources import Address, StackId, encode

FORMAT = 1
"""The version of the file's form."""
SECRET_MARK = b"4dabf18193072939515e22adb298388d"
"""Pulumi's signature of a special value; in recorded data it could only be a secret that someone forgot to take out."""

_FLAGS = ("holds_data", "protect", "retain")
_TEXTS = ("id", "reason")


def dump(value: Any) -> bytes:
    """JSON with sorted keys, one item a line, so that Git's own diff of the ledger reads well.

    Raises LedgerError where Pulumi's mark of a secret is inside.
    """
    data = msgspec.json.encode(encode(value), order="sorted")
    if SECRET_MARK in data:
        raise LedgerError(
            "A value for the ledger is marked as a secret by Pulumi. Nothing was written; leave it out or record its reference."
        )
    return msgspec.json.format(data, indent=1) + b"\n"


def load(data: bytes) -> Any:
    """The reverse of `dump`; raises LedgerError for what is no JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise LedgerError(
            f"A file of the ledger is no JSON ({problem}). `trueup audit verify` says which entry."
        ) from None


def resource_json(resource: RecordedResource) -> dict[str, Any]:
    """A recorded resource as JSON; fields at their default are left out."""
    form: dict[str, Any] = {
        "origin": resource.origin,
        "digest": resource.digest,
        "fingerprint": resource.fingerprint,
        "properties": encode(resource.properties),
        "status": resource.status,
    }
    if resource.outputs:
        form["outputs"] = encode(resource.outputs)
    for name in (*_TEXTS, *_FLAGS):
        if value := getattr(resource, name):
            form[name] = value
    for name in ("metadata", "volatile"):
        if value := getattr(resource, name):
            form[name] = sorted(value)
    return form


def resource_of(address: Address, form: Mapping[str, Any]) -> RecordedResource:
    """The reverse of `resource_json`."""
    return RecordedResource(
        address=address,
        origin=form["origin"],
        digest=form["digest"],
        fingerprint=form["fingerprint"],
        properties=form["properties"],
        id=form.get("id", ""),
        outputs=form.get("outputs", {}),
        status=form["status"],
        reason=form.get("reason", ""),
        holds_data=form.get("holds_data", False),
        protect=form.get("protect", False),
        retain=form.get("retain", False),
        metadata=tuple(form.get("metadata", ())),
        volatile=tuple(form.get("volatile", ())),
    )


def local_name(address: Address) -> str:
    """A resource's key inside the file of its stack: `type::name`."""
    return f"{address.type}::{address.name}"


def address_of(stack: StackId, name: str) -> Address:
    """The reverse of `local_name`."""
    kind, _, rest = name.partition("::")
    return Address(stack, kind, rest)


def stack_json(stack: RecordedStack) -> dict[str, Any]:
    """A recorded stack as JSON."""
    return {
        "format": FORMAT,
        "stack": str(stack.id),
        "commit": stack.commit,
        "digest": stack.digest,
        "compiler": stack.compiler,
        "resources": {local_name(a): resource_json(r) for a, r in stack.resources.items()},
    }


def stack_of(form: Mapping[str, Any]) -> RecordedStack:
    """The reverse of `stack_json`; raises LedgerError for a newer form or one that is not a stack's."""
    if form.get("format") != FORMAT:
        raise LedgerError(
            f"The ledger holds a stack in form {form.get('format')!r}; this version of Trueup reads {FORMAT}. Install a newer one."
        )
    try:
        stack = StackId.parse(form["stack"])
        addresses = {name: address_of(stack, name) for name in form["resources"]}
        resources = {addresses[name]: resource_of(addresses[name], item) for name, item in form["resources"].items()}
        return RecordedStack(stack, form["commit"], form["digest"], form["compiler"], resources)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise LedgerError(
            f"A stack recorded in the ledger cannot be read ({problem!r}). `trueup audit verify` says which entry."
        ) from None
