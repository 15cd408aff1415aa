"""`trueup init`: a workspace that can be applied at once. Called by the CLI; the only place that makes commits of specs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trueup.exits import USAGE
from trueup.load import git, workspaces
from trueup.workspace import quickstart
from trueup.workspace.opening import WorkspaceError

AUTHOR = ("-c", "user.name=Trueup", "-c", "user.email=trueup@localhost")
"""Who commits where Git knows no one yet: the first commit must not fail on a fresh machine."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What was made."""

    name: str
    folder: Path
    files: tuple[str, ...]


def begin(folder: Path, name: str = "") -> Begun:
    """Writes the quickstart into `folder` and commits it; makes the repository where there is none.

    Raises WorkspaceError where a file would be overwritten or the name cannot be one.
    """
    chosen = name or _named_after(folder)
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", chosen):
        raise WorkspaceError(
            f"{chosen!r} cannot be a workspace's name: use at most 63 lower-case letters, digits and `-`.", USAGE
        )
    files = {path: _renamed(path, data, chosen) for path, data in quickstart.files().items()}
    if (around := workspaces.find(folder)) is not None:
        raise WorkspaceError(f"{folder} is in the workspace {around} already. Choose a folder outside it.", USAGE)
    if there := [p for p in files if (folder / p).exists()]:
        raise WorkspaceError(
            f"{folder} already has {', '.join(there[:3])}. Choose another folder: `trueup init DIR`.", USAGE
        )
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    _commit(folder, tuple(files))
    return Begun(chosen, folder, tuple(files))


def _named_after(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:63].strip("-") or "workspace"


def _renamed(path: str, data: bytes, name: str) -> bytes:
    if path != workspaces.FILE:
        return data
    return data.replace(b"name: quickstart", f"name: {name}".encode())


def _commit(folder: Path, files: tuple[str, ...]) -> None:
    if workspaces.repository_of(folder) is None:
        git.run(folder, "init", "--quiet", "--initial-branch=main")
    git.run(folder, "add", "--", *files)
    author = () if git.attempt(folder, "var", "GIT_COMMITTER_IDENT").returncode == 0 else AUTHOR
    git.run(folder, *author, "commit", "--quiet", "-m", "Begin with Trueup's quickstart", "--", *files)
