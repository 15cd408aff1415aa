"""CEL expressions: conditions of steps, slices of gates and policies. Called by rules, the runner, gates and policies.

Expressions come from pull requests, so nothing that one can say may take the machine down: CEL itself always ends, its library
bounds nesting (32) and loop passes (10,000), and what is left, text and lists that grow in chained `map`s, is bounded here.
Nothing here knows what an expression is about.
"""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup_specs.core.diagnostics import nearest

MAX_LENGTH = 8192
"""Characters of an expression."""
MAX_GROWTH = 2**28
"""Characters that an evaluation may build, at worst."""

_UNDECLARED = re.compile(r"undeclared reference to '\.?([A-Za-z_][A-Za-z0-9_]*)")
_PLACE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")


class ExpressionError(ValueError):
    """An expression that is wrong, too large, or does not fit its variables. The text is for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: its text, the variables it reads, and CEL's name of its type (`BOOL`; `DYN` when not known)."""

    text: str
    variables: frozenset[str]
    type: str
    growth: float
    """How many times larger than its input a value can become, at worst."""
    program: Any = field(repr=False, compare=False)

    @property
    def may_be_boolean(self) -> bool:
        """Whether it can be a condition."""
        return self.type in ("BOOL", "DYN")

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value as plain Python. Raises ExpressionError for a missing variable or key, a wrong type, or too large a value."""
        missing = sorted(self.variables - set(variables))
        if missing:
            raise ExpressionError(f"The expression {self.text!r} reads `{missing[0]}`, which is not there.")
        data = {name: _plain(variables[name]) for name in self.variables}
        self._refuse_bombs(data)
        try:
            value = self.program.eval(data=data)
            plain = value.plain_value()
        except (RuntimeError, ValueError, TypeError) as error:
            raise ExpressionError(f"The expression {self.text!r} cannot be evaluated: {_reason(str(error))}.") from None
        if value.type().name() == "ERROR":
            raise ExpressionError(f"The expression {self.text!r} cannot be evaluated: {_reason(str(plain))}.")
        return plain

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """The value of a condition. Raises ExpressionError also when it is not true or false."""
        value = self.evaluate(variables)
        if not isinstance(value, bool):
            raise ExpressionError(f"The condition {self.text!r} gives {value!r:.80}; it must be true or false.")
        return value

    def _refuse_bombs(self, data: Mapping[str, Any]) -> None:
        if self.growth * (len(self.text) + _weight(data)) > MAX_GROWTH:
            raise ExpressionError(
                f"The expression {self.text!r:.200} could build values of more than {MAX_GROWTH >> 20} MiB; use fewer chained `map`s."
            )


def compile(text: str, variables: Collection[str] | None = None) -> Expression:
    """Parses and checks `text`. With `variables`, any other name is an error that suggests the nearest one.

    Raises ExpressionError with line and column of each mistake.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"The expression has {len(text)} characters; at most {MAX_LENGTH} are allowed.")
    growth = _growth(text)
    if growth * len(text) > MAX_GROWTH:
        raise ExpressionError("The expression chains so many `map`s that its value could fill the memory; use fewer.")
    free = _free_names(text)
    if variables is not None and (unknown := sorted(free - set(variables))):
        raise ExpressionError(_unknown(unknown[0], variables))
    try:
        program = _environment(free).compile(text)
    except RuntimeError as error:
        raise ExpressionError(f"The expression {text!r:.200} is not valid CEL: {_places(str(error))}.") from None
    return Expression(text, free, program.return_type().name(), growth, program)


@functools.lru_cache(maxsize=256)
def _environment(variables: frozenset[str]) -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables=dict.fromkeys(sorted(variables), cel.Type.DYN))


def _free_names(text: str) -> frozenset[str]:
    """The names that CEL's checker does not know; a function among them fails the second compilation, as it should."""
    try:
        _environment(frozenset()).compile(text)
    except RuntimeError as error:
        return frozenset(_UNDECLARED.findall(str(error)))
    return frozenset()


def _growth(text: str) -> float:
    """A bound: each `map` multiplies by the terms in it, and terms are split over the maps at worst evenly (AM-GM)."""
    maps = len(re.findall(r"\bmap\b", text)) + 1
    terms = text.count("+") + text.count(",")
    return float((terms / maps + 1) ** maps) if maps < 64 else math.inf


def _weight(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value) + 1
    if isinstance(value, Mapping):
        return sum(_weight(k) + _weight(v) for k, v in value.items()) + 1
    if isinstance(value, list):
        return sum(map(_weight, value)) + 1
    return 8


def _plain(value: Any) -> Any:
    """The value as CEL takes it: lists for tuples and sets, Python numbers for numpy's, protobuf times for Python's."""
    if value is None or isinstance(value, bool | str | bytes):
        return value
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return [_plain(v) for v in sorted(value)]
    if isinstance(value, datetime.datetime):
        return _timestamp(value)
    return value.item() if hasattr(value, "item") else value


def _timestamp(value: datetime.datetime) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    if value != value:  # pandas' NaT
        return None
    stamp = Timestamp()
    stamp.FromDatetime(value if value.tzinfo is None else value.astimezone(datetime.UTC))
    return stamp


def _unknown(name: str, variables: Collection[str]) -> str:
    near = nearest(name, variables)
    known = ", ".join(f"`{v}`" for v in sorted(variables)) or "none"
    hint = f"Did you mean `{near}`?" if near else f"Known are: {known}."
    return f"The expression reads `{name}`, which is not known here. {hint}"


def _places(error: str) -> str:
    """CEL's report as one line: the first mistake, with its place."""
    found = _PLACE.search(error)
    if not found:
        return _reason(error)
    line, column, text = found.groups()
    text = _STATUS.sub("", text.replace(" (in container '')", "")).rstrip(".")
    if undeclared := _UNDECLARED.search(text):
        text = f"there is no function `{undeclared.group(1)}`"
    if "recursion depth" in text:
        return "it nests too deeply (at most 32 levels)"
    return f"at line {line}, column {column}: {text}"


def _reason(error: str) -> str:
    text = _STATUS.sub("", _STATUS.sub("", error.split("\n", 1)[0])).rstrip(".")
    if "recursion" in text:
        return "it nests too deeply (at most 32 levels)"
    if "Iteration budget" in text:
        return "its loops take more than 10,000 passes"
    if "No matching overloads" in text:
        return f"{text} (these types do not go together; compare numbers with `double(x)` or test for `null` first)"
    return text
