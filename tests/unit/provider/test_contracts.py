"""Contracts on rows: every logical type exactly, every bound, every check of the library."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.provider.columns import typed
from trueup.provider.contracts import conform, faults


def column(logical: str, **more: Any) -> dict[str, Any]:
    """A column `x`."""
    return {"name": "x", "logicalType": logical, **more}


def values(given_values: list[Any], logical: str) -> list[Any]:
    """What the values become; fails where one is refused."""
    done = conform(pd.DataFrame({"x": pd.Series(given_values, dtype=object)}), [column(logical)], False, ())
    assert not done.errors, done.errors
    found: list[Any] = done.table.column("x").to_pylist()
    return found


def told(given_values: list[Any], logical: str, options: dict[str, Any] | None = None, **more: Any) -> list[str]:
    """What a contract says about values."""
    frame = pd.DataFrame({"x": pd.Series(given_values, dtype=object)})
    return [v.text for v in conform(frame, [column(logical, logicalTypeOptions=options, **more)], False, ()).violations]


@pytest.mark.parametrize(
    ("logical", "before", "after"),
    [
        ("integer", ["9007199254740993", None, " -5 ", "7.0", 3, Decimal(2)], [9007199254740993, None, -5, 7, 3, 2]),
        ("number", ["1.5", "-2e3", 3, None, Decimal("0.1")], [1.5, -2000.0, 3.0, None, 0.1]),
        ("boolean", ["true", "False", "1", "0", True, None], [True, False, True, False, True, None]),
        (
            "date",
            ["9999-12-31", "0001-01-01", date(2026, 1, 2), None],
            [date(9999, 12, 31), date(1, 1, 1), date(2026, 1, 2), None],
        ),
        (
            "timestamp",
            ["2026-01-02T03:04:05.000006+02:00", "2026-01-02", "9999-12-31T00:00:00Z", None],
            [
                datetime(2026, 1, 2, 1, 4, 5, 6, UTC),
                datetime(2026, 1, 2, tzinfo=UTC),
                datetime(9999, 12, 31, tzinfo=UTC),
                None,
            ],
        ),
        (
            "string",
            ["Zürich 市 🚆", "e\u0301", 5, True, {"a": ["ü"]}, None],
            ["Zürich 市 🚆", "e\u0301", "5", "true", '{"a": ["ü"]}', None],
        ),
    ],
)
def test_values_are_typed_exactly(logical: str, before: list[Any], after: list[Any]) -> None:
    assert values(before, logical) == after


@pytest.mark.parametrize(
    ("logical", "bad"),
    [
        ("integer", ["1.5", "x", True, str(2**63), "1e400", "NaN"]),
        ("number", ["x", True, "1_000", "nan"]),
        ("boolean", ["yes", "2", 0.5]),
        ("date", ["31.12.2026", "2026-02-30", 5]),
        ("timestamp", ["yesterday", 5]),
        ("string", ["\ud800", b"\xff"]),
    ],
)
def test_what_is_none_of_a_type_is_told_with_its_row(logical: str, bad: list[Any]) -> None:
    for value in bad:
        found = told([None, value], logical=logical)
        assert len(found) == 1 and f"Column 'x' is {logical}, but 1 row is not: row 2 has" in found[0]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))))
def test_every_integer_of_64_bits_comes_through_text_unchanged(numbers: list[int | None]) -> None:
    assert values([None if n is None else str(n) for n in numbers], "integer") == numbers


PLAIN = (
    "1",
    "-7",
    "1.5",
    "0x10",
    "nan",
    "inf",
    " 3",
    "+4",
    "1e3",
    "9007199254740993",
    "2026-01-02",
    "2026-01-02T03:04:05Z",
    "1_0",
    "x",
    "",
    "1.0",
)


@given(
    st.lists(st.one_of(st.none(), st.sampled_from(PLAIN)), max_size=4),
    st.sampled_from(("string", "integer", "number", "date", "timestamp")),
)
def test_a_column_at_once_is_the_same_as_value_by_value(texts: list[str | None], logical: str) -> None:
    together = typed(pd.Series(texts, dtype=object), logical)
    # A value of another kind beside them makes Arrow give up, so that each is converted alone.
    alone = typed(pd.Series([*texts, {"a": 1}], dtype=object), logical)
    assert together.array.to_pylist() == alone.array.to_pylist()[:-1]
    assert together.bad == [row for row in alone.bad if row < len(texts)]


@pytest.mark.parametrize(
    ("described", "given_values", "text"),
    [
        (
            {"logical": "integer", "options": {"minimum": 1}},
            [1, 0],
            "must be at least 1, but 1 row is not: row 2 has 0",
        ),
        (
            {"logical": "integer", "options": {"maximum": 1}},
            [2, None],
            "must be at most 1, but 1 row is not: row 1 has 2",
        ),
        ({"logical": "number", "options": {"exclusiveMinimum": 1}}, [1], "must be more than 1"),
        (
            {"logical": "number", "options": {"exclusiveMaximum": 1}},
            [None, 1.0],
            "must be less than 1, but 1 row is not: row 2 has 1.0",
        ),
        (
            {"logical": "string", "options": {"minLength": 2}},
            ["市", "ab"],
            "have a length of at least 2, but 1 row is not: row 1 has '市'",
        ),
        (
            {"logical": "string", "options": {"maxLength": 1}},
            ["🚆", "ab"],
            "have a length of at most 1, but 1 row is not: row 2 has 'ab'",
        ),
        (
            {"logical": "string", "options": {"pattern": "C[0-9]+"}},
            ["C1", "xC1", "C1x"],
            "must match C[0-9]+, but 2 rows are not: row 2",
        ),
        (
            {"logical": "string", "required": True},
            ["a", None, None],
            "is required, but 2 rows have no value (row 2, row 3)",
        ),
        (
            {"logical": "integer", "unique": True},
            ["1", "01", 2],
            "is unique, but 1 row has a value that came before (row 2 has 1)",
        ),
    ],
)
def test_each_bound_names_the_rows_that_break_it(described: dict[str, Any], given_values: list[Any], text: str) -> None:
    found = told(given_values, **described)
    assert len(found) == 1 and text in found[0], found


@pytest.mark.capability("data-operations/quality-monitoring", by="trueup.provider.contracts:_quality")
@pytest.mark.parametrize(
    ("metric", "number"),
    [("rowCount", 6), ("nullValues", 1), ("missingValues", 2), ("duplicateValues", 2), ("invalidValues", 1)],
)
def test_each_metric_counts_its_rows(metric: str, number: int) -> None:
    frame = pd.DataFrame({"x": ["a", "a", "a", "b", " ", None]})
    valid = {"validValues": ["a", "b"]} if metric == "invalidValues" else {}
    checks = [{"metric": metric, "mustBe": n, **valid} for n in (number, number + 1)]
    found = [v.text for v in conform(frame, [column("string", quality=checks)], False, ()).errors]
    assert found == [f"{metric} of column 'x' must be {number + 1}, but is {number}."]


def test_a_check_in_percent_of_severity_warning_refuses_nothing() -> None:
    check = {"metric": "nullValues", "mustBeLessThan": 10, "unit": "percent", "severity": "warning"}
    done = conform(pd.DataFrame({"x": ["a", None]}), [column("string")], False, [check])
    assert done.errors == () and [v.text for v in done.violations] == ["nullValues must be less than 10, but is 50 %."]


def test_columns_that_are_missing_or_not_listed_are_told() -> None:
    frame = pd.DataFrame({"y": [1], "z": [2]})
    found = [v.text for v in conform(frame, [column("integer")], True, ()).errors]
    assert found == [
        "The source has no column 'x'; it has y, z.",
        "The source has columns that the contract does not list: y, z (the schema is strict).",
    ]


def test_a_primary_key_of_several_columns_repeats_only_as_a_whole() -> None:
    columns = [{"name": n, "logicalType": "integer", "primaryKey": True} for n in ("a", "b")]
    frame = pd.DataFrame({"a": ["1", "1", "01"], "b": ["1", "2", "1"]})
    assert [v.text for v in conform(frame, columns, False, ()).errors] == [
        "The primary key (a, b) repeats in 1 rows: row 3 has (1, 1)."
    ]


def test_a_contract_that_cannot_be_kept_is_told() -> None:
    columns = [column("text"), column("date", logicalTypeOptions={"maximum": 3})]
    assert [path for path, _ in faults(columns)] == [
        "properties[0].logicalType",
        "properties[1].name",
        "properties[1].logicalTypeOptions",
    ]
