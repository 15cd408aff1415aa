"""Inputs as the API server would write them: quantities in their canonical form, a Secret's texts encoded, nothing that is read only."""

from __future__ import annotations

import base64
import re
from decimal import Decimal, InvalidOperation
from typing import Any

Object = dict[str, Any]
READ_ONLY = (
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp"),
    *("generation", "managedFields", "resourceVersion", "uid"),
)
AMOUNTS = frozenset({"requests", "limits", "hard", "default", "defaultRequest", "max", "min", "capacity", "overhead"})
"""Maps of quantities."""
AMOUNT = frozenset({"sizeLimit", "averageValue", "divisor"})
_QUANTITY = re.compile(r"^([+-]?[0-9.]+)(|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)$")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def normalized(thing: Object) -> Object:
    """The object, a copy. Only what the API server itself defines is normalised; a custom resource is left as it is."""
    found = dict(thing)
    if _built_in(str(thing.get("apiVersion", ""))):
        found = _quantities(found)
        if found.get("kind") == "Secret" and found.get("stringData"):
            texts = found.pop("stringData")
            encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in texts.items()}
            found["data"] = {**found.get("data", {}), **encoded}
    metadata = {k: v for k, v in (found.get("metadata") or {}).items() if k not in READ_ONLY}
    return {**found, "metadata": metadata} if "metadata" in found else found


def _built_in(version: str) -> bool:
    group = version.partition("/")[0] if "/" in version else ""
    return "." not in group or (group.endswith(".k8s.io") and group != "gateway.networking.k8s.io")


def _quantities(value: Any, name: str = "", inside: bool = False) -> Any:
    if isinstance(value, dict):
        return {k: _quantities(v, k, name in AMOUNTS) for k, v in value.items()}
    if isinstance(value, list):
        return [_quantities(v) for v in value]
    return quantity(value) if inside or name in AMOUNT else value


def quantity(value: Any) -> Any:
    """A quantity in canonical form: no fraction, and the largest suffix that leaves none."""
    match = (
        _QUANTITY.match(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    )
    if match is None:
        return value
    try:
        number, suffix = Decimal(match[1]), match[2]
    except InvalidOperation:
        return value
    if suffix in _BINARY[1:]:
        return _binary(number, _BINARY.index(suffix))
    if suffix not in _DECIMAL:
        return value
    return _decimal(number.scaleb(_DECIMAL[suffix]))


def _binary(number: Decimal, step: int) -> str:
    amount = number * 1024**step
    if amount != amount.to_integral_value():
        return _decimal(amount)
    step = 0
    while amount and amount % 1024 == 0 and step < len(_BINARY) - 1:
        amount, step = amount / 1024, step + 1
    return f"{int(amount)}{_BINARY[step]}"


def _decimal(amount: Decimal) -> str:
    if not amount:
        return "0"
    for suffix, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = amount.scaleb(-power)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{amount.normalize():f}"
