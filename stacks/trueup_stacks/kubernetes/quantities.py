"""Kubernetes quantities as the API server stores them, so that what was applied and what is there are the same text.

The rules are those of `k8s.io/apimachinery/pkg/api/resource`: no fraction, the largest suffix that loses nothing, the suffix's family kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_UP, Decimal

_QUANTITY = re.compile(r"^(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?$")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS = {suffix: power for power, suffix in _DECIMAL.items()}


def canonical(quantity: str | int | float) -> str:
    """`1.5` and `1500m` are `1500m`, `1024Mi` is `1Gi`, `1000` is `1k`; what is no quantity is left as it is, for a rule to refuse."""
    found = _QUANTITY.match(str(quantity))
    if found is None:
        return str(quantity)
    number, exponent, suffix = Decimal(found[1]), found[2], found[3] or ""
    if suffix in _BINARY:
        value = number * 1024 ** (_BINARY.index(suffix) + 1)
        return _binary(value) if value == value.to_integral_value() and value >= 1024 else _decimal(value)
    value = number.scaleb(int(exponent) if exponent is not None else _POWERS[suffix])
    return _decimal(value, "e" if exponent is not None else "")


def _binary(value: Decimal) -> str:
    whole, power = int(value), 0
    while power < len(_BINARY) and whole % 1024 == 0:
        whole, power = whole // 1024, power + 1
    return f"{whole}{_BINARY[power - 1] if power else ''}"


def _decimal(value: Decimal, mark: str = "") -> str:
    whole = int(value.quantize(Decimal("1e-9"), ROUND_UP).scaleb(9))
    if whole == 0:
        return "0"
    power = -9
    while whole % 1000 == 0 and power < 18:
        whole, power = whole // 1000, power + 3
    if mark:
        return f"{whole}{mark}{power}" if power else str(whole)
    return f"{whole}{_DECIMAL[power]}"


def amounts(quantities: Mapping[str, str | int | float | None]) -> dict[str, str]:
    """Those that are given."""
    return {name: canonical(quantity) for name, quantity in quantities.items() if quantity is not None}
