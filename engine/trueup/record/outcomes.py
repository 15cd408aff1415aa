"""What the ledger records of a stack that was applied: desired inputs, ids, and the outputs that plans need. Pure.

Called by the workspace after each stack. Outputs never hold secrets: the driver left them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trueup.apply.outcome import StackResult
from trueup.plan.recorded import RecordedResource, RecordedStack
from trueup.record.updates import StackUpdate
from trueup_stacks.core.resources import Address, Output, Resource, Stack, encode

HELD = "held"


def stack_update(
    stack: Stack,
    result: StackResult,
    before: RecordedStack | None,
    read: Mapping[Address, frozenset[str]],
    commit: str,
    compiler: str,
) -> StackUpdate:
    """The update of the ledger after `result`.

    `read` names the outputs that other resources read, by address. The stack's commit and digest advance only when every step is
    done or held. Where something failed or waits, what was not tried after it is recorded as it was: it is not what the specs say,
    whatever id it has from before.
    """
    failed = {
        s.address for s in result.steps if s.status in ("failed", "skipped") and s.address not in result.not_ready
    }
    tried = {s.address for s in result.steps}
    whole = result.ok and not result.not_ready
    there = [
        r
        for r in stack.resources
        if r.address in result.ids and r.address not in failed and (whole or r.address in tried)
    ]
    resources = tuple(recorded(r, result, read.get(r.address, frozenset())) for r in there)
    gone = [a for a in (before.resources if before else {}) if a not in result.ids]
    settled = result.ok and all(r.status in ("done", HELD) for r in resources) and len(there) == len(stack.resources)
    return StackUpdate(
        stack.id,
        resources=resources,
        removed=tuple(sorted(gone)),
        commit=commit if settled else None,
        digest=stack.digest if settled else "",
        compiler=compiler if settled else None,
        destroyed=settled and not stack.resources,
    )


def recorded(resource: Resource, result: StackResult, read: frozenset[str]) -> RecordedResource:
    """A resource as it was applied."""
    address = resource.address
    outputs = kept(resource, result.outputs.get(address, {}), read)
    reason = result.not_ready.get(address, "")
    return replace(
        described(resource),
        id=result.ids.get(address, ""),
        outputs=outputs,
        status=status_of(outputs, reason),
        reason=reason,
    )


def described(resource: Resource) -> RecordedResource:
    """What is recorded of a desired resource, without what came of it."""
    return RecordedResource(
        address=resource.address,
        origin=str(resource.origin),
        digest=resource.digest,
        fingerprint=resource.fingerprint,
        properties={k: encode(v) for k, v in resource.properties.items()},
        holds_data=resource.options.holds_data,
        protect=resource.options.protect,
        retain=resource.options.retain,
        metadata=tuple(sorted(resource.options.metadata)),
        volatile=tuple(sorted(resource.options.volatile)),
    )


def status_of(outputs: Mapping[str, Any], reason: str) -> str:
    """`held` where a gate did not pass, `waiting` where a run goes on, `failed` where something is not ready, else `done`."""
    if outputs.get("verdict") == HELD:
        return HELD
    if not reason:
        return "done"
    return "waiting" if reason.lower().startswith("waiting") else "failed"


def kept(resource: Resource, outputs: Mapping[str, Any], read: frozenset[str]) -> dict[str, Any]:
    """The outputs that plans and observers need: those that others read, and of native resources all that the inputs do not say.

    An input that is an output of another resource is a symbol and says no value.
    """
    native = resource.address.type.startswith("trueup:")
    said = {k for k, v in resource.properties.items() if not isinstance(v, Output)}
    return {k: v for k, v in outputs.items() if k in read or (native and k not in said)}
