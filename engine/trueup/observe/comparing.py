"""What an apply would make of each live object now: the specs against reality, field by field. Changes nothing.

Called by the workspace for `diff --live`. The API server itself is asked, as for drift (`objects.py`): a dry run of what the specs say, by
the field manager that applied it, so that defaults, normalised quantities and the fields of autoscalers are no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trueup.apply.checkpoints import Checkpoint, StateResource
from trueup.apply.cluster import Cluster, ClusterError
from trueup.observe.live import PARALLEL, Sight
from trueup.observe.objects import MANAGER, MASK, comparable, manifest
from trueup.plan.comparisons import CHANGE, CREATE, DELETE, KEEP, REFUSED, SAME, UNKNOWN, Difference
from trueup.plan.differences import differences
from trueup.plan.values import ABSENT, PropertyChange
from trueup_stacks.core.resources import KUBERNETES, Address, Output, Resource, Secret

NOBODY = "trueup-diff"
"""The field manager of what Trueup has not applied yet."""
Object = dict[str, Any]
Connect = Callable[[str], Cluster]
"""The cluster of a name; `""` is the only one. Raises ClusterError."""


def compare(
    resources: Iterable[Resource], states: Iterable[Checkpoint], connect: Connect, away: Container[str] = ()
) -> tuple[Difference, ...]:
    """Every Kubernetes object that the specs become, and every one that they do not become any more; none of the clusters in `away`."""

    def asked(address: Address) -> bool:
        return address.on_kubernetes and address.stack.cluster not in away

    known = {a: r for s in states for a, r in s.by_address().items() if asked(a)}
    wanted = [r for r in resources if asked(r.address)]
    gone = [known[a] for a in sorted(known.keys() - {r.address for r in wanted})]
    clusters = _Clusters(connect)
    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="compare") as pool:
        found = list(pool.map(lambda r: _wanted(clusters, r, known.get(r.address)), wanted))
        left = list(pool.map(lambda r: _unwanted(clusters, r), gone))
    return (*found, *(d for d in left if d is not None))


class _Clusters:
    """Each cluster, connected to once."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._found: dict[str, Cluster | ClusterError] = {}

    def of(self, address: Address) -> Cluster:
        """Raises ClusterError."""
        name = address.stack.cluster
        if name not in self._found:
            try:
                self._found[name] = self._connect(name)
            except ClusterError as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, ClusterError):
            raise found
        return found


def _wanted(clusters: _Clusters, resource: Resource, state: StateResource | None) -> Difference:
    address, origin = resource.address, str(resource.origin)
    version, _, kind = address.type.removeprefix(KUBERNETES).rpartition(":")
    named = {"apiVersion": version.removeprefix("core/"), "kind": kind}
    manager = str(state.outputs.get(MANAGER) or "") if state is not None else ""
    try:
        cluster = clusters.of(address)
        thing = {**named, **resource.properties}
        if cluster.path(thing) is None:
            return Difference(address, origin, REFUSED, detail=f"the cluster has no {kind} of {named['apiVersion']}")
        live = cluster.get(thing)
    except ClusterError as error:
        return Difference(address, origin, UNKNOWN, detail=str(error))
    if live is None:
        return Difference(address, origin, CREATE, ((PropertyChange("", ABSENT, _shown(thing))),))
    plain, secrets = _settled(thing, live)
    try:
        changes = differences(comparable(live), comparable(cluster.dry_run(plain, manager or NOBODY)))
    except ClusterError as error:
        return Difference(address, origin, REFUSED if error.code else UNKNOWN, detail=str(error))
    return Difference(address, origin, CHANGE if changes or secrets else SAME, (*changes, *secrets))


def _unwanted(clusters: _Clusters, state: StateResource) -> Difference | None:
    try:
        live = clusters.of(state.address).get(manifest(state))
    except ClusterError as error:
        return Difference(state.address, "", UNKNOWN, detail=str(error))
    return Difference(state.address, "", KEEP if state.retain else DELETE) if live is not None else None


def _settled(thing: Object, live: Mapping[str, Any]) -> tuple[Object, tuple[PropertyChange, ...]]:
    """What can be asked of a manifest: with what is secret or not known before an apply as it is live. And the entries of a Secret that
    would come or go, which are told by their names."""
    open_ = {k for k, v in thing.items() if any(_unsettled(v))}
    found = {k: v for k, v in thing.items() if k not in open_}
    if thing["kind"] != "Secret" or not open_:
        return {**found, **{k: live[k] for k in open_ if k in live}}, ()
    names = {**(thing.get("data") or {}), **(thing.get("stringData") or {})}.keys()
    there = live.get("data") or {}
    come = (PropertyChange(f"data.{n}", ABSENT, MASK) for n in sorted(names - there.keys()))
    go = (PropertyChange(f"data.{n}", MASK, ABSENT) for n in sorted(there.keys() - names))
    return {**found, "data": {k: v for k, v in there.items() if k in names}}, (*come, *go)


def _unsettled(value: Any) -> Iterator[Secret | Output]:
    """The secrets and the outputs of other resources in a value."""
    if isinstance(value, (Secret, Output)):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _unsettled(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _unsettled(inner)


def _shown(value: Any) -> Any:
    """A manifest for people: what is secret, or not known before an apply, by what it is."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Output):
        return f"[known after {value.address.name}]"
    if isinstance(value, Mapping):
        return {k: _shown(v) for k, v in value.items()}
    return [_shown(v) for v in value] if isinstance(value, (list, tuple)) else value


def of_drift(sight: Sight, origins: Mapping[Address, str]) -> Iterator[Difference]:
    """What an apply would make of the things that Trueup itself provides, as far as drift knows: what was applied against what is live."""
    for address, seen in sorted(sight.seen.items()):
        origin = origins.get(address, "")
        if seen.error:
            yield Difference(address, origin, UNKNOWN, detail=seen.error)
        elif seen.live is None:
            yield Difference(address, origin, CREATE)
        else:
            back = tuple(PropertyChange(c.path, c.desired, c.recorded) for c in seen.changes)
            yield Difference(address, origin, CHANGE if back else SAME, back)
