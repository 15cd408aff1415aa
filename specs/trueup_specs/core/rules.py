"""A rule is a unit: one class with a stable code, its documentation and its check.

A kind lists its rules; `validate` runs them; `trueup explain CODE` prints them; a conformance test proves that the
bad example is found and the good one is not.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from trueup_specs.core import docstrings
from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document, SpecModel
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified

S = TypeVar("S", bound=SpecModel)
P = TypeVar("P", bound=SpecModel)
V = TypeVar("V")


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

    def written(self, key: Key) -> bool:
        """Whether there is a document of that key, be it one that is wrong in itself, which `get` does not have."""
        ...

    def of_kind(self, kind: str) -> Iterable[Document]: ...

    def targeted_by(self, kind: str, key: Key) -> Iterable[Document]:
        """The documents of `kind` that refer to `key`."""
        ...

    def files(self) -> frozenset[str]:
        """Every path of the tree that is not a document, relative to the workspace folder."""
        ...


class Rule(ABC):
    """Base of all rules. The docstring of a subclass is its message and its documentation; it must have one.

    A rule must be pure: the same document and index give the same findings, whatever ran before. `good` and `bad` are
    YAML documents without `apiVersion`; a first line `# files: a.py, b.csv` names files of the tree beside them. In `bad`,
    a comment `#   ^` under a line says at which column the finding stands.
    """

    code: ClassVar[str]
    about: ClassVar[tuple[str, ...]] = ()
    """Fields of the models, such as `metadata.labels` and `spec.triggers`; of a PartRule, fields of the part, such as `needs`. Where none
    of them is written, the rule finds nothing and is not asked. Empty for a rule that is always asked."""
    severity: ClassVar[Severity] = Severity.ERROR
    reason: ClassVar[str]
    good: ClassVar[str]
    bad: ClassVar[str]

    def __init_subclass__(cls, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        missing = [n for n in ("code", "reason", "good", "bad") if not hasattr(cls, n)]
        if missing or not cls.__doc__:
            raise TypeError(f"rule {cls.__name__} lacks {', '.join(missing) or 'a docstring'}")
        if docstrings.wanted:
            cls.good, cls.bad = inspect.cleandoc(cls.good), inspect.cleandoc(cls.bad)

    @abstractmethod
    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        """Yield what is wrong in `document`."""


class SpecRule(Rule, Generic[S], abstract=True):
    """A rule about documents of one kind: `find` gets the spec as its model."""

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        return self.find(cast(S, document.spec), document, index)

    @abstractmethod
    def find(self, spec: S, document: Document, index: Index) -> Iterator[Finding]:
        """Yield what is wrong in `document`, whose spec is `spec`."""


class PartRule(Rule, Generic[P], abstract=True):
    """A rule about each part of some sort by itself, such as each step of a pipeline: equal parts of all documents are judged once.

    What it finds in a part must hang on nothing but the part. Paths of findings begin at the part.
    """

    @staticmethod
    @abstractmethod
    def parts(spec: Any) -> Iterable[tuple[Path, P]]:
        """The parts of a spec that the rule is about, each with its path in the document."""

    @abstractmethod
    def judge(self, part: P, /) -> Iterator[Finding]:
        """Yield what is wrong in `part`."""

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        for path, part in self.parts(document.spec):
            yield from (below(path, finding) for finding in self.judge(part))


def below(path: Path, finding: Finding) -> Finding:
    """What was found in a part that stands at a path."""
    related = tuple((key, (*path, *place) if key is None else place, text) for key, place, text in finding.related)
    return replace(finding, path=(*path, *finding.path), related=related)


@dataclass(frozen=True, eq=False)
class MemoryIndex:
    """An `Index` over documents in memory."""

    documents: Mapping[Key, Document]
    tree: frozenset[str] = frozenset()
    claimed: frozenset[Key] = frozenset()
    """The keys of documents that are wrong in themselves."""
    _kinds: dict[str, list[Document]] = field(default_factory=dict, repr=False)
    _sources: dict[str, dict[Key, list[Document]]] = field(default_factory=dict, repr=False)
    _derived: dict[Callable[[Index], Any], Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for document in self.documents.values():
            self._kinds.setdefault(document.key.kind, []).append(document)

    def get(self, key: Key) -> Document | None:
        return self.documents.get(key)

    def written(self, key: Key) -> bool:
        return key in self.documents or key in self.claimed

    def of_kind(self, kind: str) -> Iterable[Document]:
        return self._kinds.get(kind, ())

    def targeted_by(self, kind: str, key: Key) -> Iterable[Document]:
        found = self._sources.get(kind)
        if found is None:
            found = self._sources[kind] = self._referring(kind)
        return found.get(key, ())

    def _referring(self, kind: str) -> dict[Key, list[Document]]:
        from trueup_specs.core.links import references

        found: dict[Key, list[Document]] = {}
        for document in self.of_kind(kind):
            for key in dict.fromkeys(link.key for link in references(document)):
                found.setdefault(key, []).append(document)
        return found

    def files(self) -> frozenset[str]:
        return self.tree


def derived(index: Index, compute: Callable[[Index], V]) -> V:
    """`compute(index)`, computed once for a `MemoryIndex`: for what a rule would otherwise compute for each document."""
    if not isinstance(index, MemoryIndex):
        return compute(index)
    if compute not in index._derived:
        index._derived[compute] = compute(index)
    value: V = index._derived[compute]
    return value


def examples(*documents: str) -> str:
    """Several YAML documents as one text, each with its own indentation; nothing where no documentation is wanted."""
    return "" if not docstrings.wanted else "\n---\n".join(inspect.cleandoc(document) for document in documents)


def repeated(items: Iterable[V]) -> Iterator[tuple[int, int, V]]:
    """Each item that stood before: its position, the position of the first one, and the item."""
    first: dict[V, int] = {}
    for position, item in enumerate(items):
        if item in first:
            yield position, first[item], item
        else:
            first[item] = position


def lookup(index: Index, kind: str, text: str, namespace: str) -> Document | None:
    """The document that a reference written in `namespace` means."""
    found_namespace, name = qualified(text, namespace)
    return index.get(Key(kind, found_namespace, name)) or index.get(Key(kind, "", name))
