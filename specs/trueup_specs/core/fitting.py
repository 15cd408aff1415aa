"""Whether a value fits a JSON Schema, for as much of JSON Schema as the built-in steps use. Called by `steps`.

Most values fit, and to import jsonschema takes longer than to look at all of them; where one does not fit, or a schema says what is not
known here, jsonschema says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: (isinstance(v, int) and not isinstance(v, bool)) or (isinstance(v, float) and v.is_integer()),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


def fits(schema: Schema, value: object, is_open: Callable[[object], bool]) -> bool:
    """Whether a value certainly fits. What `is_open` says yes to fits anything, but not as an option of several."""
    if is_open(value):
        return True
    return all(
        keyword in _CHECKS and _CHECKS[keyword](wanted, value, schema, is_open) for keyword, wanted in schema.items()
    )


_Check = Callable[[Any, Any, Schema, Callable[[object], bool]], bool]


def _number(compare: Callable[[float, float], bool]) -> _Check:
    return lambda wanted, value, *_: not _TYPES["number"](value) or compare(value, wanted)


def _size(kind: type[str] | type[list[Any]]) -> _Check:
    return lambda wanted, value, *_: not isinstance(value, kind) or len(value) >= wanted


def _properties(wanted: Mapping[str, Schema], value: Any, _: Schema, is_open: Callable[[object], bool]) -> bool:
    return not isinstance(value, dict) or all(fits(wanted[k], v, is_open) for k, v in value.items() if k in wanted)


def _others(wanted: object, value: Any, schema: Schema, _: object) -> bool:
    return wanted is False and (not isinstance(value, dict) or value.keys() <= schema.get("properties", {}).keys())


def _items(wanted: Schema, value: Any, _: Schema, is_open: Callable[[object], bool]) -> bool:
    return not isinstance(value, list) or all(fits(wanted, item, is_open) for item in value)


def _different(wanted: object, value: Any, *_: object) -> bool:
    return not isinstance(value, list) or (all(isinstance(v, str) for v in value) and len(set(value)) == len(value))


def _one(wanted: Sequence[Schema], value: Any, *_: object) -> bool:
    return sum(fits(option, value, lambda _: False) for option in wanted) == 1


_CHECKS: Mapping[str, _Check] = {
    "type": lambda wanted, value, *_: wanted in _TYPES and _TYPES[wanted](value),
    "enum": lambda wanted, value, *_: isinstance(value, str) and value in wanted,
    "properties": _properties,
    "required": lambda wanted, value, *_: not isinstance(value, dict) or value.keys() >= set(wanted),
    "additionalProperties": _others,
    "items": _items,
    "uniqueItems": _different,
    "oneOf": _one,
    "pattern": lambda wanted, value, *_: not isinstance(value, str) or re.search(wanted, value) is not None,
    "minLength": _size(str),
    "minItems": _size(list),
    "minimum": _number(lambda value, least: value >= least),
    "maximum": _number(lambda value, most: value <= most),
    "exclusiveMinimum": _number(lambda value, bound: value > bound),
    "exclusiveMaximum": _number(lambda value, bound: value < bound),
    "description": lambda *_: True,
    "default": lambda *_: True,
}
