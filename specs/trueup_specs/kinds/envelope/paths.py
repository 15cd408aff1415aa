"""Paths of the workspace as specs write them. Called by rules that name a file or folder; reads nothing but the index."""

from __future__ import annotations

from pathlib import PurePosixPath

from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.rules import Index, derived


def outside(path: str) -> bool:
    """Whether a path leaves the workspace's folder, or is no relative path with forward slashes."""
    return path.startswith(("/", "~")) or "\\" in path or (".." in path and ".." in PurePosixPath(path).parts)


def _folders(index: Index) -> frozenset[str]:
    found: set[str] = set()
    for file in index.files():
        parent = file.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return frozenset(found)


def normal(path: str) -> str:
    """`./data//raw/` as `data/raw`."""
    plain = path and "//" not in path and "./" not in path and not path.endswith(("/", "/."))
    return path if plain else str(PurePosixPath(path))


def is_file(path: str, index: Index) -> bool:
    """Whether the tree has a file at `path`."""
    return normal(path) in index.files()


def is_folder(path: str, index: Index) -> bool:
    """Whether the tree has a file below `path`."""
    return normal(path) == "." or normal(path) in derived(index, _folders)


def suggestion(path: str, index: Index, folders: bool = False) -> str:
    """A sentence with the path that was probably meant, or with what to do."""
    known = derived(index, _folders) if folders else index.files()
    near = nearest(normal(path), known)
    if near:
        return f"Did you mean `{near}`?"
    return "Add it to the repository, or write its path relative to the folder of `trueup.yaml`."
