"""What a Kubernetes cluster has beside Kubernetes: its version, which kinds of which versions it serves, and which classes there are.

Plans that look at a cluster read it, and the ledger records it with its date, so that plans without credentials know it too. `judged` holds
what compile made against it: what is missing is an error at plan with what to install, and no failure at apply. Called by the workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trueup.apply.cluster import Cluster, ClusterError
from trueup.compile.compilation import Compilation
from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity, nearest
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource
from trueup_stacks.kubernetes import components, tokens

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
"""All groups with their kinds in one answer (Kubernetes 1.30); an older server gives the groups alone."""
CLASSES = {
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "RuntimeClass": "/apis/node.k8s.io/v1/runtimeclasses",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "IngressClass": "/apis/networking.k8s.io/v1/ingressclasses",
    "GatewayClass": "/apis/gateway.networking.k8s.io/v1/gatewayclasses",
    "BackupStorageLocation": "/apis/velero.io/v1/backupstoragelocations",
}
"""Objects that others name, by the platform team; where they are listed."""
NAMED_BY = {
    "storageClassName": "StorageClass",
    "runtimeClassName": "RuntimeClass",
    "priorityClassName": "PriorityClass",
    "ingressClassName": "IngressClass",
    "gatewayClassName": "GatewayClass",
    "storageLocation": "BackupStorageLocation",
}
"""The fields that name them, wherever they stand in an object."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a cluster had at a time."""

    time: datetime
    version: str
    """Of the API server, such as `v1.36.3`."""
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each `group/version` that is none of Kubernetes' own."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names by kind; a kind that may not be listed is not here."""

    @property
    def form(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "time": self.time.astimezone(UTC).isoformat(timespec="seconds"),
            "version": self.version,
            "kinds": {k: list(v) for k, v in self.kinds.items()},
            "classes": {k: list(v) for k, v in self.classes.items()},
        }

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> Inventory:
        """The reverse of `form`."""
        kinds, classes = ({k: tuple(v) for k, v in form[name].items()} for name in ("kinds", "classes"))
        return cls(datetime.fromisoformat(form["time"]), form["version"], kinds, classes)

    @property
    def seen(self) -> str:
        """When, for people."""
        return f"{self.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def look(cluster: Cluster) -> Inventory:
    """What a cluster has now. Raises ClusterError."""
    version = str(cluster.request("GET", "/version").get("gitVersion", ""))
    found = cluster.request("GET", "/apis", accept=DISCOVERY)
    served = _discovered(found) if found.get("kind") == "APIGroupDiscoveryList" else _asked(cluster, found)
    kinds = {name: tuple(sorted(set(k))) for name, k in sorted(served)}
    classes = {kind: names for kind, path in CLASSES.items() if (names := _names(cluster, path)) is not None}
    return Inventory(datetime.now(UTC), version, kinds, classes)


def _discovered(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for group in found["items"]:
        name = group["metadata"].get("name", "")
        for version in group.get("versions") or () if components.foreign(name) else ():
            kinds = [(r.get("responseKind") or {}).get("kind") for r in version.get("resources") or ()]
            yield f"{name}/{version['version']}", [k for k in kinds if k]


def _asked(cluster: Cluster, found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for group in found["groups"]:
        for version in group["versions"] if components.foreign(group["name"]) else ():
            name = version["groupVersion"]
            try:
                listed = cluster.request("GET", f"/apis/{name}")["resources"]
            except ClusterError as error:
                if error.code == 0:
                    raise
                continue  # an aggregated API whose server is away
            yield name, [r["kind"] for r in listed if "/" not in r["name"]]


def _names(cluster: Cluster, path: str) -> tuple[str, ...] | None:
    """None where they may not be listed; none where the cluster knows no such objects."""
    try:
        return tuple(sorted(i["metadata"]["name"] for i in cluster.request("GET", path)["items"]))
    except ClusterError as error:
        if error.code == 404:
            return ()
        if error.code in (401, 403):
            return None
        raise


def judged(catalog: Catalog, compilation: Compilation, known: Mapping[str, Inventory]) -> Iterator[Diagnostic]:
    """An error for each thing that objects of a document need and that their cluster did not have. `known` is by the cluster's name."""
    said = set()
    for resource in compilation.resources() if known else ():
        inventory = known.get(resource.address.stack.cluster)
        if inventory is None or not resource.address.on_kubernetes:
            continue
        for missing in (*_unserved(resource, inventory), *_unnamed(resource, inventory)):
            where = _where(catalog, resource)
            mark = (resource.origin, where, missing)
            if mark not in said:
                said.add(mark)
                yield _diagnostic(catalog, resource.origin, where, missing, inventory)


@dataclass(frozen=True, slots=True)
class _Missing:
    what: str
    had: str
    """What there was of the kind, as a clause; empty where nothing."""
    fix: str


def _unserved(resource: Resource, inventory: Inventory) -> Iterator[_Missing]:
    version, kind = tokens.api_version(resource.address.type), tokens.kind(resource.address.type)
    group, _, _ = version.rpartition("/")
    if components.foreign(group) and kind not in inventory.kinds.get(version, ()):
        others = sorted(v for v, kinds in inventory.kinds.items() if v.startswith(f"{group}/") and kind in kinds)
        had = f"it served {kind} as {', '.join(others)} only" if others else ""
        yield _Missing(f"{kind} ({version})", had, components.advice(resource.address.type, bool(others)))


def _unnamed(resource: Resource, inventory: Inventory) -> Iterator[_Missing]:
    for kind, name in _classes(resource.properties):
        names = inventory.classes.get(kind)
        if names is None or name in names:
            continue
        close = nearest(name, list(names))
        had = f"it had {', '.join(names)}" if names else f"it had no {kind}"
        hint = (
            f"Write {close!r}, or make the {kind} {name!r}" if close else f"Make the {kind} {name!r}, or name another"
        )
        yield _Missing(f"{kind} {name!r}", had, hint)


def _classes(value: Any) -> Iterator[tuple[str, str]]:
    """The classes that an object names: kind and name."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in NAMED_BY and isinstance(inner, str):
                yield NAMED_BY[key], inner
            else:
                yield from _classes(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _classes(inner)


def _where(catalog: Catalog, resource: Resource) -> str:
    name = resource.address.stack.cluster
    return (
        f"the cluster {name!r} of environment {catalog.environment!r}"
        if name
        else f"the cluster of environment {catalog.environment!r}"
    )


def _diagnostic(catalog: Catalog, origin: Key, where: str, missing: _Missing, inventory: Inventory) -> Diagnostic:
    document = catalog.documents.get(origin)
    had = f" ({missing.had})" if missing.had else ""
    return Diagnostic(
        "TRU2015",
        Severity.ERROR,
        f"{origin} needs {missing.what}, and {where} did not have it when it was looked at, {inventory.seen}{had}.",
        Location(document.source.file if document is not None else ""),
        detail=f"This is what the cluster itself (Kubernetes {inventory.version}) told, whatever `components` of the environment says.",
        fix=f"{missing.fix}; `trueup plan {catalog.environment} --refresh` looks at the cluster anew.",
    )


def found(
    forms: Mapping[str, Mapping[str, Any]], connect: Iterable[tuple[str, Callable[[], Cluster]]] = ()
) -> tuple[dict[str, Inventory], dict[str, Inventory]]:
    """What is known of each cluster by its name, and of it what was looked at now; what does not answer is as it was recorded."""
    known = {name: Inventory.of(form) for name, form in forms.items()}
    now: dict[str, Inventory] = {}
    for name, reach in connect:
        try:
            now[name] = look(reach())
        except ClusterError:
            continue
    return {**known, **now}, now
