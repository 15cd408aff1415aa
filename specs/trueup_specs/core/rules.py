"""A rule is a unit: one class with a stable code, its documentation and its check.

A kind lists its rules; `validate` runs them; `trueup explain CODE` prints them; a conformance test proves that the
bad example is found and the good one is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found in one document: the path of the value to point at, and the sentence for people.

    `at_key` points at the key of the last path part rather than at its value. `related` names paths in this or in
    other documents that explain it.
    """

    path: Path
    summary: str
    detail: str = ""
    fix: str = ""
    at_key: bool = False
    related: tuple[tuple[Key | None, Path, str], ...] = ()


class Index(Protocol):
    """All documents of a workspace, as a rule may see them."""

    def get(self, key: Key) -> Document | None: ...

    def of_kind(self, kind: str) -> Iterable[Document]: ...

    def targeted_by(self, kind: str, key: Key) -> Iterable[Document]:
        """The documents of `kind` that refer to `key`."""
        ...

    def files(self) -> frozenset[str]:
        """Every path of the tree that is not a document, relative to the workspace folder."""
        ...


class Rule:
    """Base of all rules. The docstring of a subclass is its message and its documentation; it must have one.

    A rule must be pure: the same document and index give the same findings, whatever ran before.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity] = Severity.ERROR
    reason: ClassVar[str]
    good: ClassVar[str]
    bad: ClassVar[str]

    def __init_subclass__(cls) -> None:
        missing = [n for n in ("code", "reason", "good", "bad") if not hasattr(cls, n)]
        if missing or not cls.__doc__:
            raise TypeError(f"rule {cls.__name__} lacks {', '.join(missing) or 'a docstring'}")

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        """Yield what is wrong in `document`."""
        raise NotImplementedError


@dataclass(frozen=True)
class MemoryIndex:
    """An `Index` over documents in memory."""

    documents: Mapping[Key, Document]
    tree: frozenset[str] = frozenset()
    _kinds: dict[str, list[Document]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for document in self.documents.values():
            self._kinds.setdefault(document.key.kind, []).append(document)

    def get(self, key: Key) -> Document | None:
        return self.documents.get(key)

    def of_kind(self, kind: str) -> Iterable[Document]:
        return self._kinds.get(kind, ())

    def targeted_by(self, kind: str, key: Key) -> Iterable[Document]:
        from trueup_specs.core.links import references

        for document in self.of_kind(kind):
            if any(link.key == key for link in references(document)):
                yield document

    def files(self) -> frozenset[str]:
        return self.tree


def lookup(index: Index, kind: str, text: str, namespace: str) -> Document | None:
    """The document that a reference written in `namespace` means."""
    found_namespace, name = qualified(text, namespace)
    return index.get(Key(kind, found_namespace, name)) or index.get(Key(kind, "", name))
