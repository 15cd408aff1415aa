"""`kind: FeatureView`: features computed from a dataset, by entity and time (Feast)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, SpecModel
from trueup_specs.core.references import DatasetRef, EntityRef


class Feature(SpecModel):
    """One feature: a column of the dataset."""

    name: str = Field(min_length=1)
    type: Literal["string", "int64", "float64", "bool", "timestamp"]
    description: str = ""


class FeatureViewSpec(SpecModel):
    """Features of an entity, from a dataset, valid for a time."""

    entities: Items[EntityRef] = Field(min_length=1)
    dataset: DatasetRef
    timestamp_field: str = Field(min_length=1)
    """The column with the time at which a row became known; joins never look past it."""
    created_timestamp_column: str | None = None
    """Breaks ties of equal times: the row created last wins."""
    ttl: Duration | None = None
    """How old a row may be to count; by default any age."""
    features: Items[Feature] = Field(min_length=1)
    online: bool = True
    """Whether the latest values are kept for serving."""
    description: str = ""
