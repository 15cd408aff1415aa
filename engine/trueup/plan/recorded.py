"""What the ledger records as applied: the left side of every plan. Read by `record`, passed in by the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup_stacks.core.resources import Address, StackId


@dataclass(frozen=True, slots=True)
class RecordedResource:
    """A resource as it was last applied.

    `properties` are the desired inputs in encoded form (`resources.encode`: outputs as symbols, secrets as references).
    `outputs` are what plans and observers need of the real thing, never a secret: model versions, verdicts, endpoints.
    """

    address: Address
    origin: str
    """`str(Key)` of the document."""
    digest: str
    fingerprint: str
    properties: Mapping[str, Any]
    id: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    status: str = "done"
    """`done`, `held` (a gate did not pass), `waiting` (a run goes on) or `failed`."""
    reason: str = ""
    holds_data: bool = False
    protect: bool = False
    retain: bool = False
    metadata: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedStack:
    """A stack as it was last applied. `commit` advances only when every step is done or held."""

    id: StackId
    commit: str = ""
    digest: str = ""
    """The desired stack's digest at the last apply that completed; empty after one that did not."""
    compiler: str = ""
    resources: Mapping[Address, RecordedResource] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """All stacks of a workspace, and what the ledger says beside them."""

    stacks: Mapping[StackId, RecordedStack] = field(default_factory=dict)
    head: str = ""
    """The ledger's newest commit; empty where there is no ledger yet."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Environment → commit that a direct rollback pinned it at."""
    inventories: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """What each cluster had when it was looked at last, as JSON: by environment and the cluster's name."""
    durations: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the last run of each document took, by `str(Key)`."""

    def resource(self, address: Address) -> RecordedResource | None:
        """The recorded resource at an address."""
        stack = self.stacks.get(address.stack)
        return stack.resources.get(address) if stack else None
