"""A part of a tree: some of its specs, with all files that are no specs. Made by `workspace/narrowing.py`; a tree for every stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trueup.load import git
from trueup.load.trees import MODULE, Entry, Revision, Tree, parsed


@dataclass(frozen=True)
class Part:
    """The files of `chosen` in the tree `whole`."""

    whole: Tree
    chosen: frozenset[bytes]
    """Records of the whole tree's files."""

    @property
    def repository(self) -> Path:
        return self.whole.repository

    @property
    def prefix(self) -> str:
        return self.whole.prefix

    @property
    def commit(self) -> str:
        return self.whole.commit

    @property
    def oid(self) -> str:
        """The id of the whole tree, of which this is a part."""
        return self.whole.oid

    def records(self) -> frozenset[bytes]:
        return self.chosen

    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return dict(sorted(map(parsed, self.chosen), key=lambda item: item[0]))

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        found = {p: self._entries[p] for p in paths if p in self._entries}
        if not isinstance(self.whole, Revision):
            return self.whole.read(found)
        contents = git.blobs(self.repository, (e.oid for e in found.values() if e.mode != MODULE))
        return {p: contents[e.oid] for p, e in found.items() if e.mode != MODULE}

    def tree_oid(self, path: str) -> str | None:
        """The id of a file's or folder's object in the whole tree."""
        return self.whole.tree_oid(path)

    def read_under(self, path: str) -> Mapping[str, bytes]:
        """The contents at or below a path in the whole tree."""
        return self.whole.read_under(path)
