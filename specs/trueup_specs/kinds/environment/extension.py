"""What an Environment is with all that it extends, for rules. (`trueup.resolve.environments` is what is applied.)"""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, SpecModel
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Index
from trueup_specs.kinds.environment.spec import EnvironmentSpec


def chain(name: str, index: Index) -> Iterator[EnvironmentSpec]:
    """The specs of an environment and of those that it extends, nearest first; ends at a cycle or an unknown name."""
    seen: set[str] = set()
    current: str | None = name
    while current is not None and current not in seen:
        seen.add(current)
        document: Document | None = index.get(Key("Environment", "", current))
        if document is None:
            return
        assert isinstance(document.spec, EnvironmentSpec)
        yield document.spec
        current = document.spec.extends


def settings(name: str, index: Index) -> EnvironmentSpec | None:
    """The environment's fields, with those of the environments that it extends where it sets none; None if unknown.

    Maps merge field by field; lists replace, but for lists of named items, of which the nearest of each name holds.
    """
    specs = list(chain(name, index))
    if not specs:
        return None
    merged = specs[-1]
    for spec in reversed(specs[:-1]):
        merged = _over(merged, spec)
    return merged


def _over(base: EnvironmentSpec, spec: EnvironmentSpec) -> EnvironmentSpec:
    return base.model_copy(update={field: _merged(base, spec, field) for field in spec.model_fields_set})


def _merged(base: SpecModel, spec: SpecModel, field: str) -> object:
    old, new = getattr(base, field), getattr(spec, field)
    if isinstance(old, SpecModel) and isinstance(new, SpecModel):
        return _over_item(old, new)
    if field == "secret_stores":
        own = {store.name for store in new}
        return (*(store for store in old if store.name not in own), *new)
    if field == "clusters" and new:
        known = {item.name: item for item in old}
        changed = {item.name: _over_item(known[item.name], item) if item.name in known else item for item in new}
        return tuple({**known, **changed}.values())
    return new


def _over_item(old: SpecModel, new: SpecModel) -> SpecModel:
    return old.model_copy(update={name: _merged(old, new, name) for name in new.model_fields_set})
