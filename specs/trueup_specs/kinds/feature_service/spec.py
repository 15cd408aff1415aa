"""`kind: FeatureService`: the features that one model uses (Feast)."""

from __future__ import annotations

from pydantic import Field

from trueup_specs.core.envelope import Items, SpecModel
from trueup_specs.core.references import FeatureViewRef


class Projection(SpecModel):
    """Features of one view."""

    view: FeatureViewRef
    features: Items[str] | None = None
    """Names of features; by default all of the view."""


class FeatureServiceSpec(SpecModel):
    """The features that one model uses."""

    features: Items[Projection] = Field(min_length=1)
    description: str = ""
