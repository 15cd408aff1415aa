"""What changes between a recorded object and new inputs, and whether it takes another object. Called by `server.py` in `Diff`.

The live object is cut down to the shape of the inputs that made it, so that what the cluster added is no change, and then compared with
the new inputs. Lists are compared by position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
MISSING = object()
EMPTY = (False, 0, "", [], {})
IDENTITY = ("metadata.name", "metadata.namespace")
REPLACING: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps/v1", "Deployment"): ("spec.selector",),
    ("apps/v1", "DaemonSet"): ("spec.selector",),
    ("apps/v1", "StatefulSet"): (
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName"),
        "spec.volumeClaimTemplates",
    ),
    ("batch/v1", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("v1", "PersistentVolumeClaim"): ("spec",),
    ("v1", "ResourceQuota"): ("spec.scopes",),
    ("v1", "Service"): ("spec.clusterIP",),
    ("v1", "Pod"): ("spec",),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io/v1", "StorageClass"): ("parameters", "provisioner"),
}
"""Fields whose change replaces the object, beside its name and namespace."""
HELD = {"Secret": ("type", "stringData", "data"), "ConfigMap": ("binaryData", "data")}
"""The content of these replaces them too, unless the provider is told that they are mutable."""


@dataclass(frozen=True)
class Change:
    """One property that differs."""

    kind: str
    """add, delete or update."""
    replaces: bool

    @property
    def name(self) -> str:
        """As the protocol calls it."""
        return f"{self.kind.upper()}{'_REPLACE' if self.replaces else ''}"


def cut(live: Any, shape: Any) -> Any:
    """The live value with only what the shape has: keys that both have, and as many items as the shape has."""
    if isinstance(live, dict) and isinstance(shape, Mapping):
        return {k: cut(v, shape[k]) for k, v in live.items() if k in shape}
    if isinstance(live, list) and isinstance(shape, list):
        if not live or not shape:
            return []
        return [cut(v, s) for v, s in zip(live, shape, strict=False)]
    return live


def changes(old: Object, new: Object, replacing: tuple[str, ...]) -> dict[str, Change]:
    """Every property of `new` that is not so in `old`, by path."""
    found = dict(_changes("", old, new))
    return {
        path: Change(kind, any(_touches(path, value, field) for field in (*IDENTITY, *replacing)))
        for path, (kind, value) in found.items()
    }


def replacing(thing: Object, mutable: frozenset[str]) -> tuple[str, ...]:
    """The fields of an object's kind that replace it. `mutable` has the kinds whose content may change in place."""
    kind, version = str(thing.get("kind")), str(thing.get("apiVersion"))
    if version == "v1" and kind in HELD and (kind not in mutable or thing.get("immutable")):
        return HELD[kind]
    return REPLACING.get((version, kind), ())


def _changes(path: str, old: Any, new: Any) -> Iterator[tuple[str, tuple[str, Any]]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            yield from _change(_join(path, name), old.get(name, MISSING), new.get(name, MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            yield from _change(f"{path}[{number}]", _at(old, number), _at(new, number))
    elif old != new:
        yield path, ("update", new)


def _change(path: str, old: Any, new: Any) -> Iterator[tuple[str, tuple[str, Any]]]:
    if old is MISSING and new is MISSING:
        return
    if old is MISSING:
        # The API server leaves out what is empty, and so does the real provider when it reads inputs as typed objects.
        if new not in EMPTY or new is True:
            yield path, ("add", new)
    elif new is MISSING:
        if old not in EMPTY or old is True:
            yield path, ("delete", old)
    else:
        yield from _changes(path, old, new)


def _at(items: list[Any], number: int) -> Any:
    return items[number] if number < len(items) else MISSING


def _join(path: str, name: str) -> str:
    if re.search(r'[."\[\]]', name):
        quoted = name.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{name}" if path else name


def _touches(path: str, value: Any, field: str) -> bool:
    """Whether a change at a path is one of a field: at it, inside it, or of something that holds it."""
    bare = re.sub(r"\[\d+\]", "", path)
    if bare == field or bare.startswith((f"{field}.", f"{field}[")):
        return True
    if not field.startswith(f"{bare}."):
        return False
    for name in field.removeprefix(f"{bare}.").split("."):
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return True
