"""Parts of specs that hold secrets or resources, such as steps, predictors and connections. Base of the rules about what is in them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from trueup_specs.core.envelope import Resources, SecretRef, SpecModel
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import PartRule
from trueup_specs.core.values import fields_with, noted


@functools.cache
def _fields(spec: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys((*fields_with(spec, SecretRef), *fields_with(spec, Resources))))


def holders(spec: BaseModel) -> Sequence[tuple[Path, SpecModel]]:
    """The outermost parts of a spec that can hold a secret or resources, each with its path in the document."""
    return noted(spec, _holders)


def _holders(spec: BaseModel) -> Sequence[tuple[Path, SpecModel]]:
    return tuple(_found(spec))


def _found(spec: BaseModel) -> Iterator[tuple[Path, SpecModel]]:
    for name, alias in _fields(type(spec)):
        value = getattr(spec, name)
        if isinstance(value, SpecModel):
            yield ("spec", alias), value
        elif value:
            yield from _outermost(value, ("spec", alias))


def _outermost(value: object, path: Path) -> Iterator[tuple[Path, SpecModel]]:
    if isinstance(value, SpecModel):
        yield path, value
    elif isinstance(value, tuple):
        for position, item in enumerate(value):
            yield from _outermost(item, (*path, position))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _outermost(item, (*path, key))


class HolderRule(PartRule[SpecModel], abstract=True):
    """A rule about what a step, a predictor or a connection holds. Paths of its findings begin there."""

    @staticmethod
    def parts(spec: BaseModel) -> Sequence[tuple[Path, SpecModel]]:
        return holders(spec)
