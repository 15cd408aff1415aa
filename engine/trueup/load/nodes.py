"""YAML as nodes that know where they stand, and the values that they mean in YAML 1.2's core schema. Pure values.

Made by `load/yaml.py` for files in which something is to be pointed at; the bulk is read without nodes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup_specs.core.positions import Path

_NULL = re.compile(r"^(?:null|Null|NULL|~|)$")
_TRUE = re.compile(r"^(?:true|True|TRUE)$")
_FALSE = re.compile(r"^(?:false|False|FALSE)$")
_INTEGER = re.compile(r"^[-+]?[0-9]+$")
_OCTAL = re.compile(r"^0o[0-7]+$")
_HEXADECIMAL = re.compile(r"^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_INFINITE = re.compile(r"^[-+]?\.(?:inf|Inf|INF)$")
_NAN = re.compile(r"^\.(?:nan|NaN|NAN)$")
LONGEST_NUMBER = 400
"""Digits of a number; longer ones are texts that someone forgot to quote, and converting them takes quadratic time."""


@dataclass(slots=True, eq=False)
class Node:
    """A scalar, mapping or sequence. Line and column count from one. Equal anchors are one object."""

    kind: Literal["scalar", "mapping", "sequence"]
    line: int
    column: int
    value: Any = None
    """A scalar's value."""
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)


def scalar(text: str, plain: bool, tag: str | None) -> Any:
    """The value of a scalar: quoted ones are strings, plain ones what YAML 1.2's core schema says. Raises ValueError."""
    if tag in ("!", "tag:yaml.org,2002:str", "!!str") or (not plain and tag is None):
        return text
    value = _plain(text)
    wanted = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
    name = (tag or "").rpartition(":")[2]
    if (
        tag is not None
        and name in wanted
        and (not isinstance(value, wanted[name]) or (name != "bool" and isinstance(value, bool)))
    ):
        raise ValueError(f"{text!r} is no {name}")
    return float(value) if name == "float" else value


def _plain(text: str) -> Any:
    if _NULL.match(text):
        return None
    if _TRUE.match(text):
        return True
    if _FALSE.match(text):
        return False
    if not (text[0].isdigit() or text[0] in "+-."):
        return text
    return _number(text)


def _number(text: str) -> Any:
    if len(text) > LONGEST_NUMBER and (_INTEGER.match(text) or _FLOAT.match(text) or _HEXADECIMAL.match(text)):
        raise ValueError(f"a number of {len(text)} digits")
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.match(text):
            return int(text[2:] if base != 10 else text, base)
    if _FLOAT.match(text):
        return float(text)
    if _INFINITE.match(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if _NAN.match(text) else text


def value_of(node: Node) -> Any:
    """The plain value of a node. Aliases are followed: the loader has bounded them."""
    if node.kind == "scalar":
        return node.value
    if node.kind == "sequence":
        return [value_of(item) for item in node.items]
    return {_key(key): value_of(value) for key, value in node.pairs}


def _key(node: Node) -> Any:
    return node.value if node.kind == "scalar" else f"({node.kind})"


def find(node: Node, path: Path) -> Iterator[tuple[Node | None, Node]]:
    """The way down a path: (key node, value node) for each part, as far as it is written."""
    for part in path:
        found: tuple[Node | None, Node] | None = None
        if node.kind == "mapping":
            found = next(((k, v) for k, v in node.pairs if k.value == part), None)
        elif node.kind == "sequence" and isinstance(part, int) and part < len(node.items):
            found = (None, node.items[part])
        if found is None:
            return
        yield found
        node = found[1]


def place(node: Node, path: Path, at_key: bool = False) -> tuple[int, int]:
    """Line and column of a path; where a part is not written, of the key of the nearest part that is."""
    steps = list(find(node, path))
    if len(steps) < len(path):
        at_key = True
    key, value = steps[-1] if steps else (None, node)
    chosen = key if at_key and key is not None else value
    return chosen.line, chosen.column
