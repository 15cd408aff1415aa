"""The driver: `up`, `preview`, `refresh` and `destroy` of one stack through the Pulumi CLI. The only caller of the Automation API.

Called by the workspace, from several threads for independent stacks. It decides nothing: what to apply, and whether it may be,
is settled before. Each changing operation holds the stack's lock, and first puts right what an interrupted one left.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from trueup.apply import checkpoints
from trueup.apply.backend import Backend
from trueup.apply.command import Command, Completed, event_server, program_server
from trueup.apply.events import Transcript, clean
from trueup.apply.outcome import Event, StackPreview, StackResult
from trueup_stacks.core.resources import Address, Secret, Stack, StackId

Outputs = Mapping[Address, Mapping[str, Any]]


class ProviderServer(Protocol):
    """The native provider, served in this process."""

    @property
    def port(self) -> int: ...

    def stop(self) -> None: ...


class DriverError(Exception):
    """Pulumi could not do what was asked, for a reason that is no resource's. The text is complete and holds no secret."""


def _serve(home: Path) -> ProviderServer:
    from trueup.provider.server import serve

    return serve(home)


def _ignore(_event: Event) -> None:
    return


class Driver:
    """The stacks of one workspace in one backend.

    `home` is the workspace's home, `cli` the Pulumi CLI (`cli.ensure_cli`), `environment` what the CLI and its plugins get beside the
    process's own variables: the cloud's region, the kubeconfig. `serve` starts the native provider for one operation.
    """

    def __init__(
        self,
        project: str,
        backend: Backend,
        home: Path,
        cli: Path,
        environment: Mapping[str, str] | None = None,
        serve: Callable[[Path], ProviderServer] = _serve,
    ) -> None:
        self.project = project
        self.backend = backend
        self.home = home
        self._serve = serve
        self._folder = home / "pulumi"
        self._command = Command(cli, self._folder, {**_variables(backend, home, cli), **(environment or {})})

    def up(
        self,
        stack: Stack,
        upstream: Outputs,
        secret: Callable[[Secret], str],
        on_event: Callable[[Event], None] = _ignore,
        refresh: bool = False,
    ) -> StackResult:
        """Brings a stack to what `stack` says. `upstream` holds other stacks' outputs, `secret` resolves references.

        With `refresh`, the state is first compared with reality. What does not depend on a failed resource is still done.
        Raises MissingUpstream before anything starts, LockedError, and DriverError where Pulumi itself could not work.
        """
        from trueup_stacks.program import program

        values = _Values(secret)
        declare = program(stack, upstream, frozenset(), values.resolve, self.project)
        arguments = ["up", "--yes", "--skip-preview", "--continue-on-error", *(["--refresh"] if refresh else [])]
        return self._change(stack.id, arguments, declare, values, on_event)

    def preview(
        self, stack: Stack, upstream: Outputs, unknown: AbstractSet[Address], secret: Callable[[Secret], str]
    ) -> StackPreview:
        """What an `up` would do. Outputs of the resources in `unknown`, which are other stacks', will change. Takes no lock."""
        from trueup_stacks.program import program

        values = _Values(secret)
        declare = program(stack, upstream, unknown, values.resolve, self.project)
        self._ensure(stack.id)
        transcript = Transcript(stack.id, values.mask, _ignore)
        done = self._operate(stack.id, ["preview"], declare, transcript)
        error = _error(done, transcript.errors(), values.mask)
        return StackPreview(stack.id, not error, transcript.previews(), error)

    def refresh(self, stack: StackId, on_event: Callable[[Event], None] = _ignore) -> StackResult:
        """Brings the state to what is real, and changes nothing real."""
        return self._change(stack, ["refresh", "--yes", "--skip-preview"], None, _Values(), on_event)

    def destroy(self, stack: StackId, on_event: Callable[[Event], None] = _ignore) -> StackResult:
        """Deletes everything that a stack holds, dependents first. A protected resource refuses, and nothing is deleted."""
        arguments = ["destroy", "--yes", "--skip-preview", "--continue-on-error"]
        return self._change(stack, arguments, None, _Values(), on_event)

    def state(self, stack: StackId) -> checkpoints.Checkpoint | None:
        """What Pulumi recorded of a stack; None where there is no such stack."""
        if self.backend.folder is not None:
            path = checkpoints.locate(self.backend.folder, self.project, stack)
            return checkpoints.read(path) if path else None
        exported = self.export(stack)
        return checkpoints.parse(exported["deployment"]) if exported else None

    def outputs(self, stack: StackId) -> dict[Address, dict[str, Any]]:
        """The outputs of a stack's resources, secrets left out; empty where the stack has not been applied."""
        state = self.state(stack)
        return _outputs(state) if state else {}

    def export(self, stack: StackId) -> dict[str, Any] | None:
        """A stack's deployment as Pulumi exports it, secrets as ciphertext; None where there is no such stack."""
        done = self._command.run(["stack", "export", *self._selector(stack)])
        if done.code == 0:
            exported: dict[str, Any] = json.loads(done.stdout)
            return exported
        if "no stack named" in done.stderr:
            return None
        raise DriverError(f"The state of stack {stack} cannot be read: {clean(done.stderr)}")

    def interrupt(self) -> None:
        """Lets running operations of all stacks end and begins no others; a second call is abrupt."""
        self._command.interrupt()

    def _change(
        self,
        stack: StackId,
        arguments: list[str],
        declare: Callable[[], None] | None,
        values: _Values,
        on_event: Callable[[Event], None],
    ) -> StackResult:
        began = time.monotonic()
        on_event(Event(stack, "started"))
        self._ensure(stack)
        transcript = Transcript(stack, values.mask, on_event)
        done = self._operate(stack, arguments, declare, transcript)
        result = self._result(stack, done, transcript, values, time.monotonic() - began)
        on_event(Event(stack, "finished" if result.ok else "failed", message=result.error, seconds=result.seconds))
        return result

    def _result(
        self, stack: StackId, done: Completed, transcript: Transcript, values: _Values, seconds: float
    ) -> StackResult:
        state = self.state(stack) or checkpoints.Checkpoint()
        live = state.by_address()
        not_ready = {a: values.mask("; ".join(r.init_errors)) for a, r in live.items() if r.init_errors}
        errors = transcript.errors(lambda a: a not in not_ready)
        only_waiting = not errors and not_ready and transcript.failed() <= not_ready.keys()
        error = "" if only_waiting and not done.interrupted else _error(done, errors, values.mask)
        return StackResult(
            stack,
            ok=not error,
            steps=transcript.steps(not_ready),
            outputs=_outputs(state),
            ids={a: r.id for a, r in live.items()},
            not_ready=not_ready,
            error=error,
            seconds=seconds,
            interrupted=done.interrupted,
        )

    def _operate(
        self, stack: StackId, arguments: list[str], declare: Callable[[], None] | None, transcript: Transcript
    ) -> Completed:
        """Runs one operation with the servers that it needs: events, the program, the native provider."""
        with ExitStack() as servers:
            events = servers.enter_context(event_server(transcript.take))
            variables = servers.enter_context(self._provider())
            extra = [f"--event-log={events}"]
            if declare is not None:
                extra += [servers.enter_context(program_server(declare)), "--exec-kind=auto.inline"]
            return self._command.run([*arguments, *extra, *self._selector(stack)], variables)

    @contextmanager
    def _provider(self) -> Iterator[dict[str, str]]:
        """Serves the native provider for one operation; gives the variable that makes Pulumi attach to it."""
        server = self._serve(self.home)
        try:
            yield {"PULUMI_DEBUG_PROVIDERS": f"trueup:{server.port}"}
        finally:
            server.stop()

    def _selector(self, stack: StackId) -> list[str]:
        return ["--stack", f"organization/{self.project}/{stack}"]

    def _ensure(self, stack: StackId) -> None:
        """Makes the project's settings and, where it is not there, the stack."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self._folder / "Pulumi.yaml", json.dumps({"name": self.project, "runtime": "python"}) + "\n")
        folder = self.backend.folder
        if folder is not None and checkpoints.locate(folder, self.project, stack):
            return
        provider = ["--secrets-provider", self.backend.secrets_provider]
        done = self._command.run(["stack", "init", "--no-select", *provider, *self._selector(stack)])
        if done.code != 0 and "already exists" not in done.stderr:
            raise DriverError(f"Stack {stack} cannot be made in the state backend: {clean(done.stderr)}")


class _Values:
    """The secrets that an operation resolved, so that they can be masked in what it says."""

    def __init__(self, secret: Callable[[Secret], str] | None = None) -> None:
        self._secret = secret
        self._seen: set[str] = set()

    def resolve(self, reference: Secret) -> str:
        assert self._secret is not None
        value = self._secret(reference)
        self._seen.add(value)
        return value

    def mask(self, text: str) -> str:
        from trueup.apply.secrets import mask

        return mask(text, self._seen)


def _outputs(state: checkpoints.Checkpoint) -> dict[Address, dict[str, Any]]:
    return {a: r.plain_outputs for a, r in state.by_address().items()}


def _error(done: Completed, errors: list[str], mask: Callable[[str], str]) -> str:
    """What went wrong, complete; empty where nothing did."""
    if done.code == 0 and not errors:
        return ""
    if done.interrupted:
        errors = [*errors, "The operation was interrupted; what had begun was let end. Apply again to go on."]
    return (
        "\n".join(errors) or clean(mask(done.stderr or done.stdout)) or f"The Pulumi CLI ended with code {done.code}."
    )


def _variables(backend: Backend, home: Path, cli: Path) -> dict[str, str]:
    """The CLI's environment beside the process's own. `PATH` finds the native provider for plugin mode."""
    scripts = Path(sys.executable).parent
    return {
        **backend.environment,
        "PULUMI_BACKEND_URL": backend.url,
        "PULUMI_HOME": str(home / "pulumi" / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_AUTOMATION_API": "true",
        # The flag `--event-log` is one of the CLI's debugging flags.
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_OPTION_NON_INTERACTIVE": "true",
        "TRUEUP_PROVIDER_HOME": str(home),
        "PATH": os.pathsep.join([str(cli.parent), str(scripts), os.environ.get("PATH", os.defpath)]),
    }


def _write(path: Path, text: str) -> None:
    """Writes a small file in one step where it differs; threads and processes may do so at the same time."""
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as stream:
        stream.write(text)
    Path(stream.name).replace(path)
