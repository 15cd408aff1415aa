"""PromQL, read by the machine: which metrics an expression names, and whether it compares. Called by rules of Monitor and Dashboard.

The parser is Greptime's in Rust, which follows Prometheus' own; promtool judges what is compiled in a test.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup_specs.core.envelope import seconds

PLACEHOLDER = re.compile(r"\$\{\{\s*([A-Za-z.]+)\s*\}\}")
"""`${{ namespace }}`, as GitHub Actions writes expressions."""
_GRAFANA = re.compile(r"(?<=[\[:])\s*\$\{?\w+\}?\s*(?=[\]:])")
"""A variable of Grafana in the place of a length of time."""
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_SETS = frozenset({"and", "or", "unless"})
_ABSENT = frozenset({"absent", "absent_over_time"})


@dataclass(frozen=True, slots=True)
class Selector:
    """The series that a part of an expression reads."""

    metric: str
    """Empty where no name is given."""
    labels: tuple[str, ...] = ()
    """The labels that it matches."""
    range: float | None = None
    """Seconds, where it reads a stretch of time."""


@dataclass(frozen=True, slots=True)
class Query:
    """What an expression reads and gives."""

    selectors: tuple[Selector, ...]
    conditional: bool
    """Whether it gives nothing where all is well, as the expression of an alert must."""
    instant: bool
    """Whether it gives one value of each series, and not a stretch of them or a text."""


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in; unknown ones stay."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def unknown(text: str, known: tuple[str, ...]) -> list[str]:
    """The placeholders that mean nothing here."""
    return [name for name in PLACEHOLDER.findall(text) if name not in known]


@functools.lru_cache(maxsize=4096)
def parsed(text: str) -> Query | str:
    """What an expression reads; or what is wrong with it, as a clause. Placeholders may stand in it."""
    import promql_parser

    text = filled(text, {"namespace": "namespace", "name": "name", "window": "5m"})
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        return str(error).strip().rstrip(".")
    selectors: list[Selector] = []
    ranged: set[int] = set()

    def visit(node: Any) -> None:
        kind = type(node).__name__
        if kind == "MatrixSelector":
            selectors.append(_selector(node.vector_selector, node.range.total_seconds()))
            ranged.add(len(selectors))
        elif kind == "VectorSelector" and len(selectors) not in ranged:
            selectors.append(_selector(node, None))
        elif kind == "VectorSelector":  # the inside of the stretch that was seen last
            ranged.discard(len(selectors))

    promql_parser.walk(tree, visit)
    return Query(tuple(selectors), _conditional(tree), type(tree).__name__ not in ("MatrixSelector", "StringLiteral"))


def of_panel(text: str) -> Query | str:
    """The same of a panel's expression, in which variables of Grafana may stand for lengths of time."""
    return parsed(_GRAFANA.sub("5m", text))


def _selector(node: Any, stretch: float | None) -> Selector:
    matchers = node.matchers.matchers
    named = next((m.value for m in matchers if m.name == "__name__" and str(m.op).endswith(".Equal")), "")
    return Selector(node.name or named, tuple(m.name for m in matchers if m.name != "__name__"), stretch)


def _conditional(node: Any) -> bool:
    kind = type(node).__name__
    if kind == "ParenExpr":
        return _conditional(node.expr)
    if kind == "BinaryExpr":
        operator = str(node.op)
        if operator in _COMPARISONS:
            return node.modifier is None or not node.modifier.return_bool
        if operator == "or":
            return _conditional(node.lhs) and _conditional(node.rhs)
        return operator in _SETS or _conditional(node.lhs) or _conditional(node.rhs)
    if kind == "AggregateExpr":
        return _conditional(node.expr)
    if kind == "Call":
        return node.func.name in _ABSENT or any(_conditional(argument) for argument in node.args)
    return kind == "VectorSelector" and node.name == "ALERTS"


def interval(text: str | None, default: str = "30s") -> float:
    """Seconds of an interval that may be left out."""
    return seconds(text or default)
