"""Rules of a Dataset's quality checks (TRU1380 to TRU1419), of the table and of its columns. Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.dataset.spec import DatasetSpec, Property, QualityCheck

_BOUNDS = (
    ("must_be", "mustBe"),
    ("must_be_greater_than", "mustBeGreaterThan"),
    ("must_be_greater_or_equal_to", "mustBeGreaterOrEqualTo"),
    ("must_be_less_than", "mustBeLessThan"),
    ("must_be_less_or_equal_to", "mustBeLessOrEqualTo"),
)
_OF_TYPE: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "date": (str,),
    "timestamp": (str,),
}
_GOOD = """
    kind: DataSource
    metadata: {name: raw}
    spec: {file: {url: "https://example.com/raw.csv", format: csv}}
    ---
    kind: Dataset
    metadata: {name: customers}
    spec:
      source: raw
      quality: [{metric: rowCount, mustBeGreaterThan: 5, mustBeLessThan: 1000}]
      schema:
        properties:
          - {name: contract, logicalType: string, quality: [{metric: invalidValues, validValues: [monthly, yearly], mustBe: 0}]}
    """


def checks(spec: DatasetSpec) -> Iterator[tuple[Path, QualityCheck, Property | None]]:
    """Every check with its path, and the column that it is of."""
    for position, check in enumerate(spec.quality):
        yield ("spec", "quality", position), check, None
    for number, column in enumerate(spec.schema_.properties):
        for position, check in enumerate(column.quality):
            yield ("spec", "schema", "properties", number, "quality", position), check, column


class BoundMissing(SpecRule[DatasetSpec]):
    """A check must say what the number must be."""

    code = "TRU1380"
    reason = "A check without a bound is always passed."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, quality: [{metric: rowCount}], schema: {properties: [{name: id, logicalType: string}]}}
        #                                      ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, check, _ in checks(spec):
            if all(getattr(check, field) is None for field, _ in _BOUNDS):
                yield Finding(
                    (*path, "metric"),
                    f"The check of {check.metric} has no bound.",
                    fix="Add one, such as `mustBe: 0` or `mustBeGreaterThan: 100`.",
                )


class BoundsContradict(SpecRule[DatasetSpec]):
    """The bounds of a check must leave a number that keeps them all."""

    code = "TRU1381"
    reason = "No load could ever pass the check."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec:
          source: raw
          quality: [{metric: rowCount, mustBeGreaterThan: 9, mustBeLessThan: 5}]
        #                    ^
          schema: {properties: [{name: id, logicalType: string}]}
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, check, _ in checks(spec):
            if not _possible(check):
                words = ", ".join(
                    f"`{alias}: {getattr(check, f)}`" for f, alias in _BOUNDS if getattr(check, f) is not None
                )
                yield Finding(
                    (*path, "metric"),
                    f"No {check.metric} keeps {words}.",
                    fix="Correct the bounds; a count is never below 0, and a share never above 100 percent.",
                )


def _possible(check: QualityCheck) -> bool:
    """Whether some count (or some share) keeps all bounds."""
    whole = check.unit == "rows"
    low, low_open = 0.0, False
    high, high_open = (float("inf"), True) if whole else (100.0, False)
    for value, is_open in (
        (check.must_be_greater_than, True),
        (check.must_be_greater_or_equal_to, False),
        (check.must_be, False),
    ):
        if value is not None and (value > low or (value == low and is_open)):
            low, low_open = float(value), is_open
    for value, is_open in (
        (check.must_be_less_than, True),
        (check.must_be_less_or_equal_to, False),
        (check.must_be, False),
    ):
        if value is not None and (value < high or (value == high and is_open)):
            high, high_open = float(value), is_open
    if check.must_be is not None and not (low == high == check.must_be):
        return False
    if whole:  # counts are whole numbers: none lies strictly between 5 and 6
        first = int(low) + 1 if low_open or low != int(low) else int(low)
        return first < high or (first == high and not high_open)
    return low < high or (low == high and not low_open and not high_open)


class ValidValuesMissing(SpecRule[DatasetSpec]):
    """`validValues` belongs to `invalidValues`, which needs it."""

    code = "TRU1382"
    reason = "Which values are invalid could not be told, or the list would never be read."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string, quality: [{metric: invalidValues, mustBe: 0}]}]}}
        #                                                                                            ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, check, _ in checks(spec):
            if check.metric == "invalidValues" and not check.valid_values:
                yield Finding(
                    (*path, "metric"),
                    "The check does not say which values are valid.",
                    fix="Add `validValues: […]`; bounds and patterns stand in the column's `logicalTypeOptions`.",
                )
            if check.metric != "invalidValues" and check.valid_values:
                yield Finding(
                    (*path, "validValues"),
                    f"The check of {check.metric} has no valid values.",
                    at_key=True,
                    fix="Write `metric: invalidValues`, or remove `validValues`.",
                )


class ValidValueType(SpecRule[DatasetSpec]):
    """`validValues` must be of the column's type."""

    code = "TRU1383"
    reason = "A value of another type is never found in the column, so every row would count as invalid."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec:
          source: raw
          schema:
            properties: [{name: age, logicalType: integer, quality: [{metric: invalidValues, validValues: [1, two], mustBe: 0}]}]
        #                                                                                                     ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, check, column in checks(spec):
            if column is None or check.metric != "invalidValues":
                continue
            for position, value in enumerate(check.valid_values):
                wanted = _OF_TYPE[column.logical_type]
                if value is None or (
                    isinstance(value, wanted) and not (isinstance(value, bool) and bool not in wanted)
                ):
                    continue
                yield Finding(
                    (*path, "validValues", position),
                    f"{value!r} is no {column.logical_type}, which the column {column.name!r} is.",
                    fix="Quote it, if it is text."
                    if column.logical_type == "string"
                    else "Remove the quotes, or correct it.",
                )


class CheckOfColumn(SpecRule[DatasetSpec]):
    """`invalidValues` belongs to a column, `rowCount` to the table."""

    code = "TRU1384"
    reason = "The number is not defined there."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec:
          source: raw
          quality: [{metric: invalidValues, validValues: [a], mustBe: 0}]
        #                    ^
          schema: {properties: [{name: id, logicalType: string}]}
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, check, column in checks(spec):
            if column is None and check.metric == "invalidValues":
                yield Finding(
                    (*path, "metric"),
                    f"{check.metric} is counted in one column, and the check is of the whole table.",
                    fix="Move the check to `quality` of the column.",
                )
            if column is not None and check.metric == "rowCount":
                yield Finding(
                    (*path, "metric"),
                    f"rowCount is the table's, and the check is of the column {column.name!r}.",
                    fix="Move the check to `spec.quality`.",
                )


RULES: tuple[type[Rule], ...] = (BoundMissing, BoundsContradict, ValidValuesMissing, ValidValueType, CheckOfColumn)
