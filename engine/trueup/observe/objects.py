"""What the live objects of a Kubernetes cluster are: how they differ from what was applied, and how they fare. Changes nothing.

Called by the workspace for `drift`, `status`, plans that look and before an apply. Drift is asked of the API server itself: a dry run of
what was applied, by the field manager that applied it, says what an apply would put back. So defaults, normalised quantities and fields
that an autoscaler or another manager owns are no drift. What people added by hand beside it is found by its owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from trueup.apply.checkpoints import Checkpoint, StateResource, holds_secret
from trueup.apply.cluster import Cluster, ClusterError
from trueup.apply.remedies import Remedy
from trueup.apply.restores import API as VELERO
from trueup.observe import backups, health
from trueup.observe.live import PARALLEL, Seen, Sight
from trueup.observe.ownership import intruders
from trueup.plan.differences import differences
from trueup.plan.values import ABSENT, PropertyChange
from trueup.provider.component import Live
from trueup_stacks.core.resources import KUBERNETES
from trueup_stacks.kubernetes.backups import SCHEDULE_LABEL

MANAGER = "__fieldManager"
MASK = "[secret]"
INVALID = 422
VOLATILE = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
"""Metadata that every request changes, or that nobody sets."""
Object = dict[str, Any]


def look(states: Iterable[Checkpoint], connect: Callable[[], Cluster], stacks: str = "") -> Sight:
    """Looks at every Kubernetes object of the states, several at once. `connect` is called only where there is one.

    `stacks` is what the names of the cluster's stacks end with, where the environment has several.
    """
    everything = [r for state in states for r in state.by_address().values()]
    there = [r for r in everything if r.address.on_kubernetes and r.address.stack.cluster == stacks]
    if not there:
        return Sight()
    try:
        cluster = connect()
    except ClusterError as error:
        return Sight({r.address: Seen(r.address, None, error=str(error)) for r in there})
    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="look") as pool:
        return Sight({s.address: s for s in pool.map(lambda r: _see(cluster, r), there)})


def _see(cluster: Cluster, resource: StateResource) -> Seen:
    applied, manager = manifest(resource), str(resource.outputs.get(MANAGER) or "")
    try:
        live = cluster.get(applied)
        if live is None:
            return Seen(resource.address, None)
        changes, remedy = _compared(cluster, applied, live, manager)
        found = _health(cluster, live)
    except ClusterError as error:
        return Seen(resource.address, None, error=str(error))
    told = Live({}, {}, found.reason if found.word == health.DEGRADED else None)
    return Seen(resource.address, told, changes, state=found.word, reason=found.reason, remedy=remedy)


def _health(cluster: Cluster, live: Object) -> health.Health:
    """How an object is; a schedule of backups is as its backups are."""
    found = health.of(live, lambda thing: _around(cluster, thing))
    if found.word != health.HEALTHY or not backups.is_schedule(live):
        return found
    metadata = live["metadata"]
    made = cluster.items(VELERO, "Backup", metadata["namespace"], f"{SCHEDULE_LABEL}={metadata['name']}")
    return backups.health(live, map(backups.backup, made), datetime.now(UTC))


def _compared(
    cluster: Cluster, applied: Object, live: Object, manager: str
) -> tuple[tuple[PropertyChange, ...], Remedy | None]:
    """How an object differs from what was applied, and what its provider would not put right."""
    place, secret = cluster.path(applied) or "", holds_secret(applied)
    try:
        changes = tuple(_drift(cluster, applied, live, manager))
    except ClusterError as error:
        if error.code != INVALID:
            raise
        # What was applied and what is there do not go together, such as two ports of one name.
        return differences(_shown(applied), comparable(_within(live, _shown(applied)))), None
    # What was put into a Secret is told by its owner, never by its value.
    extra = () if secret else intruders(live, applied)
    appended = not secret and any(c.recorded == ABSENT and c.path.endswith("]") for c in changes)
    remedy = Remedy(place, extra, applied if appended else {}, manager) if extra or appended else None
    return (*changes, *(PropertyChange(i.path, ABSENT, i.value) for i in extra)), remedy


def manifest(resource: StateResource) -> Object:
    """What was applied, as a manifest: the inputs in the state. What is secret in them stays as it is encrypted."""
    version, _, kind = resource.address.type.removeprefix(KUBERNETES).rpartition(":")
    named = {"apiVersion": version.removeprefix("core/"), "kind": kind}
    inputs = {k: v for k, v in resource.inputs.items() if not k.startswith("__")}
    namespace, _, name = resource.id.rpartition("/")
    metadata = {**(inputs.get("metadata") or {}), "name": name, **({"namespace": namespace} if namespace else {})}
    return {**named, **inputs, "metadata": metadata}


def _drift(cluster: Cluster, applied: Object, live: Object, manager: str) -> Iterator[PropertyChange]:
    """What an apply would put back, each with what was applied and what is there."""
    if manager:
        wanted = cluster.dry_run(_with_live_secrets(applied, live), manager)
        yield from differences(comparable(wanted), comparable(live))
        yield from _foreign_secrets(applied, live, manager)


def _foreign_secrets(applied: Object, live: Object, manager: str) -> Iterator[PropertyChange]:
    """Entries of a Secret that somebody else set since: whoever sets another value becomes their owner, and no value is read for that."""
    if not holds_secret(applied.get("data")) and not holds_secret(applied.get("stringData")):
        return
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") != manager:
            for name in sorted((entry.get("fieldsV1") or {}).get("f:data") or {}):
                if name.startswith("f:"):
                    yield PropertyChange(f"data.{name[2:]}", MASK, f"{MASK}, set by {entry.get('manager')}")


def _with_live_secrets(applied: Mapping[str, Any], live: Mapping[str, Any]) -> Object:
    """The manifest with what is secret as it is live: its values are the provider's to compare, which knows them."""
    found = _shown(applied)
    if len(found) == len(applied):
        return found
    return {**found, **{k: v for k, v in live.items() if k in ("data", "spec") and k in applied.keys() - found.keys()}}


def _shown(applied: Mapping[str, Any]) -> Object:
    """What was applied, without what is secret."""
    return {k: v for k, v in applied.items() if not holds_secret(v)}


def _within(live: Any, shape: Any) -> Any:
    """The live value with what the shape has of each map; items of lists by their names, else by their places."""
    if isinstance(live, dict) and isinstance(shape, Mapping):
        return {k: _within(v, shape[k]) for k, v in live.items() if k in shape}
    if isinstance(live, list) and isinstance(shape, (list, tuple)):
        named = {s["name"]: s for s in shape if isinstance(s, Mapping) and "name" in s}
        placed = [*shape, *[None] * len(live)]
        return [
            _within(v, named.get(v.get("name"), p) if isinstance(v, dict) else p)
            for v, p in zip(live, placed, strict=False)
        ]
    return live


def comparable(thing: Mapping[str, Any]) -> Object:
    """An object without what every request changes, and without its status."""
    metadata = {k: v for k, v in thing["metadata"].items() if k not in VOLATILE}
    return {**{k: v for k, v in thing.items() if k != "status"}, "metadata": metadata}


def _around(cluster: Cluster, live: Mapping[str, Any]) -> health.Around:
    """The pods of a workload, the addresses of a Service, and what events warn of."""
    metadata, spec = live["metadata"], live.get("spec") or {}
    namespace = str(metadata.get("namespace") or "default")
    if live["kind"] == "Service":
        slices = cluster.items(
            "discovery.k8s.io/v1", "EndpointSlice", namespace, f"kubernetes.io/service-name={metadata['name']}"
        )
        ready = [e for s in slices for e in s.get("endpoints") or () if (e.get("conditions") or {}).get("ready", True)]
        return health.Around(addresses=len(ready))
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    pods = cluster.items("v1", "Pod", namespace, ",".join(f"{k}={v}" for k, v in labels.items())) if labels else []
    names = {metadata["name"], *(p["metadata"]["name"] for p in pods)}
    events = [
        e
        for e in cluster.items("v1", "Event", namespace)
        if e.get("type") == "Warning" and (e.get("involvedObject") or {}).get("name") in names
    ]
    return health.Around(tuple(pods), tuple(events))
