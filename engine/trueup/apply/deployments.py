"""A project's stacks in a state backend: made, read, exported, imported and unlocked through the CLI.

Called by `apply/pulumi.py`, and by `recovery.py` through what that gives it. It decides nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from trueup.apply import checkpoints
from trueup.apply.backend import Backend
from trueup.apply.command import Command
from trueup.apply.events import clean
from trueup_stacks.core.resources import StackId

PLUGIN = "pulumi-resource-trueup"


class DriverError(Exception):
    """Pulumi could not do what was asked, for a reason that is no resource's. The text is complete and holds no secret."""


class Deployments:
    """The stacks of one project in one backend. `folder` is the CLI's working folder."""

    def __init__(self, project: str, backend: Backend, folder: Path, command: Command) -> None:
        self._project = project
        self._backend = backend
        self._folder = folder
        self._command = command

    def selector(self, stack: StackId) -> list[str]:
        """The arguments that name a stack."""
        return ["--stack", f"organization/{self._project}/{stack}"]

    def ensure(self, stack: StackId) -> None:
        """Makes the project's settings and, where it is not there, the stack. Raises DriverError."""
        self.settings()
        folder = self._backend.folder
        if folder is not None and checkpoints.locate(folder, self._project, stack):
            return
        provider = ["--secrets-provider", self._backend.secrets_provider]
        done = self._command.run(["stack", "init", "--no-select", *provider, *self.selector(stack)])
        if done.code != 0 and "already exists" not in done.stderr:
            raise DriverError(f"Stack {stack} cannot be made in the state backend: {clean(done.stderr)}")

    def settings(self) -> None:
        """Makes the project's settings, without which the CLI does nothing."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings: dict[str, Any] = {"name": self._project, "runtime": "python"}
        scripts = Path(sys.executable).parent
        if (scripts / PLUGIN).exists():
            # Named here, Pulumi does not say at each operation that it found the plugin on PATH.
            settings["plugins"] = {"providers": [{"name": "trueup", "path": str(scripts)}]}
        _write(self._folder / "Pulumi.yaml", json.dumps(settings) + "\n")

    def state(self, stack: StackId) -> checkpoints.Checkpoint | None:
        """What is recorded of a stack; None where there is no such stack. Raises DriverError."""
        if self._backend.folder is not None:
            path = checkpoints.locate(self._backend.folder, self._project, stack)
            try:
                return checkpoints.read(path) if path else None
            except (ValueError, checkpoints.CompressedError) as error:
                raise DriverError(f"The state of stack {stack} in {path} cannot be read: {error}") from error
        exported = self.export(stack)
        return checkpoints.parse(exported["deployment"]) if exported else None

    def export(self, stack: StackId, secrets: bool = False) -> dict[str, Any] | None:
        """A stack's deployment as Pulumi exports it, secrets as ciphertext unless asked for; None where there is no such stack."""
        self.settings()
        clear = ["--show-secrets"] if secrets else []
        done = self._command.run(["stack", "export", *clear, *self.selector(stack)])
        if done.code == 0:
            exported: dict[str, Any] = json.loads(done.stdout)
            return exported
        if "no stack named" in done.stderr:
            return None
        raise DriverError(f"The state of stack {stack} cannot be read: {clean(done.stderr)}")

    def load(self, stack: StackId, exported: dict[str, Any]) -> None:
        """Makes an exported deployment the stack's state. Raises DriverError."""
        done = self._command.run(["stack", "import", *self.selector(stack)], text=json.dumps(exported))
        if done.code != 0:
            raise DriverError(f"The state of stack {stack} cannot be put right: {clean(done.stderr)}")

    def conflict(self, stack: StackId) -> str:
        """Why the backend would refuse an operation now: Pulumi's words about its lock, or nothing. For backends that are no files.

        An import of what is there is the least that takes the lock.
        """
        exported = self.export(stack)
        if exported is None:
            return ""
        return self._command.run(["stack", "import", *self.selector(stack)], text=json.dumps(exported)).stderr

    def unlock(self, stack: StackId) -> None:
        """Clears Pulumi's own locks of a stack. Only for locks whose owner is known to be gone."""
        done = self._command.run(["cancel", "--yes", *self.selector(stack)])
        if done.code != 0:
            raise DriverError(f"Pulumi's own lock of stack {stack} cannot be cleared: {clean(done.stderr)}")


def _write(path: Path, text: str) -> None:
    """Writes a small file in one step where it differs; threads and processes may do so at the same time."""
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as stream:
        stream.write(text)
    Path(stream.name).replace(path)
