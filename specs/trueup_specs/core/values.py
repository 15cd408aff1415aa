"""Values inside a spec: those of one model with their paths, and what several rules ask of the same one. Called by rules."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import BaseModel

from trueup_specs.core.positions import Path

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V")
_MOST_NOTES = 100_000
_NOTES: dict[tuple[typing.Any, int], tuple[BaseModel, typing.Any]] = {}
"""What was computed of which model; holding the model keeps its identity its own."""


def noted(model: M, compute: Callable[[M], V]) -> V:
    """`compute(model)`, computed once for a model, which never changes: equal parts of many documents are one model."""
    key = (compute, id(model))
    known = _NOTES.get(key)
    if known is None:
        if len(_NOTES) >= _MOST_NOTES:
            _NOTES.clear()
        known = _NOTES[key] = (model, compute(model))
    value: V = known[1]
    return value


@functools.cache
def _models(hint: typing.Any) -> frozenset[type[BaseModel]]:
    """Every model that a value of this type can hold, at any depth."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        hints = typing.get_type_hints(hint, include_extras=False)
        inner = (_models(hints[name]) for name in hint.model_fields)
        return frozenset({hint}).union(*inner)
    arguments = [a for a in typing.get_args(hint) if a is not types.NoneType and not isinstance(a, (str, int))]
    return frozenset().union(*map(_models, arguments)) if arguments else frozenset()


@functools.cache
def fields_with(model: type[BaseModel], wanted: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    """The fields of `model`, with their aliases, that can hold a `wanted`."""
    hints = typing.get_type_hints(model, include_extras=False)
    fields = model.model_fields.items()
    return tuple((name, info.alias or name) for name, info in fields if wanted in _models(hints[name]))


def instances(value: object, wanted: type[M], path: Path = ()) -> Iterator[tuple[Path, M]]:
    """Every `wanted` inside `value` (a model, list or map), with its path from there."""
    if isinstance(value, wanted):
        yield path, value
    elif isinstance(value, BaseModel):
        for name, alias in fields_with(type(value), wanted):
            yield from instances(getattr(value, name), wanted, (*path, alias))
    elif isinstance(value, (tuple, list)):
        for position, item in enumerate(value):
            yield from instances(item, wanted, (*path, position))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from instances(item, wanted, (*path, key))
