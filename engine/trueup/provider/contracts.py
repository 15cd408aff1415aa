"""A dataset's contract on rows: types, bounds and checks in the terms of the Open Data Contract Standard. Pure; used by `table`.

All violations are found, each with its column, its number of rows and the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Column = Mapping[str, Any]
SHOWN = 3


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


def conform(frame: pd.DataFrame, columns: Sequence[Column], strict: bool, quality: Sequence[Mapping[str, Any]]) -> Conformed:
    """The frame's columns as the contract types them, in its order; others are dropped unless `strict` refuses them."""
    import pandas as pd
    import pyarrow as pa

    names = [str(c["name"]) for c in columns]
    found = list(_missing_or_extra(frame, names, strict))
    arrays: dict[str, Any] = {}
    for column in columns:
        name = str(column["name"])
        given = frame[name] if name in frame.columns else pd.Series([None] * len(frame), dtype=object)
        typed, bad = _typed(given, str(column["logicalType"]))
        found += list(_ill_typed(column, given, bad))
        arrays[name] = pa.array(typed, type=arrow_type(str(column["logicalType"])), from_pandas=True)
        if name in frame.columns:
            found += list(_column(column, pd.Series(typed.to_numpy() if hasattr(typed, "to_numpy") else typed)))
    found += list(_keys(frame, columns))
    found += [v for check in quality for v in _quality(check, None, frame)]
    return Conformed(pa.table(arrays), tuple(found))


def arrow_type(logical: str) -> Any:
    """The Arrow type of a logical type."""
    import pyarrow as pa

    return {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[logical]


def _missing_or_extra(frame: pd.DataFrame, names: list[str], strict: bool) -> Iterator[Violation]:
    for name in names:
        if name not in frame.columns:
            yield Violation(f"The source has no column {name!r}; it has {', '.join(map(str, frame.columns))}.")
    extra = [str(c) for c in frame.columns if str(c) not in names]
    if strict and extra:
        yield Violation(f"The source has columns that the contract does not list: {', '.join(extra)} (the schema is strict).")


def _typed(values: pd.Series, logical: str) -> tuple[Any, Any]:
    """The values in the type, and a mask of those that are none of it."""
    import pandas as pd

    present = values.notna()
    match logical:
        case "string":
            return values.astype(object).where(~present, values.astype(str)).where(present, None), present & False
        case "integer":
            numbers = pd.to_numeric(values, errors="coerce")
            whole = numbers.notna() & (numbers % 1 == 0)
            return numbers.where(whole).astype("Float64").astype("Int64"), present & ~whole
        case "number":
            numbers = pd.to_numeric(values, errors="coerce").astype("float64")
            return numbers, present & numbers.isna()
        case "boolean":
            words = values.astype(str).str.strip().str.lower()
            known = words.map({"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False})
            return known.where(present, None).astype("boolean"), present & known.isna()
        case "date":
            moments = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
            return moments.dt.date.where(moments.notna(), None), present & moments.isna()
    moments = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    return moments.dt.as_unit("us"), present & moments.isna()


def _ill_typed(column: Column, given: pd.Series, bad: Any) -> Iterator[Violation]:
    if bad.any():
        yield Violation(f"Column {column['name']!r} is {column['logicalType']}, but {_rows(given, bad)}.")


def _rows(values: pd.Series, mask: Any) -> str:
    """`3 rows are not: row 5 has 'x', row 9 has 'y', …`; rows count from one, without the header."""
    number = int(mask.sum())
    shown = [f"row {i + 1} has {values.iloc[i]!r}" for i in [k for k, on in enumerate(mask) if on][:SHOWN]]
    return f"{number} row{'s are' if number > 1 else ' is'} not: {', '.join(shown)}{', …' if number > SHOWN else ''}"


def _column(column: Column, values: pd.Series) -> Iterator[Violation]:
    """Violations of one column's own bounds."""
    name, nulls = column["name"], values.isna()
    if (column.get("required") or column.get("primaryKey")) and nulls.any():
        yield Violation(f"Column {name!r} is required, but {int(nulls.sum())} rows have no value (first: row {int(nulls.argmax()) + 1}).")
    present = values[~nulls]
    if column.get("unique") and present.duplicated().any():
        again = present[present.duplicated()]
        yield Violation(f"Column {name!r} is unique, but {len(again)} rows repeat a value (first: {again.iloc[0]!r}).")
    for text, mask in _bounds(column.get("logicalTypeOptions") or {}, present):
        if mask.any():
            worst = present[mask]
            yield Violation(f"Column {name!r} must {text}, but {len(worst)} rows do not (first: row {int(worst.index[0]) + 1} has {worst.iloc[0]!r}).")
    for check in column.get("quality") or ():
        yield from _quality(check, str(name), values.to_frame(str(name)))


def _bounds(options: Mapping[str, Any], present: pd.Series) -> Iterator[tuple[str, Any]]:
    for option, words, broken in (
        ("minimum", "be at least", lambda v, b: v < b),
        ("maximum", "be at most", lambda v, b: v > b),
        ("exclusiveMinimum", "be more than", lambda v, b: v <= b),
        ("exclusiveMaximum", "be less than", lambda v, b: v >= b),
        ("minLength", "have a length of at least", lambda v, b: v.astype(str).str.len() < b),
        ("maxLength", "have a length of at most", lambda v, b: v.astype(str).str.len() > b),
        ("pattern", "match", lambda v, b: ~v.astype(str).str.fullmatch(b)),
    ):
        if options.get(option) is not None and len(present):
            yield f"{words} {options[option]}", broken(present, options[option])


def _keys(frame: pd.DataFrame, columns: Sequence[Column]) -> Iterator[Violation]:
    """The primary key, over all its columns."""
    names = [str(c["name"]) for c in columns if c.get("primaryKey")]
    if names and all(n in frame.columns for n in names):
        again = frame.duplicated(names)
        if again.any():
            first = tuple(frame.loc[again, names].iloc[0])
            yield Violation(f"The primary key ({', '.join(names)}) repeats in {int(again.sum())} rows (first: {first}).")


_COMPARISONS = (
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
            yield Violation(f"{check['metric']}{where} must {words} {check[option]}, but is {shown}.", str(check.get("severity") or "error"))


def measured(check: Mapping[str, Any], frame: pd.DataFrame) -> int:
    """The number of rows that a metric counts."""
    match check["metric"]:
        case "rowCount":
            return len(frame)
        case "nullValues" | "missingValues":
            return int(frame.isna().any(axis=1).sum())
        case "duplicateValues":
            return int(frame.duplicated().sum())
    valid = list(check.get("validValues") or ())
    column = frame.iloc[:, 0]
    return int((column.notna() & ~column.isin(valid)).sum())
