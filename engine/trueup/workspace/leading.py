"""One loop acts for an environment: the lease of its leader. Called by the loop before it looks, and again before it acts.

For file state the lease lies beside the state and holds between machines that share the folder. For other backends it lies in the
workspace's home and holds on this machine; two loops on two machines then still never change one stack at once (Pulumi's lock in the
backend), and lose nothing in the ledger, but may both try: run one loop an environment there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from trueup.apply import locks
from trueup.apply.backend import BackendError
from trueup.apply.locks import Lock, LockedError
from trueup.exits import NOTHING_SELECTED
from trueup.load.trees import Tree
from trueup.resolve import environments
from trueup.validate.validation import documents
from trueup.workspace.drivers import backend_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key, last_applied
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import StackId


class Lease:
    """The lease of an environment's loop: ours, or someone else's."""

    def __init__(self, workspace: Workspace, environment: str, settings: EnvironmentSpec) -> None:
        self._folder = _folder(workspace, settings)
        self._project, self._id = workspace.name, StackId(environment, "loop", "leader")
        self._lock: Lock | None = None
        self.other = ""
        """Who leads, as a sentence, where it is not this process."""

    def held(self) -> bool:
        """Whether this process leads; takes the lease where nobody has it, or its owner is gone."""
        if self._lock is not None and not self._lock.lost:
            return True
        if self._lock is not None:
            self.release()
        try:
            self._lock = locks.acquire(self._folder, self._project, self._id)
        except LockedError:
            self.other = self._leader()
            return False
        self.other = ""
        return True

    def release(self) -> None:
        """Lets the next one lead."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _leader(self) -> str:
        found = locks.read(locks.place(self._folder, self._project, self._id))
        if found is None:
            return "Another loop leads."
        since = datetime.fromtimestamp(found.since, UTC).strftime(locks.SHOWN)
        return f"The loop of {found.user}@{found.owner.host} (process {found.owner.pid}) leads since {since}."


def lease(workspace: Workspace, environment: str, tip: Tree) -> Lease:
    """The lease of an environment, whose place its settings say: those of the followed commit, or, where that is broken, of what was
    applied last. Raises WorkspaceError where neither has the environment."""
    for tree in (tip, last_applied(workspace, environment).tree):
        found = by_key(documents(tree)) if tree is not None else {}
        if environment in environments.environments(found):
            return Lease(workspace, environment, environments.settings(found, environment))
    known = ", ".join(environments.environments(by_key(documents(tip)))) or "none"
    raise WorkspaceError(
        f"There is no environment {environment!r} at {tip.commit[:10]}. The workspace has: {known}.", NOTHING_SELECTED
    )


def _folder(workspace: Workspace, settings: EnvironmentSpec) -> Path:
    try:
        backend = backend_of(workspace, settings)
    except BackendError:  # without its passphrase nothing is applied, and the driver says so
        return workspace.home / "locks"
    return (backend.folder / ".trueup" if backend.folder else workspace.home) / "locks"
