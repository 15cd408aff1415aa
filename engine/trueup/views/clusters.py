"""Which of an environment's several clusters something is on, for views that tell of single objects."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trueup_stacks.core.resources import Address

Clusters = Mapping[str, str]
"""The names of several clusters, by what the names of their stacks end with (`trueup_stacks.kubernetes.placement.names`)."""
ONE: Clusters = MappingProxyType({})
"""Those of an environment that has not several."""


def cluster(address: Address, clusters: Clusters) -> str:
    """The name of the cluster that an object is on; empty for the only one, and for what is on none."""
    name = clusters.get(address.stack.cluster, address.stack.cluster)
    return name if address.on_kubernetes else ""


def on(address: Address, clusters: Clusters) -> str:
    """` on ` and its name, or nothing."""
    name = cluster(address, clusters)
    return f" on {name}" if name else ""
