"""What each field of a scene changes: one field at a time gets another value, and the scene is compiled again."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from trueup_test_scenes import with_spec

from trueup.compile.compilation import compile_catalog
from trueup.resolve.catalog import Catalog
from trueup_specs.kinds import KINDS
from trueup_stacks import matrix
from trueup_stacks.targets import TARGETS

Change = tuple[str, BaseModel]
"""A dotted field, and the model with another value there."""


def others(value: Any, hint: Any = None) -> list[Any]:
    """Other values of the same shape. They need not be valid: compile only sees valid ones, and reading is all that matters."""
    if typing.get_origin(hint) is typing.Literal:
        return [option for option in typing.get_args(hint) if option != value]
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1]
        case str() if re.fullmatch(r"(?:\d+(?:ms|s|m|h|d|w))+", value):
            return [f"1{value}"]
        case str():
            return [f"{value}-other", "dev", "prod"]
        case tuple():
            return [(*value, others(value[-1])[0]), value[:-1]]
        case dict():
            return [{**value, next(iter(value)): others(next(iter(value.values())))[0]}]
        case BaseModel():
            name = next(iter(type(value).model_fields))
            return [value.model_copy(update={name: others(getattr(value, name))[0]})]
    raise AssertionError(f"No other value of {value!r}")


def changes(model: BaseModel, prefix: str = "spec") -> Iterator[Change]:
    """The model with each of its fields that is set changed, one at a time."""
    hints = typing.get_type_hints(type(model))
    for name, info in type(model).model_fields.items():
        path = f"{prefix}.{info.alias or name}"
        for inner, changed in _inside(getattr(model, name), path, hints[name]):
            yield inner, model.model_copy(update={name: changed})


def _inside(value: Any, path: str, hint: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from changes(value, path)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value):
            for inner, changed in changes(item, f"{path}[]"):
                yield inner, (*value[:number], changed, *value[number + 1 :])
    elif isinstance(value, dict) and value and isinstance(next(iter(value.values())), BaseModel) and _declared(value):
        for key, item in value.items():
            for inner, changed in changes(item, f"{path}.*"):
                yield inner, {**value, key: changed}
    elif value is not None and value != () and value != {}:
        yield from ((path, changed) for changed in others(value, hint))


def _declared(value: dict[str, Any]) -> bool:
    """Whether a map holds models only, and no environment values."""
    return not any(hasattr(item, "secret_ref") or isinstance(item, str) for item in value.values())


def digests(catalog: Catalog) -> Any:
    """What the scene compiles to; an error is a reading too, as where a reference now leads nowhere."""
    try:
        compilation = compile_catalog(catalog)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return repr(error)
    refused = tuple(d.summary for d in compilation.diagnostics if d.code == "TRU2006")
    return {str(id): stack.digest for id, stack in compilation.stacks.items()}, refused


def proofs(scenes: Iterable[Catalog], kind: str) -> dict[str, bool]:
    """For each field of a kind: whether a change of it changed what a scene compiles to, in any of its documents."""
    found: dict[str, bool] = {}
    for given in scenes:
        before = digests(given)
        for document in given.of_kind(kind):
            for path, changed in changes(document.spec):
                if not found.get(path):
                    found[path] = digests(with_spec(given, document.key, changed)) != before
    return found


def honoured_fields(given: Catalog, kind: str, *refused: str) -> tuple[set[str], set[str]]:
    """The fields of a kind that its target is said to honour in this scene, and those of them whose change changes something.

    `refused` begins the fields that a refusal is about.
    """
    support, proved = TARGETS[given.settings.target].kinds[kind], proofs([given], kind)
    declared = (*(u.path for u in support.unhonoured if u.where(given)), *support.no_resource)
    fields = (p for p in matrix.fields(KINDS[kind].spec) if not p.startswith(refused))
    honoured = {p for p in fields if not any(matrix.covers(d, p) for d in declared)}
    return honoured, {p for p in honoured if any(read and matrix.covers(p, q) for q, read in proved.items())}
