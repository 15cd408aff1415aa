"""Which files hang together: what a document says can matter only to those of its own cell. Pure; called by `workspace/narrowing.py`.

A document is tied to its namespace, to every namespace that one of its texts may name (`namespace/name`), to what it was moved from,
and to the few things that are unique in a whole workspace: ports of gateways and names of buckets. Namespaces that are tied, by
whatever way, are one cell. Documents of the whole workspace (teams, environments, policies) are in no cell: they matter to all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from trueup.validate.validation import Parsed
from trueup_specs.core.references import NAME
from trueup_specs.kinds import KINDS

_QUALIFIED = re.compile(rf"({NAME})/{NAME}").fullmatch


@dataclass(frozen=True, slots=True)
class Ties:
    """What one file is tied to."""

    namespaces: frozenset[str] = frozenset()
    """Namespaces of its documents, and other names that tie whatever holds them; `""` for documents of the whole workspace."""
    mentioned: frozenset[str] = frozenset()
    """What its texts may name: it ties where there is a namespace of that name."""
    paths: frozenset[str] = frozenset()
    """Files and folders of the workspace that it may name."""


def ties(parsed: Parsed) -> Ties:
    """The ties of a file that is right in itself."""
    namespaces: set[str] = set()
    mentioned: set[str] = set()
    paths: set[str] = set()
    for document, value in zip(parsed.documents, parsed.values, strict=True):
        namespaces.add(document.key.namespace)
        namespaces.update(_unique(value))
        if former := document.metadata.moved_from:
            namespaces.add(former.rpartition("/")[0] or document.key.namespace)
        if document.key.kind == "Overlay":
            target = KINDS.get(value["spec"]["target"]["kind"])
            namespaces |= set() if target is not None and target.namespaced else {""}
        _texts(value, mentioned)
        paths.update(_paths(value))
    return Ties(frozenset(namespaces), frozenset(mentioned - namespaces), frozenset(paths))


def _texts(value: Any, found: set[str]) -> None:
    """Adds the namespaces that the texts of a value may name."""
    kind = type(value)
    if kind is str:
        if "/" in value and (match := _QUALIFIED(value)):
            found.add(match[1])
    elif kind is dict:
        for key, inner in value.items():
            if key == "namespace" and type(inner) is str:
                found.add(inner)
            _texts(inner, found)
    elif kind is list:
        for inner in value:
            _texts(inner, found)


def _unique(value: Mapping[str, Any]) -> Iterator[str]:
    """Names for what only one document of a workspace may hold; an overlay may give it too."""
    spec = value.get("spec") or {}
    kind = value["kind"]
    if kind == "Overlay":
        kind, spec = spec["target"]["kind"], spec.get("patch") or {}
    if kind == "Gateway":
        yield from (
            f"port {i.get('port')}" for i in spec.get("listeners") or () if isinstance(i, dict) and i.get("port")
        )
    if kind == "ObjectStore" and spec.get("bucket"):
        yield f"bucket {spec['bucket']}"


def _paths(value: Mapping[str, Any]) -> Iterator[str]:
    """The paths of the workspace that a document names, in one spelling, whether or not there is anything."""
    spec = value.get("spec") or {}
    if value["kind"] == "Overlay":
        spec = spec.get("patch") or {}
    found = [spec.get("code"), spec.get("lockfile")]
    found += [
        inner.get(key)
        for part, key in (("file", "url"), ("source", "uri"))
        if isinstance(inner := spec.get(part), dict)
    ]
    yield from (str(PurePosixPath(path)) for path in found if isinstance(path, str) and path)


@dataclass(frozen=True)
class Cells:
    """The cells of a workspace, by what ties them."""

    roots: Mapping[str, str]

    def of(self, name: str) -> str:
        """The cell of a namespace, by the first of its names."""
        return self.roots.get(name, name)


def cells(groups: Iterable[Ties], known: Iterable[str]) -> Cells:
    """The cells that the ties of files make; `known` are namespaces that exist beside those of the files."""
    found = list(groups)
    parents: dict[str, str] = {name: name for name in known}
    for group in found:
        parents.update((name, name) for name in group.namespaces if name)

    def root(name: str) -> str:
        while parents[name] != name:
            parents[name] = name = parents[parents[name]]
        return name

    for group in found:
        names = sorted([*(n for n in group.namespaces if n), *(m for m in group.mentioned if m in parents)])
        for name in names[1:]:
            first, second = sorted((root(names[0]), root(name)))
            parents[second] = first
    return Cells({name: root(name) for name in parents})
