"""`kind: Entity`: what features are about (Feast)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, SpecModel


class EntitySpec(SpecModel):
    """What features are about: a customer, a product, a trip."""

    join_key: str = Field(min_length=1)
    """The column that identifies one."""
    value_type: Literal["string", "int64"] = "string"
    description: str = ""
    tags: Items[str] = ()
