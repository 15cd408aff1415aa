"""Which documents a document refers to, found from the `Reference` marks of its model."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, Reference, qualified

WORKSPACE_KINDS = frozenset({"Environment", "Team", "Policy", "AccessPolicy"})
"""Kinds that have no namespace."""


class Link(typing.NamedTuple):
    """A reference as found: the path of the string, and the key it means."""

    path: Path
    key: Key


_Node = tuple[str, typing.Any]
# A model's plan: (field, alias, node); a node is ("ref", mark) | ("list", node) | ("map", node) | ("model", class).


@functools.cache
def _plan(model: type[BaseModel]) -> tuple[tuple[str, str, _Node], ...]:
    found = []
    hints = typing.get_type_hints(model, include_extras=True)
    for name, info in model.model_fields.items():
        node = _node(hints[name])
        if node is not None:
            found.append((name, info.alias or name, node))
    return tuple(found)


def _node(hint: typing.Any) -> _Node | None:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        base, *marks = typing.get_args(hint)
        for mark in marks:
            if isinstance(mark, Reference):
                return ("ref", mark)
        return _node(base)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not types.NoneType]
        nodes = [n for n in map(_node, options) if n is not None]
        if len(options) == 1:
            return nodes[0] if nodes else None
        return ("any", tuple(nodes)) if nodes else None
    if origin in (tuple, list):
        inner = _node(typing.get_args(hint)[0])
        return ("list", inner) if inner else None
    if origin is dict:
        inner = _node(typing.get_args(hint)[1])
        return ("map", inner) if inner else None
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return ("model", hint) if _plan(hint) else None
    return None


_Found = list[tuple[Path, str, str]]
"""Path, kind and text of each reference."""


def _in_model(model: BaseModel, path: Path, found: _Found) -> None:
    """Adds the references of a model to those found. (Generators in generators would take three times as long.)"""
    for field, alias, node in _plan(model.__class__):
        value = getattr(model, field)
        if value is not None:
            _in_value(node, value, (*path, alias), found)


def _in_value(node: _Node, value: typing.Any, path: Path, found: _Found) -> None:
    tag, inner = node
    if tag == "ref":
        if isinstance(value, str) and value not in inner.words:
            found.append((path, inner.kind, value))
    elif tag == "model":
        _in_model(value, path, found)
    elif tag == "list":
        for position, item in enumerate(value):
            _in_value(inner, item, (*path, position), found)
    elif tag == "map":
        for name, item in value.items():
            _in_value(inner, item, (*path, name), found)
    else:
        for option in inner:
            if option[0] == "model" and not isinstance(value, option[1]):
                continue
            if option[0] == "list" and not isinstance(value, tuple):
                continue
            if option[0] == "map" and not isinstance(value, dict):
                continue
            _in_value(option, value, path, found)


def references(document: Document) -> Sequence[Link]:
    """Every reference of a document, in the order of its fields; `owner` and `environments` included. Looked for once a document."""
    if not document.links:
        document.links.append(tuple(_references(document)))
    found: tuple[Link, ...] = document.links[0]
    return found


def _references(document: Document) -> Iterator[Link]:
    own = document.key.namespace
    found: _Found = []
    _in_model(document.metadata, ("metadata",), found)
    _in_model(document.spec, ("spec",), found)
    for path, kind, text in found:
        namespace, name = qualified(text, own)
        yield Link(path, Key(kind, "" if kind in WORKSPACE_KINDS else namespace, name))


def referable(model: type[BaseModel], path: str = "spec") -> Iterator[tuple[str, str]]:
    """Where a model's values may refer to documents, and of which kind: (`spec.steps[].inputs`, `Dataset`). For documentation."""
    for _, alias, node in _plan(model):
        yield from _places(node, f"{path}.{alias}")


def _places(node: _Node, path: str) -> Iterator[tuple[str, str]]:
    tag, inner = node
    if tag == "ref":
        yield path, inner.kind
    elif tag == "any":
        for option in inner:
            yield from _places(option, path)
    elif tag == "list":
        yield from _places(inner, f"{path}[]")
    elif tag == "map":
        yield from _places(inner, f"{path}.NAME")
    else:
        yield from referable(inner, path)
