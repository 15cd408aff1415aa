"""A model's fields in words: path, type, default, meaning. Made from its JSON Schema; called by the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from trueup_specs.core.schemas import definitions_of

Json = dict[str, Any]
Row = tuple[str, str, str, str]
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "nothing",
    "array": "list",
    "object": "map",
}
_BOUNDS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))


def rows(model: type[BaseModel]) -> Iterator[Row]:
    """Every field of a model and of the models in it: `predictor.minReplicas`, `steps[].name`, `outputs.NAME.path`."""
    definitions = definitions_of(model)
    yield from _rows(definitions[model.__name__], definitions, "")


def _rows(definition: Json, definitions: Json, prefix: str) -> Iterator[Row]:
    required = definition.get("required", ())
    for name, field in definition.get("properties", {}).items():
        default = "required" if name in required else _default(field)
        yield f"`{prefix}{name}`", _type(field), default, _meaning(field, definitions)
        for suffix, inner in _inner(field):
            yield from _rows(definitions[inner], definitions, f"{prefix}{name}{suffix}.")


def _inner(field: Json, suffix: str = "") -> Iterator[tuple[str, str]]:
    """The definitions that a field holds, each with what its path gets: nothing, `[]` or `.NAME`."""
    if "$ref" in field:
        yield suffix, _name(field)
    for option in field.get("anyOf", ()):
        yield from _inner(option, suffix)
    if "items" in field:
        yield from _inner(field["items"], f"{suffix}[]")
    if isinstance(field.get("additionalProperties"), dict):
        yield from _inner(field["additionalProperties"], f"{suffix}.NAME")


def _default(field: Json) -> str:
    return f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""


def _meaning(field: Json, definitions: Json) -> str:
    """What the field says of itself, or else what is said of what it holds."""
    own = str(field.get("description", ""))
    if not own:
        own = next((str(definitions[n].get("description", "")) for _, n in _inner(field)), "")
    if not own:
        own = next((str(o["description"]) for o in _options(field) if "description" in o), "")
    return " ".join(own.split())


def _options(field: Json) -> Iterator[Json]:
    yield from field.get("anyOf", ())
    if "items" in field:
        yield field["items"]


def _type(field: Json) -> str:
    if "$ref" in field:
        return "map"
    if "anyOf" in field:
        options = [_type(o) for o in field["anyOf"] if o.get("type") != "null"]
        return " or ".join(dict.fromkeys(options))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{v}`" for v in field["enum"])
    if field.get("type") == "array":
        items = field.get("items", {})
        return f"list of {_type(items) if '$ref' not in items else 'maps'}"
    if isinstance(field.get("additionalProperties"), dict):
        inner = field["additionalProperties"]
        return f"map of {_type(inner) if '$ref' not in inner else 'maps'}"
    bounds = " ".join(f"{sign} {field[key]:g}" for key, sign in _BOUNDS if key in field)
    word = _WORDS.get(field.get("type", ""), "anything")
    return f"{word} {bounds}".strip()


def _name(reference: Json) -> str:
    return str(reference["$ref"]).removeprefix("#/$defs/")
