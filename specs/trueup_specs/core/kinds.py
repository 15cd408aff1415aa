"""What makes a kind: its name, model, layer, rules. The registry line of each kind holds one of these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trueup_specs.core.envelope import SpecModel
from trueup_specs.core.rules import Rule


class Layer(StrEnum):
    """The stack of a namespace that a kind's resources live in; WORKSPACE kinds configure and become no resource."""

    WORKSPACE = "workspace"
    FOUNDATION = "foundation"
    DATA = "data"
    MODEL = "model"
    SERVING = "serving"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the language. `holds_data` makes `deletionPolicy: retain` its default."""

    name: str
    spec: type[SpecModel]
    layer: Layer
    rules: tuple[type[Rule], ...] = ()
    namespaced: bool = True
    holds_data: bool = False
