"""Rules of `kind: Dataset` (TRU1350 to TRU1419): its columns. See `quality_rules` for its checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.dataset import quality_rules
from trueup_specs.kinds.dataset.spec import DatasetSpec, LogicalTypeOptions
from trueup_specs.kinds.envelope.words import instead

_NUMBERS = frozenset({"integer", "number"})
_GOOD = """
    kind: DataSource
    metadata: {name: raw}
    spec: {file: {url: "https://example.com/raw.csv", format: csv}}
    ---
    kind: Dataset
    metadata: {name: customers}
    spec:
      source: raw
      timestamp: seen_at
      schema:
        properties:
          - {name: customer_id, logicalType: string, required: true, primaryKey: true, logicalTypeOptions: {pattern: "C[0-9]+"}}
          - {name: seen_at, logicalType: timestamp}
          - {name: tenure, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 1200}}
    """


class ColumnTwice(SpecRule[DatasetSpec]):
    """Each column must stand once."""

    code = "TRU1350"
    reason = "Which of the two contracts holds could not be told."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string}, {name: id, logicalType: integer}]}}
        #                                                                                 ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(p.name for p in spec.schema_.properties):
            yield Finding(
                ("spec", "schema", "properties", position, "name"),
                f"The column {name!r} stands twice.",
                fix="Remove one of the two.",
                related=((None, ("spec", "schema", "properties", first), "The first one."),),
            )


class KeyNullable(SpecRule[DatasetSpec]):
    """A column of the primary key cannot allow nulls."""

    code = "TRU1351"
    reason = "A row without its key could be neither found nor told from another."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string, primaryKey: true, required: false}]}}
        #                                                                                                     ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, column in enumerate(spec.schema_.properties):
            if column.primary_key and "required" in column.model_fields_set and not column.required:
                yield Finding(
                    ("spec", "schema", "properties", position, "required"),
                    f"The column {column.name!r} is the primary key, and so has a value in every row.",
                    fix="Remove `required: false`.",
                )


class BoundsOfOther(SpecRule[DatasetSpec]):
    """Bounds must fit the column's type: numbers have `minimum` and `maximum`, text has lengths and a pattern."""

    code = "TRU1352"
    reason = "The bound would never be checked, though its author thinks that it is."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string, logicalTypeOptions: {minimum: 1}}]}}
        #                                                                                              ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, column in enumerate(spec.schema_.properties):
            options = column.logical_type_options
            for field in options.model_fields_set if options is not None else ():
                of_text = field in ("min_length", "max_length", "pattern")
                fits = column.logical_type == "string" if of_text else column.logical_type in _NUMBERS
                if not fits and getattr(options, field) is not None:
                    alias = LogicalTypeOptions.model_fields[field].alias or field
                    yield Finding(
                        ("spec", "schema", "properties", position, "logicalTypeOptions", alias),
                        f"The column {column.name!r} is {column.logical_type}, which has no `{alias}`.",
                        at_key=True,
                        fix="Remove it, or write the column's real type.",
                    )


class BoundsCrossed(SpecRule[DatasetSpec]):
    """The least value must not be above the greatest, nor the least length."""

    code = "TRU1353"
    reason = "No row could ever keep the contract."
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
          schema: {properties: [{name: age, logicalType: integer, logicalTypeOptions: {minimum: 9, maximum: 1}}]}
        #                                                                                                   ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, column in enumerate(spec.schema_.properties):
            o = column.logical_type_options
            if o is None:
                continue
            pairs = (
                (o.minimum, o.maximum, "maximum", False),
                (o.exclusive_minimum, o.maximum, "maximum", True),
                (o.minimum, o.exclusive_maximum, "exclusiveMaximum", True),
                (o.exclusive_minimum, o.exclusive_maximum, "exclusiveMaximum", True),
                (o.min_length, o.max_length, "maxLength", False),
            )
            for least, most, alias, strict in pairs:
                if least is not None and most is not None and (least > most or (strict and least == most)):
                    yield Finding(
                        ("spec", "schema", "properties", position, "logicalTypeOptions", alias),
                        f"No value of {column.name!r} is both {'above' if strict else 'at least'} {least} and within {most}.",
                        fix="Exchange the two, or correct one.",
                    )
                    break


class PatternInvalid(SpecRule[DatasetSpec]):
    """`pattern` must be a regular expression."""

    code = "TRU1354"
    reason = "It could not be compared with any value."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string, logicalTypeOptions: {pattern: "[a-"}}]}}
        #                                                                                                       ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, column in enumerate(spec.schema_.properties):
            pattern = column.logical_type_options.pattern if column.logical_type_options is not None else None
            if pattern is None:
                continue
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                yield Finding(
                    ("spec", "schema", "properties", position, "logicalTypeOptions", "pattern"),
                    f"The pattern of {column.name!r} is no regular expression: {error}.",
                    fix="Correct it; in double quotes YAML wants each backslash twice.",
                )


class TimestampUnknown(SpecRule[DatasetSpec]):
    """`timestamp` must be a column of type timestamp or date."""

    code = "TRU1355"
    reason = "Rows could not be put in the order of time, and features would look into the future."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, timestamp: sen_at, schema: {properties: [{name: seen_at, logicalType: timestamp}]}}
        #                              ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.timestamp is None:
            return
        column = next((p for p in spec.schema_.properties if p.name == spec.timestamp), None)
        if column is None:
            yield Finding(
                ("spec", "timestamp"),
                f"There is no column {spec.timestamp!r}.",
                fix=instead(spec.timestamp, (p.name for p in spec.schema_.properties)),
            )
        elif column.logical_type not in ("timestamp", "date"):
            yield Finding(
                ("spec", "timestamp"),
                f"The column {column.name!r} is {column.logical_type} and holds no times.",
                fix="Name a column of type timestamp or date, or write that as the column's `logicalType`.",
            )


class PersonalPublic(SpecRule[DatasetSpec]):
    """Data about persons should not be classified as public."""

    code = "TRU1356"
    severity = Severity.WARNING
    reason = "Whoever reads `public` hands the column on."
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
          schema: {properties: [{name: email, logicalType: string, personal: true, classification: public}]}
        #                                                                                          ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, column in enumerate(spec.schema_.properties):
            if column.personal and column.classification == "public":
                yield Finding(
                    ("spec", "schema", "properties", position, "classification"),
                    f"The column {column.name!r} is about persons and classified as public.",
                    fix="Write `confidential` or `restricted`, or remove `personal`.",
                )


class VersionImpossible(SpecRule[DatasetSpec]):
    """`version` must be `latest` or a version of the table: 0 or more."""

    code = "TRU1357"
    reason = "Versions of a table count from zero, so no such version can be read."
    good = _GOOD
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, version: -1, schema: {properties: [{name: id, logicalType: string}]}}
        #                            ^
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        if isinstance(spec.version, int) and spec.version < 0:
            yield Finding(
                ("spec", "version"),
                f"There is no table version {spec.version}.",
                fix="Write `latest` or a number from 0.",
            )


class PromiseOfNothing(SpecRule[DatasetSpec]):
    """`slaProperties[].element` must be a column."""

    code = "TRU1358"
    reason = "The promise would be about nothing."
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
          slaProperties: [{property: freshness, value: 1, unit: d, element: sen_at}]
        #                                                                   ^
          schema: {properties: [{name: seen_at, logicalType: timestamp}]}
        """

    def find(self, spec: DatasetSpec, document: Document, index: Index) -> Iterator[Finding]:
        names = {p.name for p in spec.schema_.properties} if spec.sla_properties else set()
        for position, promise in enumerate(spec.sla_properties):
            if promise.element is not None and promise.element.rpartition(".")[2] not in names:
                yield Finding(
                    ("spec", "slaProperties", position, "element"),
                    f"There is no column {promise.element!r}.",
                    fix=instead(promise.element, names),
                )


RULES: tuple[type[Rule], ...] = (
    ColumnTwice,
    KeyNullable,
    BoundsOfOther,
    BoundsCrossed,
    PatternInvalid,
    TimestampUnknown,
    PersonalPublic,
    VersionImpossible,
    PromiseOfNothing,
    *quality_rules.RULES,
)
