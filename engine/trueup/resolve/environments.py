"""An environment's settings, with what it extends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup_specs.core.envelope import Document
from trueup_specs.core.patches import merge
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import EnvironmentSpec


def environments(documents: Mapping[Key, Document]) -> tuple[str, ...]:
    """The names of the environments, sorted."""
    return tuple(sorted(k.name for k in documents if k.kind == "Environment"))


def settings(documents: Mapping[Key, Document], name: str) -> EnvironmentSpec:
    """The environment's spec merged over the ones it extends. Raises KeyError where there is none of that name."""
    merged: dict[str, Any] = {}
    chain: list[str] = []
    current: str | None = name
    while current is not None and current not in chain:
        chain.append(current)
        spec = documents[Key("Environment", "", current)].spec
        assert isinstance(spec, EnvironmentSpec)
        merged = merge(spec.model_dump(by_alias=True, exclude_unset=True), merged)
        current = spec.extends
    merged.pop("extends", None)
    return EnvironmentSpec.model_validate(merged)
