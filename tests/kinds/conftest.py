"""Documents from YAML text, judged by the rules of their kinds, with the positions that a person would see."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, MemoryIndex
from trueup_specs.kinds import KINDS


@dataclass(frozen=True)
class Found:
    """A finding as a user sees it: `TRU1600 4:13`, and its sentence."""

    code: str
    line: int
    column: int
    finding: Finding

    def __str__(self) -> str:
        return f"{self.code} {self.line}:{self.column}"


def place(root: Node, path: Path, at_key: bool) -> tuple[int, int]:
    """Line and column of a path; where a part is not written, the key of the nearest part that is."""
    node, key = root, None
    for part in path:
        found: tuple[Node | None, Node] | None = None
        if isinstance(node, MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (None, node.value[part])
        if found is None:
            at_key = True
            break
        key, node = found
    mark = (key if at_key and key is not None else node).start_mark
    return mark.line + 1, mark.column + 1


def parse(text: str) -> tuple[MemoryIndex, dict[Key, Node]]:
    """The documents of a YAML text; its first line may be `# files: a.py, b.csv`."""
    text = inspect.cleandoc(text)
    first = text.partition("\n")[0]
    tree = (
        frozenset(first[len("# files:") :].replace(" ", "").split(",")) if first.startswith("# files:") else frozenset()
    )
    documents: dict[Key, Document] = {}
    nodes: dict[Key, Node] = {}
    values = YAML(typ="safe", pure=True).load_all(text)
    for number, (value, node) in enumerate(zip(values, YAML(pure=True).compose_all(text), strict=True)):
        document = _document(value, number)
        assert document.key not in documents, f"{document.key} stands twice"
        documents[document.key] = document
        nodes[document.key] = node
    return MemoryIndex(documents, tree), nodes


def _document(value: dict[str, Any], number: int) -> Document:
    kind = KINDS[value["kind"]]
    metadata = Metadata.model_validate(value["metadata"])
    namespace = (metadata.namespace or "default") if kind.namespaced else ""
    key = Key(kind.name, namespace, metadata.name)
    return Document(key, metadata, kind.spec.model_validate(value["spec"]), Source("specs.yaml", number))


def findings(text: str) -> list[Found]:
    """What the rules find in a YAML text, in reading order."""
    index, nodes = parse(text)
    found = []
    for key, document in index.documents.items():
        for rule in KINDS[key.kind].rules:
            for finding in rule().check(document, index):
                found.append(Found(rule.code, *place(nodes[key], finding.path, finding.at_key), finding))
    return sorted(found, key=lambda f: (f.line, f.column, f.code))


@pytest.fixture(scope="session")
def judge() -> Callable[[str], list[Found]]:
    return findings
