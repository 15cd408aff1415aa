"""Where two property maps differ, in Pulumi's path notation. Used by `server` to explain a replacement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Kind = Literal["add", "delete", "update"]


def paths(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Kind]]:
    """Every innermost path at which two JSON values differ, such as `routes[0].backends[1].weight`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            yield from pair(old.get(name), new.get(name), name in old, name in new, join(path, name))
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            left, right = (v[i] if i < len(v) else None for v in (old, new))
            yield from pair(left, right, i < len(old), i < len(new), f"{path}[{i}]")
    elif type(old) is not type(new) or old != new:
        yield path, "update"


def pair(old: Any, new: Any, in_old: bool, in_new: bool, path: str) -> Iterator[tuple[str, Kind]]:
    """The difference at one name or index."""
    if in_old and in_new:
        yield from paths(old, new, path)
    else:
        yield path, "delete" if in_old else "add"


def join(path: str, name: str) -> str:
    """`path.name`, or `path["name"]` where the name is no plain word."""
    if re.fullmatch(r"[A-Za-z_$][\w$]*", name):
        return f"{path}.{name}" if path else name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{escaped}"]'


def top(path: str) -> str:
    """The top-level name of a path."""
    if path.startswith('["'):
        return path[2 : path.index('"]')].replace('\\"', '"').replace("\\\\", "\\")
    return re.split(r"[.\[]", path, maxsplit=1)[0]
