"""One of several Kubernetes clusters of an `Environment`: where it is, what share it has, and what happens when it is away."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Name
from trueup_specs.kinds.environment.cluster import Cluster


class MemberCluster(Cluster):
    """One of the clusters of the environment, as `cluster` is where there is one only."""

    name: Name
    """It stands in the names of the cluster's stacks, so that another name is another cluster."""
    provider: str | None = None
    """Whose cluster it is, such as `aws`, `gcp` or `onprem`: Karmada's term, and what `placement.providers` chooses by."""
    region: str | None = None
    """Where it is, in its provider's words; what `placement.regions` chooses by."""
    zones: Items[str] = ()
    """Of the region, where its nodes are; what `spreadByField: zone` counts."""
    priority: int = Field(default=0, ge=0, le=65535)
    """Which comes first, as in DNS's SRV records (RFC 2782): the lowest number. `maxClusters` of a placement takes the first, and pipelines
    run on the first only. When a cluster is away, nothing moves by itself but what has a `failoverOrder`; another number, and an apply,
    move the rest."""
    weight: int | None = Field(default=None, ge=0, le=100)
    """Percent of the requests among the clusters of its priority, where the target can share them out."""
    when_unreachable: Literal["fail", "skip"] = "fail"
    """`fail`: nothing is applied while it is away; `skip`: what is meant for the others is, and the next apply goes on with it."""
    drain: bool = False
    """Nothing stands on it any more: the next apply deletes what is there. So a cluster leaves: drain it, apply, and remove it here."""
    lost: bool = False
    """It is gone for good, with all that was on it: the next apply drops that from the state and asks the cluster for nothing. With
    `drain: true`; and it must not answer, so that the entry still says how it was reached. Remove it after that apply."""
    moved_from: Literal["cluster"] | None = None
    """It was the environment's `cluster` before there were several, and its stacks keep their names. Leave it: it says where they are."""
