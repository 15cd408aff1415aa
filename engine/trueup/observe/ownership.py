"""Who owns which field of a Kubernetes object, and what people put there by hand. Pure; called by `observe/objects.py`.

Server-side apply records for each manager the fields that it set. What Git names is compared by a dry run; this finds what somebody
added beside it with kubectl: an extra container, a host network, a rule. Fields that controllers and other managers own are
theirs. Labels and annotations are free to all, and so is the number of replicas, which an autoscaler or a person may set where Git
does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BY_HAND = "kubectl"
"""The beginning of the names under which kubectl changes objects: `kubectl-edit`, `kubectl-patch`, `kubectl-set`, …"""
FREE = frozenset({"f:metadata", "f:status", "f:apiVersion", "f:kind"})
REPLICAS = ("f:spec", "f:replicas")
_Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Intruder:
    """Something that was added by hand. `path` is for people, `pointer` (RFC 6901) for a patch of the object as it was seen."""

    path: str
    pointer: str
    value: Any


def intruders(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Intruder, ...]:
    """What people added to an object that `wanted` does not name, in the order in which it can be taken out: the last of a list first."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    theirs = _union(e["fieldsV1"] for e in entries if _by_hand(e))
    ours = _union(e["fieldsV1"] for e in entries if not _by_hand(e))
    found = [
        i for i in (_intruder(live, steps) for steps in _only(theirs, ours, live, wanted, (), ())) if i is not None
    ]
    return tuple(sorted(found, key=lambda i: _order(i.pointer), reverse=True))


def _by_hand(entry: Mapping[str, Any]) -> bool:
    return (
        str(entry.get("manager", "")).startswith(BY_HAND)
        and entry.get("operation") == "Update"
        and not entry.get("subresource")
    )


def _union(trees: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tree in trees:
        for name, below in tree.items():
            found[name] = _union([found.get(name, {}), below])
    return found


def _only(
    theirs: Mapping[str, Any],
    ours: Mapping[str, Any],
    live: Any,
    wanted: Any,
    names: tuple[str, ...],
    steps: _Steps,
) -> Iterator[_Steps]:
    """The places that only `theirs` has, outermost."""
    for name, below in theirs.items():
        if name == "." or name in FREE or (*names, name) == REPLICAS:
            continue
        step, asked = _step(name, live), _step(name, wanted)
        if step is None:
            continue
        if asked is None and name not in ours:
            yield (*steps, step)
        else:
            inside = None if asked is None else wanted[asked]
            yield from _only(below, ours.get(name, {}), live[step], inside, (*names, name), (*steps, step))


def _step(name: str, value: Any) -> Any:
    """Where a field of a manager's tree is in a value: a key, a position; None where it is not, or is no place of its own."""
    mark, _, rest = name.partition(":")
    if mark == "f":
        return rest if isinstance(value, Mapping) and rest in value else None
    if mark == "k" and isinstance(value, (list, tuple)):
        keys = json.loads(rest)
        for position, item in enumerate(value):
            if isinstance(item, Mapping) and all(item.get(k, v) == v for k, v in keys.items()):
                return position
    return None


def _intruder(live: Any, steps: _Steps) -> Intruder | None:
    path, value = "", live
    for step in steps:
        value = value[step]
        name = value.get("name", step) if isinstance(step, int) and isinstance(value, Mapping) else step
        path += f"[{name}]" if isinstance(step, int) else f".{step}" if path else str(step)
    pointer = "".join("/" + str(s).replace("~", "~0").replace("/", "~1") for s in steps)
    return Intruder(path, pointer, value)


def _order(pointer: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in pointer.split("/"))
