"""Puts right in live Kubernetes objects what their provider leaves: what people put in by hand beside what Git names, and items added to a
list that is applied as a whole. Called by the workspace before an apply that puts drift right.

The provider compares by position what it applied, so that it does not see a further container, rule or subject. Everything else is
changed by the provider only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueup.apply.cluster import APPLY, JSON_PATCH, Cluster

MANAGER = "trueup"


class Intruder(Protocol):
    """Something that was added (`observe.ownership.Intruder`)."""

    @property
    def pointer(self) -> str: ...
    @property
    def value(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Remedy:
    """What has to be done to one object beside what its provider does."""

    place: str
    """Its path in the cluster's API."""
    intruders: Sequence[Intruder] = ()
    """What is taken out, in this order."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """What is applied once more as it was, by `manager`; empty where that is left to the provider."""
    manager: str = ""


def put_right(cluster: Cluster, remedy: Remedy) -> None:
    """Does it. What was taken for an intruder goes only if it is still as it was seen. Raises ClusterError."""
    body = [
        {"op": operation, "path": i.pointer, **({"value": i.value} if operation == "test" else {})}
        for i in remedy.intruders
        for operation in ("test", "remove")
    ]
    if body:
        cluster.request("PATCH", remedy.place, body, JSON_PATCH, {"fieldManager": MANAGER})
    if remedy.manifest:
        query = {"fieldManager": remedy.manager, "force": "true"}
        cluster.request("PATCH", remedy.place, remedy.manifest, APPLY, query)
