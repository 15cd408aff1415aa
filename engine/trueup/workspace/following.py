"""Following a branch: fetch it where there is a remote, and say which commit it is at. Called by the loop; checks nothing out.

A forge that does not answer is said and is no failure: what is known of the branch stays what is followed.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from trueup.exits import NOTHING_SELECTED
from trueup.load import git, trees
from trueup.load.trees import Revision
from trueup.record import exchange
from trueup.record.events import LedgerError
from trueup.workspace.opening import Workspace, WorkspaceError

REMOTE = "origin"
SECONDS = 60.0
"""How long a fetch may take."""


@dataclass
class Branch:
    """The branch that an environment follows. `revision` is as the user wrote it; empty for the base branch."""

    workspace: Workspace
    revision: str = ""
    remote: str = field(default=REMOTE)
    failed: str = ""
    """Why the last fetch did not work, as a sentence; empty where it did, or none was tried."""

    @property
    def fetches(self) -> bool:
        """Whether there is a remote to fetch from."""
        return self.remote in _lines(self.workspace.repository, "remote")

    def fetch(self) -> str:
        """Fetches the remote's branches, and exchanges the ledger's entries with it. Why that did not work, as a sentence; empty where it
        did, or where there is no remote."""
        self.failed = self._fetched() if self.fetches else ""
        return self.failed

    def _fetched(self) -> str:
        arguments = ("fetch", "--quiet", "--no-tags", "--prune", "--no-write-fetch-head", self.remote)
        if said := _patiently(self.workspace.repository, arguments):
            return f"Nothing can be fetched from {self.remote}: {said}"
        return self._exchange()

    def _exchange(self) -> str:
        """Approvals come through the ledger's branch, and what the loop did is to be seen by everyone."""
        ledger = self.workspace.ledger
        theirs = _lines(self.workspace.repository, "rev-parse", "--verify", "--quiet", ledger.fetched)
        if theirs == [ledger.head()] or not (theirs or ledger.head()):
            return ""
        try:
            exchange.sync(ledger, self.remote)
        except LedgerError as error:
            return str(error)
        return ""

    @property
    def name(self) -> str:
        """What the forge calls the branch; empty for the base branch, and where what is followed is no branch of the remote."""
        name = self.revision.removeprefix(f"{self.remote}/")
        ref = f"refs/remotes/{self.remote}/{name}"
        there = name not in ("", "HEAD") and _lines(self.workspace.repository, "rev-parse", "--verify", "--quiet", ref)
        return name if there else ""

    def tip(self) -> Revision:
        """The workspace at the commit that the branch is at. Raises WorkspaceError where Git does not know it."""
        for name in self._names():
            found = trees.revision(self.workspace.repository, name, self.workspace.prefix)
            if found is not None:
                return found
        wanted = self.revision or "base branch"
        raise WorkspaceError(
            f"Git has no {wanted} here that holds the workspace. Name what to follow with --revision, such as `--revision origin/main`.",
            NOTHING_SELECTED,
        )

    def _names(self) -> list[str]:
        """The refs to try in order. A branch's name means the remote's where there is one: nobody moves the local one here."""
        if not self.fetches:
            return [self.revision or "HEAD"]
        if self.revision:
            return [f"refs/remotes/{self.remote}/{self.revision}", self.revision]
        here = _lines(self.workspace.repository, "symbolic-ref", "--quiet", "--short", "HEAD")
        upstream = [f"refs/remotes/{self.remote}/{name}" for name in here]
        return [f"refs/remotes/{self.remote}/HEAD", *upstream]


def _patiently(repository: Path, arguments: tuple[str, ...]) -> str:
    """What Git says is wrong, in one line; empty where nothing is. It never asks, and is ended when it takes too long."""
    variables = git.environment()
    variables.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15")
    command = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=variables,
            stdin=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it does not answer within {SECONDS:.0f} s."
    if done.returncode == 0:
        return ""
    lines = [line.removeprefix("fatal: ") for line in done.stderr.splitlines() if line.strip()]
    return (lines or ["Git does not say why"])[0].rstrip(".") + "."


def _lines(repository: Path, *arguments: str) -> list[str]:
    done = git.attempt(repository, *arguments)
    return done.stdout.decode("utf-8", "replace").split() if done.returncode == 0 else []
