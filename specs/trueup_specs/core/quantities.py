"""Kubernetes quantities as numbers. Called by rules; the models keep what was written."""

from __future__ import annotations

import functools
import re

_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?|\.\d+)(?:([eE][+-]?\d+)|(k|[KMGTPE]i|[MGTPE]|m|u|n))?$")
_SCALE = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    **{unit: 1000.0**power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: 1024.0**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


@functools.lru_cache(maxsize=4096, typed=True)
def amount(quantity: str | int | float) -> float | None:
    """The number that a quantity means (cores, bytes), or None where it is no quantity: `500m` is 0.5, `1Ki` is 1024."""
    if isinstance(quantity, (int, float)):
        return float(quantity)
    found = _QUANTITY.match(quantity)
    if found is None:
        return None
    number = float(found[1] + (found[2] or ""))
    return number * _SCALE.get(found[3] or "", 1.0)
