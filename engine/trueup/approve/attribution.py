"""Who changed which documents between two trees, commit by commit. Called by `planning`, for `access`; reads Git objects and nothing else.

A document whose file cannot be read at a commit is taken as changed there in full: what cannot be told is not passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trueup.approve import authorship
from trueup.approve.authorship import Commit
from trueup.load import trees
from trueup.load.specs import settings_in
from trueup.load.trees import Tree, named, path_of
from trueup.load.workspaces import FILE, chosen
from trueup.plan.categories import spec_changes
from trueup.plan.values import SpecChange
from trueup.validate.validation import parsed_files
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key


@dataclass(frozen=True)
class Attributed:
    """A document that someone changed."""

    commit: str
    """Empty for what is not committed."""
    author: str
    """The address of the author in Git."""
    authors: frozenset[str]
    """The author and the co-authors."""
    key: Key
    paths: tuple[str, ...]
    """Dotted, from the top of the document; empty where it was added, removed or cannot be told."""
    document: Document
    """As it is after the change; where it is gone, as it was."""


def attributed(base: Tree | None, head: Tree, since: str, local: str = "") -> Iterator[Attributed]:
    """Who changed each document in which two trees differ. `since` is the commit of `base`; `local` writes what is not committed yet."""
    files = _differing(base, head)
    before, after = _documents(base, files) or {}, _documents(head, files) or {}
    net = {Key.parse(c.key): c for c in spec_changes(before, after)}
    if not net:
        return
    documents = {**before, **after}
    for commit in authorship.commits(
        head.repository, since or authorship.ALL, head.commit, (named(head.prefix, f) for f in files)
    ):
        for key, paths in _of_commit(commit, head, files, net):
            if not paths or not net[key].paths or set(paths) & set(net[key].paths):
                yield Attributed(commit.id, commit.author, commit.authors, key, paths, documents[key])
    if local:
        tip = trees.revision(head.repository, head.commit, head.prefix) if head.commit else None
        for change in spec_changes(_documents(tip, files) or {}, after):
            if (key := Key.parse(change.key)) in net:
                yield Attributed("", local, frozenset({local}), key, change.paths, documents[key])


def _differing(base: Tree | None, head: Tree) -> tuple[str, ...]:
    """The specs in which two trees differ; all of both where what counts as one differs."""
    there = base.records() if base is not None else frozenset()
    paths = {path_of(r) for r in there ^ head.records()}
    specs = _specs(head) | (_specs(base) if base is not None else frozenset())
    return tuple(sorted(specs | {FILE} if FILE in paths else specs & paths))


def _specs(tree: Tree) -> frozenset[str]:
    return frozenset(chosen((path_of(r) for r in tree.records()), settings_in(tree)))


def _of_commit(
    commit: Commit, head: Tree, files: Iterable[str], net: Mapping[Key, SpecChange]
) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """What a commit changed of what differs in the end. Of a merge by hand, what is as in none of its parents."""
    after = trees.revision(head.repository, commit.id, head.prefix)
    parents = [trees.revision(head.repository, p, head.prefix) for p in commit.parents] or [None]
    found: list[dict[Key, tuple[str, ...]]] = []
    for parent in parents:
        touched = set(_differing(parent, after)) if after is not None else set(files)
        some = sorted(touched & set(files))
        old, new = _documents(parent, some), _documents(after, some)
        if old is None or new is None:
            inside = {named(head.prefix, f) for f in some}
            found.append({k: () for k, c in net.items() if c.location is not None and c.location.file in inside})
        else:
            changes = {Key.parse(c.key): c.paths for c in spec_changes(old, new)}
            found.append({k: p for k, p in changes.items() if k in net})
    for key, paths in found[0].items():
        if all(key in other for other in found[1:]):
            yield key, paths


def _documents(tree: Tree | None, files: Iterable[str]) -> dict[Key, Document] | None:
    """The documents of some files; None where one of them cannot be read as specs."""
    if tree is None:
        return {}
    there = _specs(tree)
    parsed = parsed_files(tree, [f for f in files if f in there], settings_in(tree))
    if any(p.diagnostics for p in parsed.values()):
        return None
    return {d.key: d for p in parsed.values() for d in p.documents}
