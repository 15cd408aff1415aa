"""Getting what a job needs from the remote: base, head and reviewed commits of pull requests, and the ledger. Called by `ci` commands.

Everything arrives as objects under `refs/trueup/` or by its id. Nothing is checked out and no branch of the clone moves but the ledger's;
what Git must not run meanwhile is `load.git.INERT`'s.
"""

from __future__ import annotations

import re

from trueup.exits import NOTHING_SELECTED, USAGE
from trueup.load import git
from trueup.workspace.opening import Workspace, WorkspaceError

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NAME = re.compile(r"(?!-)(?!.*\.\.)(?!.*@\{)[^\s~^:?*\[\\\x00-\x1f\x7f]+(?<!\.lock)(?<![/.])")
"""A branch's name, as Git allows it and without its revision syntax."""
REQUEST = {"gitlab": "refs/merge-requests/{}/head"}
"""Where a forge keeps the head of a pull request, also of one from a fork."""
ANY_REQUEST = "refs/pull/{}/head"


def branch(workspace: Workspace, remote: str, name: str) -> str:
    """The commit at the tip of a remote's branch, with its history here. Raises WorkspaceError where there is none."""
    if not _NAME.fullmatch(name):
        raise WorkspaceError(f"{name!r} is no name of a branch.", USAGE)
    kept = f"refs/trueup/pulled/{name}"
    return _fetched(workspace, remote, f"refs/heads/{name}", kept, f"the branch {name!r}")


def head(workspace: Workspace, remote: str, forge: str, number: int, commit: str = "") -> str:
    """The head of a pull request: `commit`, where it is told which, else what the remote says it is now."""
    if commit and there(workspace, commit):
        return commit
    kept = f"refs/trueup/pulled-requests/{number}"
    wanted = REQUEST.get(forge, ANY_REQUEST).format(number)
    found = _fetched(workspace, remote, wanted, kept, f"the pull request {number}")
    if not commit or commit == found or there(workspace, commit):
        return commit or found
    return _by_id(workspace, remote, commit)


def reviewed(workspace: Workspace, remote: str, forge: str, number: int, commit: str) -> bool:
    """Whether a commit that was reviewed is here now. One that was pushed over may be gone from the remote for good."""
    try:
        return bool(head(workspace, remote, forge, number, commit))
    except WorkspaceError:
        return False


def there(workspace: Workspace, commit: str) -> bool:
    """Whether a commit is in this clone."""
    if not _COMMIT.fullmatch(commit):
        return False
    return git.attempt(workspace.repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def whole(workspace: Workspace, remote: str) -> None:
    """Makes a shallow clone whole: merges and what was applied last need history."""
    if git.run(workspace.repository, "rev-parse", "--is-shallow-repository").strip() == b"true":
        _run(workspace, remote, ["--unshallow"], "the history")


def _by_id(workspace: Workspace, remote: str, commit: str) -> str:
    if not _COMMIT.fullmatch(commit):
        raise WorkspaceError(f"{commit!r} is no commit's id.", NOTHING_SELECTED)
    _run(workspace, remote, [], f"the commit {commit[:10]}", commit)
    return commit


def _fetched(workspace: Workspace, remote: str, ref: str, kept: str, what: str) -> str:
    _run(workspace, remote, [], what, f"+{ref}:{kept}")
    return git.run(workspace.repository, "rev-parse", "--verify", f"{kept}^{{commit}}").decode().strip()


def _run(workspace: Workspace, remote: str, options: list[str], what: str, *refspecs: str) -> None:
    try:
        git.fetch(workspace.repository, remote, *refspecs, options=options)
    except git.GitError as error:
        said = (str(error).splitlines() or ["Git does not say why"])[0].rstrip(".")
        raise WorkspaceError(
            f"{remote} does not give {what}: {said}. Check the remote and its credentials (`git fetch {remote}`); a job's token needs "
            "to read the repository's contents.",
            NOTHING_SELECTED,
        ) from None
