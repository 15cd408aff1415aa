"""One column's values in a contract's type, exactly: no integer goes through a float, no date ends in 2262. Used by `contracts` alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LEAST, MOST = -(2**63), 2**63 - 1
WORDS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


@dataclass(frozen=True, slots=True)
class Typed:
    """A column in its type; `bad` are the rows (from zero) whose value is none of it, and stands as no value."""

    array: pa.Array
    bad: list[int]

    def series(self) -> pd.Series:
        """The values for checks, missing ones as no value."""
        import pandas as pd
        import pyarrow as pa

        if pa.types.is_integer(self.array.type):
            return pd.Series(self.array.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))
        if not (pa.types.is_boolean(self.array.type) or pa.types.is_date(self.array.type)):
            return pd.Series(self.array.to_pandas())
        return pd.Series(self.array.to_pylist(), dtype=object)


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


def logical_type(arrow: Any) -> str:
    """The logical type of a column that is there."""
    import pyarrow as pa

    for logical, holds in (
        ("integer", pa.types.is_integer),
        ("number", lambda t: pa.types.is_floating(t) or pa.types.is_decimal(t)),
        ("boolean", pa.types.is_boolean),
        ("date", pa.types.is_date),
        ("timestamp", pa.types.is_timestamp),
    ):
        if holds(arrow):
            return str(logical)
    return "string"


def typed(values: pd.Series, logical: str) -> Typed:
    """All values in the type: at once where Arrow can and means the same, else one by one."""
    import pandas as pd
    import pyarrow as pa

    quick = _at_once(values, logical)
    if quick is not None:
        return Typed(quick, [])
    convert = CONVERSIONS[logical]
    kept: list[Any] = []
    bad: list[int] = []
    missing = values.isna().to_numpy()
    for row, value in enumerate(values.astype(object).tolist()):
        if missing[row]:
            kept.append(None)
            continue
        try:
            kept.append(convert(value.to_pydatetime() if isinstance(value, pd.Timestamp) else value))
        except (ValueError, OverflowError, InvalidOperation, TypeError):
            kept.append(None)
            bad.append(row)
    return Typed(pa.array(kept, type=arrow_type(logical)), bad)


def _at_once(values: pd.Series, logical: str) -> pa.Array | None:
    """The column as Arrow casts it; None where a value is none of the type, or where Arrow takes what we do not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        array = pa.array(values, from_pandas=True)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if str(array.type) not in CASTS[logical] or (pa.types.is_string(array.type) and _foreign(array, logical)):
            return None
        done = array.cast(arrow_type(logical))
    except (pa.ArrowException, ValueError, TypeError):
        return None
    return None if logical == "number" and pc.any(pc.is_nan(done)).as_py() else done


CASTS = {
    "string": ("string", "large_string"),
    "integer": ("string", "int64", "int32"),
    "number": ("string", "int64", "double"),
    "boolean": ("bool",),
    "date": ("string", "date32[day]"),
    "timestamp": ("string", "timestamp[us, tz=UTC]"),
}


def _foreign(array: pa.Array, logical: str) -> bool:
    """Whether texts hold numbers in a form that Arrow reads and we do not: hexadecimal ones."""
    import pyarrow.compute as pc

    return logical in ("integer", "number") and bool(pc.any(pc.match_substring(array, "x", ignore_case=True)).as_py())


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value.encode().decode()  # a lone surrogate is no text
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if text.lstrip("+-").isdecimal() and text.isascii() else Decimal(text)
    number = int(value)
    if number != value or not LEAST <= number <= MOST:
        raise ValueError(value)
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise ValueError(value)
    number = float(value)
    if math.isnan(number):
        raise ValueError(value)
    return number


def _boolean(value: Any) -> bool:
    known = WORDS.get(str(value).strip().lower())
    if known is None:
        raise ValueError(value)
    return known


def _date(value: Any) -> date:
    moment = _moment(value)
    return moment.date() if isinstance(moment, datetime) else moment


def _timestamp(value: Any) -> datetime:
    moment = _moment(value)
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment(value: Any) -> date:
    """A date or a time; of texts those of ISO 8601."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    text = value.strip()
    return date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
}
