"""Opening a workspace: its folder, repository, name, home and ledger."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trueup import places
from trueup.exits import NOTHING_SELECTED
from trueup.load import workspaces
from trueup.record.ledger import Ledger


class WorkspaceError(Exception):
    """The workspace cannot be used as asked; the text says what to do. `code` is the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Workspace:
    """A folder with `trueup.yaml` in a Git repository."""

    folder: Path
    """The absolute folder of `trueup.yaml`."""
    repository: Path
    """The top of the Git repository."""
    name: str

    @property
    def prefix(self) -> str:
        """The folder within the repository, with forward slashes; empty for the top."""
        found = self.folder.relative_to(self.repository).as_posix()
        return "" if found == "." else found

    @cached_property
    def home(self) -> Path:
        """Where state, tables, runs and servers are kept."""
        return places.home(self.name, self.folder)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of this workspace."""
        return Ledger(self.repository, self.name, anchor=self.home / "ledger.json")


def open_workspace(folder: Path) -> Workspace:
    """The workspace that `folder` is in. Raises WorkspaceError where there is none, or it is not in Git."""
    found = workspaces.find(folder)
    if found is None:
        raise WorkspaceError(
            f"There is no trueup.yaml in {folder.resolve()} or above it. Go to a workspace, or make one here with `trueup init`.",
            NOTHING_SELECTED,
        )
    repository = workspaces.repository_of(found)
    if repository is None:
        raise WorkspaceError(
            f"The workspace {found} is in no Git repository. Run `git init` and commit the specs: Git is where Trueup "
            "reads what should be and records what it did.",
            NOTHING_SELECTED,
        )
    return Workspace(found, repository, workspaces.name_of(found))
