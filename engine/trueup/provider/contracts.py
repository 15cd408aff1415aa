"""A dataset's contract on rows: types, bounds and checks in the terms of the Open Data Contract Standard. Pure; used by `table`.

All violations are found, each with its column, its number of rows and the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueup.provider import columns as types

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Column = Mapping[str, Any]
SHOWN = 3
MOST_TEXT = 60


@dataclass(frozen=True)
class Violation:
    """One way in which rows break the contract. `severity` is `error` or `warning`."""

    text: str
    severity: str = "error"


@dataclass(frozen=True)
class Conformed:
    """Rows in the contract's types, and what is wrong with them."""

    table: pa.Table
    violations: tuple[Violation, ...] = ()

    @property
    def errors(self) -> tuple[Violation, ...]:
        """The violations that refuse the load."""
        return tuple(v for v in self.violations if v.severity == "error")


def conform(
    frame: pd.DataFrame, columns: Sequence[Column], strict: bool, quality: Sequence[Mapping[str, Any]]
) -> Conformed:
    """The frame's columns as the contract types them, in its order; others are dropped unless `strict` refuses them."""
    import pandas as pd
    import pyarrow as pa

    names = [str(c["name"]) for c in columns]
    found = list(_missing_or_extra(frame, names, strict))
    arrays: dict[str, Any] = {}
    checked: dict[str, pd.Series] = {}
    for column in columns:
        name, logical = str(column["name"]), str(column["logicalType"])
        if name not in frame.columns:
            arrays[name] = pa.nulls(len(frame), types.arrow_type(logical))
            continue
        typed = types.typed(frame[name], logical)
        arrays[name], checked[name] = typed.array, typed.series()
        found += list(_ill_typed(column, frame[name], typed.bad))
        found += list(_column(column, checked[name], typed.bad))
    rows = pd.DataFrame(checked, index=range(len(frame)))
    found += list(_keys(rows, columns))
    found += [v for check in quality for v in _quality(check, None, rows)]
    return Conformed(pa.table(arrays), tuple(found))


def _missing_or_extra(frame: pd.DataFrame, names: list[str], strict: bool) -> Iterator[Violation]:
    for name in names:
        if name not in frame.columns:
            yield Violation(f"The source has no column {name!r}; it has {', '.join(map(str, frame.columns))}.")
    extra = [str(c) for c in frame.columns if str(c) not in names]
    if strict and extra:
        yield Violation(
            f"The source has columns that the contract does not list: {', '.join(extra)} (the schema is strict)."
        )


def _ill_typed(column: Column, given: pd.Series, bad: Sequence[int]) -> Iterator[Violation]:
    if bad:
        yield Violation(f"Column {column['name']!r} is {column['logicalType']}, but {_rows(given, bad)}.")


def _rows(values: pd.Series, rows: Sequence[int]) -> str:
    """`3 rows are not: row 5 has 'x', row 9 has 'y', …`; rows count from one, without the header."""
    return f"{len(rows)} row{'s are' if len(rows) > 1 else ' is'} not: {_listed(values, rows)}"


def _listed(values: pd.Series, rows: Sequence[int], shown: bool = True) -> str:
    """`row 5 has 'x', row 9 has 'y', …`, or `row 5, row 9, …`."""
    texts = [f"row {i + 1}" + (f" has {_plain(values.iloc[i])}" if shown else "") for i in rows[:SHOWN]]
    return ", ".join(texts) + (", …" if len(rows) > SHOWN else "")


def _plain(value: Any) -> str:
    """A value as a person writes it."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "…"


def _places(mask: pd.Series) -> list[int]:
    """The rows (from zero) for which a mask over some rows holds."""
    return [int(i) for i in mask.index[mask.fillna(False).astype(bool)]]


def _column(column: Column, values: pd.Series, bad: Sequence[int]) -> Iterator[Violation]:
    """Violations of one column's own bounds; values of another type are told already."""
    name, nulls = column["name"], values.isna()
    empty = [i for i in _places(nulls) if i not in set(bad)]
    if (column.get("required") or column.get("primaryKey")) and empty:
        yield Violation(
            f"Column {name!r} is required, but {_count(empty)} no value ({_listed(values, empty, shown=False)})."
        )
    present = values[~nulls]
    again = _places(present.duplicated())
    if column.get("unique") and again:
        yield Violation(
            f"Column {name!r} is unique, but {_count(again)} a value that came before ({_listed(values, again)})."
        )
    for text, mask in _bounds(column.get("logicalTypeOptions") or {}, present):
        if outside := _places(mask):
            yield Violation(f"Column {name!r} must {text}, but {_rows(values, outside)}.")
    for check in column.get("quality") or ():
        yield from _quality(check, str(name), values.to_frame(str(name)))


def _count(rows: Sequence[int]) -> str:
    return f"{len(rows)} row{'s have' if len(rows) > 1 else ' has'}"


NUMERIC = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_BOUNDS: tuple[tuple[str, str, Callable[[Any, Any], Any]], ...] = (
    ("minimum", "be at least", lambda v, b: v < b),
    ("maximum", "be at most", lambda v, b: v > b),
    ("exclusiveMinimum", "be more than", lambda v, b: v <= b),
    ("exclusiveMaximum", "be less than", lambda v, b: v >= b),
    ("minLength", "have a length of at least", lambda v, b: v.astype(str).str.len() < b),
    ("maxLength", "have a length of at most", lambda v, b: v.astype(str).str.len() > b),
    ("pattern", "match", lambda v, b: ~v.astype(str).str.fullmatch(b)),
)


def _bounds(options: Mapping[str, Any], present: pd.Series) -> Iterator[tuple[str, Any]]:
    for option, words, broken in _BOUNDS:
        if options.get(option) is not None and len(present):
            yield f"{words} {options[option]}", broken(present, options[option])


def faults(columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """What is wrong with a contract itself: path and reason."""
    names = [c.get("name") for c in columns]
    for i, column in enumerate(columns):
        name, logical, options = names[i], column.get("logicalType"), column.get("logicalTypeOptions") or {}
        if name in names[:i]:
            yield f"properties[{i}].name", f"The column {name!r} is listed twice."
        if logical not in types.CONVERSIONS:
            yield (
                f"properties[{i}].logicalType",
                f"Column {name!r} is {logical!r}, which is none of {', '.join(types.CONVERSIONS)}.",
            )
        elif logical not in ("integer", "number") and (wrong := sorted(NUMERIC & options.keys())):
            yield (
                f"properties[{i}].logicalTypeOptions",
                f"Column {name!r} is {logical}, which has no {', '.join(wrong)}.",
            )
        try:
            re.compile(str(options.get("pattern") or ""))
        except re.error as error:
            yield (
                f"properties[{i}].logicalTypeOptions.pattern",
                f"The pattern of column {name!r} is no regular expression: {error}.",
            )


def _keys(rows: pd.DataFrame, columns: Sequence[Column]) -> Iterator[Violation]:
    """The primary key, over all its columns."""
    names = [str(c["name"]) for c in columns if c.get("primaryKey")]
    if names and all(n in rows.columns for n in names):
        again = _places(rows.dropna(subset=names).duplicated(names))
        if again:
            shown = ", ".join(
                f"row {i + 1} has ({', '.join(_plain(v) for v in rows.loc[i, names])})" for i in again[:SHOWN]
            )
            yield Violation(
                f"The primary key ({', '.join(names)}) repeats in {len(again)} rows: {shown}{', …' if len(again) > SHOWN else ''}."
            )


_COMPARISONS: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
    ("mustBe", "be", lambda v, b: v == b),
    ("mustBeGreaterThan", "be more than", lambda v, b: v > b),
    ("mustBeGreaterOrEqualTo", "be at least", lambda v, b: v >= b),
    ("mustBeLessThan", "be less than", lambda v, b: v < b),
    ("mustBeLessOrEqualTo", "be at most", lambda v, b: v <= b),
)


def _quality(check: Mapping[str, Any], column: str | None, frame: pd.DataFrame) -> Iterator[Violation]:
    """Violations of one check of the library, on one column or on the table."""
    number = measured(check, frame)
    percent = check.get("unit") == "percent"
    value = 100.0 * number / len(frame) if percent and len(frame) else float(number)
    where = f" of column {column!r}" if column else ""
    for option, words, holds in _COMPARISONS:
        if check.get(option) is not None and not holds(value, check[option]):
            shown = f"{value:g}{' %' if percent else ''}"
            yield Violation(
                f"{check['metric']}{where} must {words} {check[option]}, but is {shown}.",
                str(check.get("severity") or "error"),
            )


def measured(check: Mapping[str, Any], frame: pd.DataFrame) -> int:
    """The number of rows that a metric counts; a text of nothing but spaces is a missing value, and no null."""
    match check["metric"]:
        case "rowCount":
            return len(frame)
        case "nullValues":
            return int(frame.isna().any(axis=1).sum())
        case "missingValues":
            return int((frame.isna() | frame.map(lambda v: isinstance(v, str) and not v.strip())).any(axis=1).sum())
        case "duplicateValues":
            return int(frame.dropna(how="all").duplicated().sum())
    valid = list(check.get("validValues") or ())
    column = frame.iloc[:, 0]
    return int((column.notna() & ~column.isin(valid)).sum())
