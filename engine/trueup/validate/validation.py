"""All problems of all files in one pass: reading, shape, duplicates, references, rules, overlays. Called by the workspace and the CLI.

The same problems come out whatever was cached and however many processes read: files are judged one by one and then together,
and places are looked up at the end, in the files that have a problem only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.load.nodes import Node, place
from trueup.load.readers import Readers, Reading
from trueup.load.specs import specs_in
from trueup.load.trees import MODULE, Tree, named
from trueup.load.workspaces import Settings
from trueup.load.yaml import Read, closely, read, text_of
from trueup.validate import crossing, spreading
from trueup.validate.shaping import Problem, key_of, shaped
from trueup_specs.core.diagnostics import Diagnostic, Related, Severity, in_order
from trueup_specs.core.envelope import Document, Source
from trueup_specs.core.positions import Location, Path
from trueup_specs.core.references import Key
from trueup_specs.core.rules import MemoryIndex

OUTSIDE, DUPLICATE = "TRU0021", "TRU0106"


@dataclass(frozen=True)
class Validated:
    """The documents that are right in themselves, and everything that is wrong."""

    documents: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """What one file holds: its documents, the keys of those that are wrong, and its own problems."""

    documents: tuple[Document, ...] = ()
    claimed: frozenset[Key] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()
    values: tuple[Any, ...] = ()
    """What each document of a file without problems says, as plain values."""


@dataclass
class Places:
    """Finds lines and columns; reads each file that needs them once."""

    read: Callable[[str], bytes | None]
    """The content of a file, by its path in the repository."""
    _nodes: dict[str, tuple[Node, ...]] = field(default_factory=dict)

    def at(self, source: Source, path: Path, at_key: bool = False) -> Location:
        """Where a path of a document stands."""
        nodes = self._nodes_of(source.file)
        if source.index >= len(nodes):
            return Location(source.file)
        return Location(source.file, *place(nodes[source.index], path, at_key))

    def _nodes_of(self, file: str) -> tuple[Node, ...]:
        if file not in self._nodes:
            data = self.read(file)
            nodes = closely(file, text_of(data)).nodes if data is not None else ()
            self._nodes[file] = tuple(n for n in nodes if n.kind != "scalar" or n.value is not None)
        return self._nodes[file]


@dataclass(frozen=True)
class _Files:
    """The specs of a tree by path in the repository, each read by itself."""

    parsed: Mapping[str, Parsed]
    others: frozenset[str]
    outside: tuple[Diagnostic, ...]
    read: Callable[[str], bytes | None]


def validate(tree: Tree, processes: int | None = None, reading: Reading | None = None) -> Validated:
    """Everything that the tree's specs say, and everything that is wrong with them, found by so many processes (by default, as many
    as there are cores). `reading` are the tree's specs, where reading them has begun already."""
    number = spreading.processes() if processes is None else processes
    with spreading.without_collector():
        files = _files(tree, number, reading)
        return judged(files.parsed, Places(files.read), files.others, files.outside, number)


def documents(tree: Tree) -> Validated:
    """The documents of a tree with what is wrong in each file by itself: for trees that were judged when they were merged or applied."""
    with spreading.without_collector():
        files = _files(tree, spreading.processes())
        return Validated(tuple(_by_key(files.parsed).values()), in_order(_own(files.parsed, files.outside)))


_KNOWN: dict[tuple[str, str, str], Parsed] = {}
"""What files held, by path, blob id and default namespace: several trees of one repository share most of their files."""
_MOST_KNOWN = 200_000


def _files(tree: Tree, processes: int, reading: Reading | None = None) -> _Files:
    specs = specs_in(tree) if reading is None else reading.specs
    readers = None if reading is None else reading.readers
    parsed, content = _parsed(tree, specs.paths, specs.settings, processes, readers)
    outside = tuple(_link(named(tree.prefix, p)) for p in specs.links)
    return _Files(parsed, specs.others, outside, content)


def _parsed(
    tree: Tree, paths: Mapping[str, str], settings: Settings, processes: int, readers: Readers | None = None
) -> tuple[dict[str, Parsed], Callable[[str], bytes | None]]:
    """Some files by path in the repository, each read by itself, and what gives the content of one."""
    entries, namespace = tree.entries(), settings.namespace
    keys = {file: (file, entries[p].oid, namespace) for file, p in paths.items()}
    if len(_KNOWN) > _MOST_KNOWN:
        _KNOWN.clear()
    parsed = {file: known for file, key in keys.items() if (known := _KNOWN.get(key)) is not None}
    if readers is None:
        readers = Readers(tree, {file: p for file, p in paths.items() if file not in parsed}, processes)

    def content(file: str) -> bytes | None:
        return readers.content(paths[file]) if file in paths else None

    for file, found in readers:
        parsed[file] = formed(file, found, namespace, content)
        if keys[file][1]:
            _KNOWN[keys[file]] = parsed[file]
    return parsed, content


def parsed_files(tree: Tree, paths: Sequence[str], settings: Settings) -> dict[str, Parsed]:
    """Some specs of a tree by path in the workspace, each read by itself; links and other repositories are left out."""
    if not paths:
        return {}
    entries = tree.entries()
    names = {named(tree.prefix, p): p for p in paths if not (entries[p].link or entries[p].mode == MODULE)}
    parsed, _ = _parsed(tree, names, settings, spreading.processes())
    return {names[file]: found for file, found in parsed.items()}


def parse(file: str, data: bytes, namespace: str) -> Parsed:
    """One file by itself."""
    return formed(file, read(file, data), namespace, lambda _: data)


def formed(file: str, found: Read, namespace: str, content: Callable[[str], bytes | None]) -> Parsed:
    """The documents of a file, of which this was read; `content` gives its bytes where a place has to be found in it."""
    if found.diagnostics:
        return Parsed(diagnostics=found.diagnostics)
    documents: list[Document] = []
    wrong: list[tuple[int, list[Problem]]] = []
    claimed = set()
    for index, value in enumerate(found.values):
        document, problems = shaped(value, Source(file, index), namespace)
        if document is not None:
            documents.append(document)
        else:
            wrong.append((index, problems))
            if (key := key_of(value, namespace)) is not None:
                claimed.add(key)
    if not wrong:
        return Parsed(tuple(documents), values=found.values)
    close = found if found.nodes else closely(file, text_of(content(file) or b""))
    return Parsed(tuple(documents), frozenset(claimed), tuple(_located(file, close, wrong)))


def _located(file: str, close: Read, wrong: Iterable[tuple[int, list[Problem]]]) -> Iterator[Diagnostic]:
    if close.diagnostics:
        yield from close.diagnostics
        return
    nodes = tuple(n for n in close.nodes if n.kind != "scalar" or n.value is not None)
    for index, problems in wrong:
        for p in problems:
            location = Location(file, *place(nodes[index], p.path, p.at_key)) if index < len(nodes) else Location(file)
            yield Diagnostic(p.code, Severity.ERROR, p.summary, location, fix=p.fix)


def judged(
    parsed: Mapping[str, Parsed],
    places: Places,
    others: frozenset[str],
    outside: Iterable[Diagnostic] = (),
    processes: int = 1,
) -> Validated:
    """The files together: duplicates, references, rules, overlays."""
    diagnostics = _own(parsed, outside)
    documents = _by_key(parsed)
    for document in (d for p in parsed.values() for d in p.documents):
        first = documents[document.key]
        if first is not document:
            diagnostics.append(_duplicate(first, document, places))
    claimed = frozenset(k for p in parsed.values() for k in p.claimed)
    index = MemoryIndex(documents, others, claimed)

    def judge_some(some: Sequence[Document]) -> list[Diagnostic]:
        return list(crossing.problems(some, index, places.at))

    for part in spreading.spread(list(documents.values()), judge_some, processes):
        diagnostics += part
    return Validated(tuple(documents.values()), in_order(diagnostics))


def _own(parsed: Mapping[str, Parsed], outside: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [*outside, *(d for p in parsed.values() for d in p.diagnostics)]


def _by_key(parsed: Mapping[str, Parsed]) -> dict[Key, Document]:
    """The documents by key; of several with one, the first by file."""
    found: dict[Key, Document] = {}
    for document in (d for _, p in sorted(parsed.items(), key=lambda item: item[0]) for d in p.documents):
        found.setdefault(document.key, document)
    return found


def _duplicate(first: Document, second: Document, places: Places) -> Diagnostic:
    name: Path = ("metadata", "name")
    return Diagnostic(
        DUPLICATE,
        Severity.ERROR,
        f"{second.key} is defined twice.",
        places.at(second.source, name),
        related=(Related(places.at(first.source, name), "It is defined here first."),),
        fix="Rename one of them, or remove it.",
    )


def _link(file: str) -> Diagnostic:
    return Diagnostic(
        OUTSIDE,
        Severity.ERROR,
        "This spec is a symbolic link or another repository, and neither is followed: it may lead out of this one.",
        Location(file),
        fix="Commit the file itself, or exclude it in trueup.yaml.",
    )
