"""A change of files as a branch and a pull request, made with Git's objects alone: the working tree, the index and HEAD stay as they are.

Called by `promote --pull-request`, `rollback --pull-request` and the loop. A branch that is there already is only ever moved forward from
what was proposed before; a person's commits on it are never overwritten.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trueup.exits import DENIED, NOTHING_SELECTED
from trueup.forge.values import Forge, PullRequest
from trueup.load import git
from trueup.workspace.beginning import AUTHOR
from trueup.workspace.opening import Workspace, WorkspaceError


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change to propose."""

    branch: str
    title: str
    body: str
    files: Mapping[str, bytes | None]
    """The contents by path within the repository; None for a file that goes."""


def commit(workspace: Workspace, base: str, title: str, body: str, files: Mapping[str, bytes | None]) -> str:
    """A commit on top of `base` with some files changed; no ref is moved. Raises WorkspaceError where nothing differs."""
    repository = workspace.repository
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run(repository, "read-tree", f"{base}^{{tree}}", variables=index)
        git.run(
            repository, "update-index", "-z", "--index-info", stdin=_listed(repository, base, files), variables=index
        )
        tree = git.run(repository, "write-tree", variables=index).decode().strip()
    if tree == git.run(repository, "rev-parse", f"{base}^{{tree}}").decode().strip():
        raise WorkspaceError("There is nothing to propose: the base branch already says this.", NOTHING_SELECTED)
    return commit_tree(workspace, tree, base, f"{title}\n\n{body}\n")


def commit_tree(workspace: Workspace, tree: str, parent: str, message: str) -> str:
    """A commit of a tree object after `parent`; no ref is moved."""
    known = git.attempt(workspace.repository, "var", "GIT_COMMITTER_IDENT").returncode == 0
    author = () if known else AUTHOR
    arguments = (*author, "commit-tree", tree, "-p", parent, "-F", "-")
    return git.run(workspace.repository, *arguments, stdin=f"{message.rstrip()}\n\n{MARK}\n".encode()).decode().strip()


def _listed(repository: Path, base: str, files: Mapping[str, bytes | None]) -> bytes:
    """The changes in the form that `update-index --index-info` reads; a file keeps its mode."""
    records = []
    for path, content in sorted(files.items()):
        name = os.fsencode(path)
        if content is None:
            records.append(b"0 " + b"0" * 40 + b"\t" + name)
            continue
        there = git.run(repository, "ls-tree", "-z", base, "--", path).split(b" ", 1)[0]
        mode = there if there in (b"100644", b"100755") else b"100644"
        blob = git.run(repository, "hash-object", "-w", "--stdin", "--no-filters", stdin=content).strip()
        records.append(mode + b" " + blob + b"\t" + name)
    return b"\0".join(records) + b"\0"


def propose(workspace: Workspace, forge: Forge, remote: str, base: str, tip: str, proposal: Proposal) -> PullRequest:
    """Pushes a proposal as a branch of the remote and opens a pull request into `base`, whose tip is `tip`.

    Raises WorkspaceError where the push is refused, and ForgeError.
    """
    made = commit(workspace, tip, proposal.title, proposal.body, proposal.files)
    return publish(workspace, forge, remote, base, made, proposal)


def publish(workspace: Workspace, forge: Forge, remote: str, base: str, made: str, proposal: Proposal) -> PullRequest:
    """Pushes a commit that was made as the proposal's branch, and opens the pull request."""
    push(workspace, remote, made, proposal.branch)
    return forge.open_pull_request(proposal.title, proposal.body, proposal.branch, base)


def push(workspace: Workspace, remote: str, made: str, branch: str) -> None:
    """Makes a branch of the remote a commit, unless somebody else's commits are on it. Raises WorkspaceError."""
    ref = f"refs/heads/{branch}"
    repository = workspace.repository
    listed = git.run(repository, "ls-remote", "--", remote, ref).split()
    now = listed[0].decode() if listed else ""
    mine = git.attempt(repository, "rev-parse", "--verify", "--quiet", f"refs/trueup/proposed/{branch}").stdout
    if now and now != mine.decode().strip() and not _trueups(workspace, remote, ref, now):
        raise WorkspaceError(
            f"The branch {branch} of {remote} has commits of somebody else, and is left as it is. Merge it, or delete it, and try again.",
            DENIED,
        )
    lease = f"--force-with-lease={ref}:{now}"
    done = git.attempt(repository, "push", "--porcelain", "--no-verify", lease, "--", remote, f"{made}:{ref}")
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        raise WorkspaceError(
            f"{remote} refuses the branch {branch}: {said}. The token needs to write the contents.", DENIED
        )
    git.run(repository, "update-ref", f"refs/trueup/proposed/{branch}", made)


def _trueups(workspace: Workspace, remote: str, ref: str, now: str) -> bool:
    """Whether the newest commit of a branch is one that Trueup proposed, from whatever clone."""
    git.fetch(workspace.repository, remote, f"+{ref}:refs/trueup/pulled/{ref.removeprefix('refs/heads/')}")
    message = git.run(workspace.repository, "show", "-s", "--format=%B", now).decode("utf-8", "replace")
    return MARK in message


MARK = "Proposed-by: trueup"
"""A trailer of the commits that Trueup proposes."""
