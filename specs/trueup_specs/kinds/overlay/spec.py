"""`kind: Overlay`: what differs in some environments."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel
from trueup_specs.core.references import EnvironmentRef


class OverlayTarget(SpecModel):
    """The document that is changed."""

    kind: str
    name: Name
    namespace: Name | None = None
    """By default the overlay's own."""


class OverlaySpec(SpecModel):
    """A patch of one document in some environments.

    Maps merge; lists of named items merge by `name`; `{name: x, $patch: delete}` removes one; `null` deletes a key;
    other lists replace. Overlays of one document apply in the order of their names.
    """

    target: OverlayTarget
    environments: Items[EnvironmentRef] = Field(min_length=1)
    patch: dict[str, Any]
    """The changed fields of the target's `spec`."""
