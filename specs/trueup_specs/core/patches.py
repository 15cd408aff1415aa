"""How an overlay changes a spec. Called by validation and by `resolve`; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DELETE = "$patch"


def merge(spec: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` with `patch` laid over it.

    Maps merge; lists of named items merge by `name`; `{name: x, $patch: delete}` removes one; `null` deletes a key; other
    lists and scalars replace.
    """
    merged = dict(spec)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _combine(merged.get(key), value)
    return merged


def _combine(old: Any, new: Any) -> Any:
    if isinstance(new, Mapping):
        return merge(old if isinstance(old, Mapping) else {}, new)
    if _named(new) and (_named(old) or not old):
        return _merge_named(old or (), new)
    return new


def _named(value: Any) -> bool:
    """Whether it is a list whose items all are maps with a `name`."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return all(isinstance(item, Mapping) and "name" in item for item in value)


def _merge_named(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    items = {item["name"]: dict(item) for item in old}
    for item in new:
        name = item["name"]
        if item.get(DELETE) == "delete":
            items.pop(name, None)
        else:
            items[name] = merge(items.get(name, {}), item)
    return list(items.values())
