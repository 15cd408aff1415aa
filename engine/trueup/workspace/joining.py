"""The forge that a job belongs to, connected, and the commits that its job is about. Called by the `ci` commands; prints nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trueup.exits import NO_TOKEN, UNREACHED
from trueup.forge import surroundings
from trueup.forge.surroundings import MissingToken, Surroundings, UnknownForge
from trueup.forge.values import Forge, ForgeError, PullRequest, Unavailable
from trueup.load import git
from trueup.workspace import pulling
from trueup.workspace.opening import Workspace, WorkspaceError

REMOTE = "origin"


@dataclass(frozen=True)
class Joined:
    """A job's place: the forge and the remote that its commits come from."""

    forge: Forge
    around: Surroundings
    remote: str = REMOTE


def join(
    workspace: Workspace, remote: str = REMOTE, environ: Mapping[str, str] = os.environ, base: str = ""
) -> Joined | None:
    """The forge around; None in a shell that names none. Raises WorkspaceError where one is named and cannot be used.

    `base` is the base branch, where the caller knows better than the job.
    A clone of a forge that is known by name counts only together with a token: on a laptop nothing is told by accident.
    """
    try:
        found = surroundings.find(environ, workspace.repository)
    except UnknownForge as error:
        if "TRUEUP_FORGE" in environ:
            raise WorkspaceError(str(error), UNREACHED) from None
        return None
    except ForgeError as error:
        raise WorkspaceError(str(error), UNREACHED) from None
    named = bool(found.event) or any(n in environ for n in ("TRUEUP_FORGE", "TRUEUP_PULL_REQUEST"))
    if not named and surroundings.TOKEN not in environ:
        return None
    try:
        return Joined(surroundings.connect(found, environ), replace(found, base=base or found.base), remote)
    except MissingToken as error:
        raise WorkspaceError(f"{error} Without it nothing can be told, so nothing was done.", NO_TOKEN) from None


def request_of(joined: Joined) -> PullRequest:
    """The pull request that the job is about. Raises WorkspaceError and ForgeError."""
    return joined.forge.pull_request(joined.around.require_pull_request())


def commits_of(workspace: Workspace, joined: Joined, request: PullRequest) -> tuple[str, str]:
    """The base branch's tip and the head of a pull request, here as objects. Raises WorkspaceError."""
    pulling.whole(workspace, joined.remote)
    base = pulling.branch(workspace, joined.remote, request.base)
    return base, pulling.head(workspace, joined.remote, joined.forge.name, request.number, request.head_commit)


def tip_of(workspace: Workspace, joined: Joined) -> str:
    """The tip of the branch that was pushed to, or of the remote's default branch. Raises WorkspaceError."""
    pulling.whole(workspace, joined.remote)
    return pulling.branch(workspace, joined.remote, base_of(workspace, joined))


def base_of(workspace: Workspace, joined: Joined) -> str:
    """The base branch: the one that was pushed to, or the remote's default one. Raises WorkspaceError."""
    return joined.around.base or _default(workspace, joined.remote)


def _default(workspace: Workspace, remote: str) -> str:
    done = git.attempt(workspace.repository, "ls-remote", "--symref", "--", remote, "HEAD")
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("ref: refs/heads/"):
            return line.removeprefix("ref: refs/heads/").partition("\t")[0]
    said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    raise WorkspaceError(
        f"{remote} does not say which its default branch is{f': {said}' if said else ''}. Look at the remote and its credentials.",
        UNREACHED,
    )


def as_problem(error: ForgeError) -> WorkspaceError:
    """A forge's error where nothing can be done without its answer."""
    what = "does not answer" if isinstance(error, Unavailable) else "refuses"
    return WorkspaceError(f"The forge {what}, so nothing was done. {error}", UNREACHED)
