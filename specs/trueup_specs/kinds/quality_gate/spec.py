"""`kind: QualityGate`: what a candidate model must prove before it is promoted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel
from trueup_specs.core.references import DatasetRef, ModelRef


class Check(SpecModel):
    """One proof: a threshold, or an effect against the model compared with."""

    name: Name | None = None
    metric: str = Field(min_length=1)
    """A metric of the pipeline (threshold), or one that can be computed from rows (effect): `accuracy`, `f1`, `precision`,
    `recall`, `roc_auc`, `log_loss`, `brier`, `rmse`, `mae`, `r2`."""
    direction: Literal["maximize", "minimize"] = "maximize"
    threshold: int | float | None = None
    """The metric's confidence bound (or value, for test `none`) must reach it."""
    min_effect: int | float | None = None
    """How much better than the champion it must be; negative allows that much worse (non-inferiority)."""
    test: Literal["pairedBootstrap", "none"] = "pairedBootstrap"
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    min_samples: int = Field(default=100, ge=2)
    """Fewer rows make the check inconclusive."""
    slice: str | None = None
    """A CEL condition over the row's columns: the check is made on these rows only."""


class QualityGateSpec(SpecModel):
    """What a candidate model must prove before it is promoted."""

    model: ModelRef
    dataset: DatasetRef | None = None
    """Rows to compare on; by default the rows that the pipeline's `split` held out."""
    compare_to: Literal["champion", "none"] | str = "champion"
    """`champion` (the version served now), `none`, or another model's name."""
    checks: Items[Check] = Field(min_length=1)
    on_inconclusive: Literal["hold", "pass"] = "hold"
    """What an inconclusive check does; it never counts as a pass by itself."""
    resamples: int = Field(default=2000, ge=100, le=100_000)
    """Bootstrap resamples."""
    description: str = ""
