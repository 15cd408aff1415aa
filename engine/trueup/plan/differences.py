"""Differences between two encoded property trees, with paths for people. Pure; used by the plan and by drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trueup.plan.values import ABSENT, PropertyChange


def differences(recorded: Mapping[str, Any], desired: Mapping[str, Any]) -> tuple[PropertyChange, ...]:
    """Every leaf that differs. Lists of named maps are matched by `name`, so that an inserted item is one change."""
    return tuple(_mapping("", recorded, desired))


def _value(path: str, old: Any, new: Any) -> Iterator[PropertyChange]:
    if old == new and type(old) is type(new):
        return
    if _plain_map(old) and _plain_map(new):
        yield from _mapping(path, old, new)
    elif _list(old) and _list(new):
        yield from _sequence(path, old, new)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield PropertyChange(path, old, new)


def _mapping(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PropertyChange]:
    for key in sorted({*old, *new}):
        below = f"{path}.{key}" if path else key
        if key not in new:
            yield PropertyChange(below, old[key], ABSENT)
        elif key not in old:
            yield PropertyChange(below, ABSENT, new[key])
        else:
            yield from _value(below, old[key], new[key])


def _sequence(path: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[PropertyChange]:
    old_names, new_names = _names(old), _names(new)
    if old_names is not None and new_names is not None and (old_names or new_names):
        for name in [*old_names, *(n for n in new_names if n not in old_names)]:
            below = f"{path}[{name}]"
            if name not in new_names:
                yield PropertyChange(below, old_names[name], ABSENT)
            elif name not in old_names:
                yield PropertyChange(below, ABSENT, new_names[name])
            else:
                yield from _value(below, old_names[name], new_names[name])
        if [n for n in old_names if n in new_names] != [n for n in new_names if n in old_names]:
            yield PropertyChange(f"{path}.order", list(old_names), list(new_names))
        return
    for position in range(max(len(old), len(new))):
        below = f"{path}[{position}]"
        if position >= len(new):
            yield PropertyChange(below, old[position], ABSENT)
        elif position >= len(old):
            yield PropertyChange(below, ABSENT, new[position])
        else:
            yield from _value(below, old[position], new[position])


def _names(items: Sequence[Any]) -> dict[str, Any] | None:
    names: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or item["name"] in names:
            return None
        names[item["name"]] = item
    return names


def _list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _plain_map(value: Any) -> bool:
    """A map that is no symbol: an output or a secret changes as a whole."""
    return isinstance(value, Mapping) and not ({"$output", "$secret", "$absent"} & set(value))


def is_symbol(value: Any) -> bool:
    """Whether an encoded value is an output of another resource."""
    return isinstance(value, Mapping) and "$output" in value
