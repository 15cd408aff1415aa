"""Code, lock files and data of the repository, exported to the workspace's home before an apply, by their Git object ids.

Runs and tables read them there, so that what was planned is what is read, whatever the working tree becomes meanwhile. An
export that is there is complete (it is made beside and moved), so that it is never made twice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from trueup import places


class Tree(Protocol):
    """The files of the workspace at the revision that is applied."""

    def read_under(self, path: str) -> Mapping[str, bytes]:
        """Every file under a folder, by path relative to it; `{"": content}` for a file."""
        ...


def named_uris(properties: Iterable[Any]) -> frozenset[str]:
    """Every `home:trees/…` and `home:sources/…` inside property values."""
    found: set[str] = set()
    queue = list(properties)
    while queue:
        value = queue.pop()
        if isinstance(value, str):
            if value.startswith(("home:trees/", "home:sources/")):
                found.add(value)
        elif isinstance(value, Mapping):
            queue.extend(value.values())
        elif isinstance(value, (list, tuple)):
            queue.extend(value)
    return frozenset(found)


def export(home: Path, tree: Tree, trees: Mapping[str, str], uris: Iterable[str]) -> None:
    """Writes what the URIs name, where it is not there yet. `trees` gives the object id of each path of the workspace.

    Code that no path has is left out: that of a run that changed code does not start again (`onCode: false`). Raises KeyError for data
    that no path has: the plan is of another tree.
    """
    paths = {oid: path for path, oid in trees.items()}
    for uri in sorted(uris):
        target = Path(places.resolve(home, uri))
        kind, oid = uri.split("/")[:2]
        if not target.exists() and (oid in paths or kind != "home:trees"):
            _write(target, tree.read_under(paths[oid]))


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".export-"))
    try:
        made = scratch / "it"
        for path, content in files.items():
            place = made / path if path else made
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        if not files:
            made.mkdir()
        if not target.exists():
            made.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
