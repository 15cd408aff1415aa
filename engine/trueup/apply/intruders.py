"""Takes out of live Kubernetes objects what people put in by hand beside what Git names. Called by the workspace before an apply that puts
drift right.

The provider compares what it applied and would leave an extra container where it is. Everything else is changed by the provider only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from trueup.apply.cluster import JSON_PATCH, Cluster

MANAGER = "trueup"


class Intruder(Protocol):
    """Something that was added (`observe.ownership.Intruder`)."""

    @property
    def pointer(self) -> str: ...
    @property
    def value(self) -> Any: ...


def take_out(cluster: Cluster, place: str, found: Iterable[Intruder]) -> None:
    """Removes them from the object at an API path, in this order, if each is still as it was seen. Raises ClusterError, and then nothing
    was removed."""
    body = [
        {"op": operation, "path": i.pointer, **({"value": i.value} if operation == "test" else {})}
        for i in found
        for operation in ("test", "remove")
    ]
    cluster.request("PATCH", place, body, JSON_PATCH, {"fieldManager": MANAGER})
