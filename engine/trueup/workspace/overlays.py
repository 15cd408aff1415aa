"""The text of an Overlay: a new one, or one that pins a model's version. Called by `promoting` and `adopting`; pure.

The places come from the file's nodes, and the edit is of the text itself, so that comments, quotes and layout stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.load.nodes import Node
from trueup.load.yaml import closely
from trueup_specs.core.envelope import Document


def pinned(text: str, index: int, version: int) -> str:
    """The text of a file with `spec.patch.version` of its document number `index` set. Raises ValueError where it has no such place."""
    found = [n for n in closely("", text).nodes if n.kind != "scalar" or n.value is not None]
    patch = _at(_at(found[index], "spec"), "patch") if index < len(found) else None
    if patch is None or patch.kind != "mapping":
        raise ValueError("the document has no mapping at spec.patch")
    lines = text.splitlines(keepends=True)
    value = _at(patch, "version")
    if value is not None:
        return _replaced(lines, value, version)
    return _inserted(lines, patch, version)


def _at(node: Node | None, name: str) -> Node | None:
    return next((v for k, v in node.pairs if k.value == name), None) if node is not None else None


def _replaced(lines: list[str], value: Node, version: int) -> str:
    line, start = lines[value.line - 1], value.column - 1
    end = start
    while end < len(line) and line[end] not in " ,}#\r\n":
        end += 1
    lines[value.line - 1] = f"{line[:start]}{version}{line[end:]}"
    return "".join(lines)


def _inserted(lines: list[str], patch: Node, version: int) -> str:
    """A new first key: on a line of its own in a block, after the brace in a flow."""
    at, column = patch.line - 1, patch.column - 1
    line = lines[at]
    if line[column] == "{":
        comma = ", " if patch.pairs else ""
        lines[at] = f"{line[: column + 1]} version: {version}{comma or ' '}{line[column + 1 :].lstrip(' ')}"
        return "".join(lines)
    lines.insert(at, f"{line[:column]}version: {version}\n" if not line[:column].strip() else "")
    return "".join(lines)


def fresh(document: Document, name: str, environment: str, patch: Mapping[str, Any], why: str) -> str:
    """A new file that patches a document's spec in one environment; `why` is the comment above it."""
    owner = f"  owner: {document.metadata.owner}\n" if document.metadata.owner else ""
    namespace = f"  namespace: {document.key.namespace}\n" if document.key.namespace else ""
    return (
        f"# {why}\n"
        "apiVersion: trueup.dev/v1alpha1\n"
        "kind: Overlay\n"
        f"metadata:\n  name: {name}\n{namespace}{owner}"
        f"spec:\n  target: {{ kind: {document.key.kind}, name: {document.key.name} }}\n  environments: [{environment}]\n"
        "  patch:\n" + "".join(_lines(patch, 4))
    )


def _lines(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, below in value.items():
        if isinstance(below, Mapping) and below:
            yield f"{' ' * indent}{key}:\n"
            yield from _lines(below, indent + 2)
        else:
            yield f"{' ' * indent}{key}: {json.dumps(below, ensure_ascii=False)}\n"
