"""Which files of a tree are specs. Called by whoever reads them: `validation`, the processes that read, and the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trueup.load.trees import MODULE, Tree, named
from trueup.load.workspaces import FILE, Settings, chosen, settings_of


@dataclass(frozen=True)
class Specs:
    """The specs of a tree, and what else there is in it."""

    settings: Settings
    paths: Mapping[str, str]
    """The specs' paths in the workspace, by their paths in the repository."""
    links: tuple[str, ...]
    """Paths in the workspace of symbolic links and other repositories that are named like specs: neither is followed."""
    others: frozenset[str]
    """Every other path of the workspace."""


def specs_in(tree: Tree) -> Specs:
    """The specs of a tree, as its own `trueup.yaml` chooses them."""
    entries, settings = tree.entries(), settings_in(tree)
    paths = chosen(entries, settings)
    links = tuple(p for p in paths if entries[p].link or entries[p].mode == MODULE)
    unread = frozenset(links)
    readable = {named(tree.prefix, p): p for p in paths if p not in unread}
    return Specs(settings, readable, links, frozenset(entries).difference(paths))


def settings_in(tree: Tree) -> Settings:
    """What the tree's own `trueup.yaml` says."""
    data = tree.read([FILE]).get(FILE, b"")
    return settings_of(data, tree.prefix.rpartition("/")[2] or tree.repository.name)
