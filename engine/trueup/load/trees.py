"""Trees of files: a Git revision, the working tree, or the in-memory merge of two revisions. Read by `validate` and the workspace.

Paths are relative to the workspace's folder, with forward slashes; diagnostics name files relative to the repository.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from trueup.load import git
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location

LINK, MODULE = "120000", "160000"
_INDEXED = re.compile(r"(\d+) ([0-9a-f]+) \d\t([^\0]+)\0")
"""What Git lists of a file of its index: mode, id and path."""
CONFLICT = "TRU0020"


class Entry(NamedTuple):
    """A file of a tree: its mode and blob id (empty for a file that Git does not know yet)."""

    mode: str
    oid: str

    @property
    def link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == LINK


class Tree(Protocol):
    """The files of a workspace in one state."""

    @property
    def repository(self) -> Path: ...
    @property
    def prefix(self) -> str: ...
    @property
    def commit(self) -> str: ...
    @property
    def oid(self) -> str: ...
    def entries(self) -> Mapping[str, Entry]: ...
    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]: ...
    def tree_oid(self, path: str) -> str | None: ...
    def records(self) -> frozenset[bytes]: ...
    def read_under(self, path: str) -> Mapping[str, bytes]: ...


def named(prefix: str, path: str) -> str:
    """A path of the workspace as a path of the repository."""
    return f"{prefix}/{path}" if prefix else path


@dataclass(frozen=True)
class _Listed(ABC):
    """What trees with a listing of entries share."""

    repository: Path
    prefix: str

    @abstractmethod
    def entries(self) -> Mapping[str, Entry]:
        """Every file of the workspace, by its path."""

    @abstractmethod
    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of files, by path."""

    def under(self, path: str) -> dict[str, Entry]:
        """The entries at or below a path, by their path below it; `""` for a file."""
        clean = path.strip("/").removeprefix("./")
        if clean in ("", "."):
            return dict(self.entries())
        found = self.entries()
        if clean in found:
            return {"": found[clean]}
        return {p[len(clean) + 1 :]: e for p, e in found.items() if p.startswith(f"{clean}/")}

    def read_under(self, path: str) -> Mapping[str, bytes]:
        """The contents at or below a path, links left out; `{"": content}` for a file."""
        clean = path.strip("/").removeprefix("./")
        wanted = {
            f"{clean}/{p}" if p else clean: p for p, e in self.under(path).items() if not e.link and e.mode != MODULE
        }
        if clean in ("", "."):
            wanted = {p.removeprefix(f"{clean}/"): p for p in wanted.values()}
        return {wanted[p]: data for p, data in self.read(wanted).items()}


@dataclass(frozen=True)
class Revision(_Listed):
    """The workspace's folder in a commit or in a tree object."""

    commit: str
    """Empty for a merge that is no commit."""
    oid: str
    """The id of the folder's tree object."""

    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    @cached_property
    def _listing(self) -> tuple[bytes, ...]:
        """A record for each file and folder below, as Git writes it: `MODE TYPE ID<tab>PATH`."""
        return _listed(self.repository, self.oid)

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return dict(parsed(record) for record in self._listing if not record.startswith(_FOLDER))

    @cached_property
    def _ids(self) -> dict[bytes, bytes]:
        """The ids of files and folders by path."""
        found = (record.partition(b"\t") for record in self._listing)
        return {path: head.rpartition(b" ")[2] for head, _, path in found}

    def records(self) -> frozenset[bytes]:
        """The files as records that tell mode, id and path: equal ones are the same file. `parsed` reads one."""
        return self._records

    @cached_property
    def _records(self) -> frozenset[bytes]:
        return frozenset([record for record in self._listing if not record.startswith(_FOLDER)])

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        found = {p: oid for p in paths if (oid := self._ids.get(os.fsencode(p)))}
        contents = git.blobs(self.repository, (oid.decode() for oid in found.values()))
        return {p: contents[oid.decode()] for p, oid in found.items()}

    def tree_oid(self, path: str) -> str | None:
        """The id of a file's or folder's object; None where there is none."""
        clean = path.strip("/").removeprefix("./")
        if clean in ("", "."):
            return self.oid
        found = self._ids.get(os.fsencode(clean))
        return found.decode() if found else None


_FOLDER = b"040000 "


@lru_cache(maxsize=4)
def _listed(repository: Path, oid: str) -> tuple[bytes, ...]:
    """What Git lists of a tree object, which never changes: the base branch is often what was applied last."""
    return tuple(git.run(repository, "ls-tree", "-r", "-t", "-z", "--full-tree", oid).split(b"\0")[:-1])


def parsed(record: bytes) -> tuple[str, Entry]:
    """The path and the entry of a record."""
    head, _, path = record.partition(b"\t")
    mode, _, oid = head.decode().split()
    return path.decode("utf-8", "surrogateescape"), Entry(mode, oid)


def path_of(record: bytes) -> str:
    """The path of a record."""
    return record.partition(b"\t")[2].decode("utf-8", "surrogateescape")


def revision(repository: Path, rev: str, prefix: str) -> Revision | None:
    """The workspace in a revision; None where Git has no such revision, or it holds no such folder."""
    if rev.startswith("-"):
        return None
    wanted = f"{rev}^{{commit}}\n{rev}^{{tree}}\n" if not prefix else f"{rev}^{{commit}}\n{rev}:{prefix}\n"
    output = git.run(repository, "cat-file", "--batch-check", stdin=wanted.encode()).decode().splitlines()
    found = [line.split() for line in output]
    if any(len(f) != 3 for f in found) or found[1][1] != "tree":
        return None
    return Revision(repository, prefix, found[0][0], found[1][0])


@dataclass(frozen=True)
class WorkingTree(_Listed):
    """The files as they lie there: what Git tracks or would track; ignored files do not count."""

    known: str = ""
    """The id of the folder's tree in the commit that is checked out, where it is known that all files lie as they do there."""

    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    @property
    def _folder(self) -> Path:
        return self.repository / self.prefix

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        asked = [("-s",), *(() if self.known else (("-m", "-d"), ("-o", "--exclude-standard")))]
        tracked, *rest = git.several(self.repository, [("ls-files", *a, "-z", "--", self.prefix or ".") for a in asked])
        records = _INDEXED.findall(tracked.decode("utf-8", "surrogateescape"))
        found = {path: Entry(mode, oid) for mode, oid, path in records}
        for path in {path for output in rest for path in _paths(output)}:
            entry = self._on_disk(path)
            found.pop(path, None)
            if entry is not None:
                found[path] = entry
        cut = len(self.prefix) + 1 if self.prefix else 0
        return {p[cut:]: e for p, e in sorted(found.items())}

    def _on_disk(self, path: str) -> Entry | None:
        try:
            status = (self.repository / path).lstat()
        except OSError:
            return None
        if stat.S_ISLNK(status.st_mode):
            return Entry(LINK, "")
        return Entry("100755" if status.st_mode & 0o100 else "100644", "") if stat.S_ISREG(status.st_mode) else None

    @cached_property
    def commit(self) -> str:
        """The commit that is checked out; empty where there is none yet."""
        done = git.attempt(self.repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return done.stdout.decode().strip() if done.returncode == 0 else ""

    @cached_property
    def _ids(self) -> dict[str, str]:
        """Blob ids of all files; those that Git does not know as they are get the id that Git would give them."""
        unknown = [p for p, e in self._entries.items() if not e.oid]
        return {p: e.oid for p, e in self._entries.items() if e.oid} | {p: self._hashed(p) for p in unknown}

    def _hashed(self, path: str) -> str:
        file = self._folder / path
        data = os.fsencode(file.readlink()) if self._entries[path].link else file.read_bytes()
        return _object_id("blob", data, self._width)

    @cached_property
    def _width(self) -> int:
        return max((len(e.oid) for e in self._entries.values() if e.oid), default=40)

    @cached_property
    def oid(self) -> str:
        """The id that the workspace's folder would have as a tree object."""
        return self.known or self.tree_oid("") or ""

    @cached_property
    def dirty(self) -> bool:
        """Whether the folder differs from the commit that is checked out."""
        if not self.commit:
            return True
        found = revision(self.repository, self.commit, self.prefix)
        return found is None or found.oid != self.oid

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        folder = str(self._folder)
        found: dict[str, bytes] = {}
        for path in paths:
            entry = self._entries.get(path)
            if entry is not None and not entry.link and entry.mode != MODULE:
                with open(f"{folder}/{path}", "rb", buffering=0) as file:  # noqa: PTH123 — thousands of files
                    found[path] = file.read()
        return found

    def tree_oid(self, path: str) -> str | None:
        """The id that a file's or folder's object would have; None where there is none."""
        clean = path.strip("/").removeprefix("./")
        return self._ids.get(clean) or self._folders.get("" if clean == "." else clean)

    @cached_property
    def _folders(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._ids:
            _tree_id({p: (e.mode, self._ids[p]) for p, e in self._entries.items()}, self._width, "", found)
        return found

    def records(self) -> frozenset[bytes]:
        """The files as records; those that Git does not know yet as if they were added."""
        return self._records

    @cached_property
    def _records(self) -> frozenset[bytes]:
        return frozenset(
            b"%s %s %s\t%s"
            % (e.mode.encode(), b"commit" if e.mode == MODULE else b"blob", self._ids[p].encode(), os.fsencode(p))
            for p, e in self._entries.items()
        )


def _paths(output: bytes) -> list[str]:
    return [p.decode("utf-8", "surrogateescape") for p in output.split(b"\0") if p]


def _object_id(kind: str, data: bytes, width: int) -> str:
    digest = hashlib.sha256 if width == 64 else hashlib.sha1
    return digest(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()


def _tree_id(files: Mapping[str, tuple[str, str]], width: int, above: str, found: dict[str, str]) -> str:
    """The id of the tree object of some files, by path; `found` gets it and those of the folders below, by their path below `above`."""
    items: dict[str, tuple[str, str]] = {}
    folders: dict[str, dict[str, tuple[str, str]]] = {}
    for path, item in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(first, {})[rest] = item
        else:
            items[first] = item
    for name, inside in folders.items():
        items[name] = ("40000", _tree_id(inside, width, f"{above}{name}/", found))
    ordered = sorted(items.items(), key=lambda i: os.fsencode(i[0] + ("/" if i[1][0] == "40000" else "")))
    data = b"".join(
        b"%s %s\0" % (mode.encode(), os.fsencode(name)) + bytes.fromhex(oid) for name, (mode, oid) in ordered
    )
    found[above.removesuffix("/")] = oid = _object_id("tree", data, width)
    return oid


@dataclass(frozen=True)
class Merged:
    """The merge of a head into a base: its tree, or the conflicts as diagnostics."""

    tree: Revision | None = None
    diagnostics: tuple[Diagnostic, ...] = field(default=())


def merged(repository: Path, base: str, head: str, prefix: str) -> Merged:
    """What the base branch would hold after the merge, made in memory: nothing is checked out and no ref moves."""
    tip, change = revision(repository, base, ""), revision(repository, head, "")
    if tip is None or change is None:
        return Merged()
    done = git.attempt(
        repository, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", tip.commit, change.commit
    )
    parts = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    if done.returncode == 1:
        return Merged(diagnostics=tuple(_conflict(p, base, head) for p in sorted({p for p in parts[1:] if p})))
    if done.returncode != 0:
        raise git.GitError(done.stderr.decode("utf-8", "replace").strip())
    found = git.attempt(repository, "rev-parse", "--verify", "--quiet", f"{parts[0]}:{prefix}" if prefix else parts[0])
    if found.returncode != 0:
        return Merged()
    return Merged(Revision(repository, prefix, change.commit, found.stdout.decode().strip()))


def _conflict(path: str, base: str, head: str) -> Diagnostic:
    return Diagnostic(
        CONFLICT,
        Severity.ERROR,
        f"{head} and {base} both changed this file, and Git cannot merge it.",
        Location(path),
        fix=f"Merge {base} into your branch and settle the conflict.",
    )
