"""`kind: Dataset`: a table with a contract, in the terms of the Open Data Contract Standard v3."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Scalar, SpecModel
from trueup_specs.core.references import DataSourceRef

LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]


class LogicalTypeOptions(SpecModel):
    """Bounds of a property's values (ODCS `logicalTypeOptions`)."""

    minimum: int | float | None = None
    maximum: int | float | None = None
    exclusive_minimum: int | float | None = None
    exclusive_maximum: int | float | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    pattern: str | None = None
    """A regular expression that the whole value matches."""


class QualityCheck(SpecModel):
    """A check of the library (ODCS `quality`, type `library`)."""

    metric: Literal["rowCount", "nullValues", "missingValues", "invalidValues", "duplicateValues"]
    valid_values: Items[Scalar] = ()
    """`invalidValues`: the values that are valid."""
    must_be: int | float | None = None
    must_be_greater_than: int | float | None = None
    must_be_greater_or_equal_to: int | float | None = None
    must_be_less_than: int | float | None = None
    must_be_less_or_equal_to: int | float | None = None
    unit: Literal["rows", "percent"] = "rows"
    severity: Literal["error", "warning"] = "error"
    description: str = ""


class Property(SpecModel):
    """A column (ODCS `properties`)."""

    name: str = Field(min_length=1)
    logical_type: LogicalType
    description: str = ""
    required: bool = False
    """Refuses nulls."""
    unique: bool = False
    primary_key: bool = False
    classification: Literal["public", "internal", "confidential", "restricted"] | None = None
    personal: bool = False
    """Whether it is data about a person."""
    logical_type_options: LogicalTypeOptions | None = None
    quality: Items[QualityCheck] = ()


class Schema(SpecModel):
    """The columns (ODCS `schema`, of one table)."""

    properties: Items[Property] = Field(min_length=1)
    strict: bool = False
    """Refuses columns that are not listed."""


class SlaProperty(SpecModel):
    """A promise about the data (ODCS `slaProperties`)."""

    property: Literal["latency", "freshness", "frequency", "retention", "availability"]
    value: int | float | str
    unit: str | None = None
    element: str | None = None


class DatasetSpec(SpecModel):
    """A table, loaded from a source, with a contract that holds each time it is loaded."""

    source: DataSourceRef
    schema_: Schema = Field(alias="schema")
    quality: Items[QualityCheck] = ()
    """Checks of the table as a whole."""
    sla_properties: Items[SlaProperty] = ()
    version: int | Literal["latest"] = "latest"
    """The table version that readers get: a number pins it, and only pinned versions are part of an approval."""
    timestamp: str | None = None
    """The column with the time of each row."""
    description: str = ""
