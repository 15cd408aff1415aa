"""The driver: `up`, `preview`, `refresh` and `destroy` of one stack through the Pulumi CLI. The only caller of the Automation API.

Called by the workspace, from several threads for independent stacks. It decides nothing: what to apply, and whether it may be,
is settled before. Each changing operation holds the stack's lock, and first puts right what an interrupted one left.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from trueup.apply import checkpoints, locks, processes, recovery
from trueup.apply.backend import Backend
from trueup.apply.command import Command, Completed, event_server, program_server
from trueup.apply.deployments import Deployments, DriverError
from trueup.apply.events import Transcript, clean
from trueup.apply.locks import Lock
from trueup.apply.outcome import Event, StackPreview, StackResult, StepResult, ignore
from trueup.apply.recovery import Recovered
from trueup.provider import journal
from trueup.provider.journal import Creation
from trueup_stacks.core.resources import KUBERNETES, Address, Resource, Secret, Stack, StackId
from trueup_stacks.sdk import is_native

__all__ = ["Driver", "DriverError"]

Outputs = Mapping[Address, Mapping[str, Any]]
GIVE_UP = "give-up"
TAKING_BACK = {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true"}
"""Makes the Kubernetes provider take back fields that somebody else set otherwise. Only where the state is compared with reality first,
which is how drift is put right; else such a field is a conflict, and its owner is named."""


class ProviderServer(Protocol):
    """The native provider, served in this process."""

    @property
    def port(self) -> int: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What the operations on one stack have beside what all have."""

    environment: Mapping[str, str] = field(default_factory=dict)
    configuration: Mapping[str, str] = field(default_factory=dict)


def _serve(home: Path) -> ProviderServer:
    from trueup.provider.server import serve

    return serve(home)


class Driver:
    """The stacks of one workspace in one backend.

    `home` is the workspace's home, `cli` the Pulumi CLI (`cli.ensure_cli`), `environment` what the CLI and its plugins get beside the
    process's own variables: the cloud's region, the kubeconfig. `configuration` is that of the providers, such as `kubernetes:context`.
    `around` is what one stack has of both beside, and raises DriverError where there is no place for it. `serve` starts the native
    provider for one operation.
    """

    def __init__(
        self,
        project: str,
        backend: Backend,
        home: Path,
        cli: Path,
        environment: Mapping[str, str] | None = None,
        serve: Callable[[Path], ProviderServer] = _serve,
        configuration: Mapping[str, str] | None = None,
        around: Callable[[StackId], StackSettings] | None = None,
    ) -> None:
        self.project = project
        self.backend = backend
        self.home = home
        self._serve = serve
        self._configuration = configuration or {}
        self._around = around or (lambda _stack: StackSettings())
        self._folder = home / "pulumi"
        self._command = Command(cli, self._folder, {**_variables(backend, home, cli), **(environment or {})})
        self._stacks = Deployments(project, backend, self._folder, self._command)
        self._locks = (backend.folder / ".trueup" if backend.folder else home) / "locks"

    def up(
        self,
        stack: Stack,
        upstream: Outputs,
        secret: Callable[[Secret], str],
        on_event: Callable[[Event], None] = ignore,
        refresh: bool = False,
    ) -> StackResult:
        """Brings a stack to what `stack` says. `upstream` holds other stacks' outputs, `secret` resolves references.

        With `refresh`, the state is first compared with reality. What does not depend on a failed resource is still done.
        Raises MissingUpstream before anything starts, LockedError, and DriverError where Pulumi itself could not work.
        """
        from trueup_stacks.program import program

        values = _Values(secret)
        declare = program(stack, upstream, frozenset(), values.resolve, self.project)
        arguments = [
            "up",
            "--yes",
            "--skip-preview",
            "--continue-on-error",
            *(["--refresh"] if refresh else []),
            *self._settings(stack.id),
        ]
        desired = {r.address: r.properties for r in stack.resources}
        taking = TAKING_BACK if refresh else {}
        return self._change(_Operation(stack.id, arguments, declare, desired, taking), values, on_event)

    def preview(
        self,
        stack: Stack,
        upstream: Outputs,
        unknown: AbstractSet[Address],
        secret: Callable[[Secret], str],
        refresh: bool = False,
    ) -> StackPreview:
        """What an `up` would do. Outputs of the resources in `unknown`, which are other stacks', will change. Takes no lock.

        With `refresh`, what is real is compared, not what the state says of it; the state stays as it is.
        """
        from trueup_stacks.program import program

        values = _Values(secret)
        declare = program(stack, upstream, unknown, values.resolve, self.project)
        self._stacks.ensure(stack.id)
        transcript = Transcript(stack.id, values.mask, ignore)
        arguments = ["preview", *(["--refresh"] if refresh else []), *self._settings(stack.id)]
        done = self._operate(_Operation(stack.id, arguments, declare, None), transcript)
        error = _error(done, transcript.errors(), values.mask)
        return StackPreview(stack.id, not error, transcript.previews(), error)

    def refresh(self, stack: StackId, on_event: Callable[[Event], None] = ignore) -> StackResult:
        """Brings the state to what is real, and changes nothing real."""
        arguments = ["refresh", "--yes", "--skip-preview"]
        return self._change(_Operation(stack, arguments, None, None), _Values(), on_event)

    def destroy(self, stack: StackId, on_event: Callable[[Event], None] = ignore) -> StackResult:
        """Deletes everything that a stack holds, dependents first. A protected resource refuses, and nothing is deleted."""
        arguments = ["destroy", "--yes", "--skip-preview", "--continue-on-error"]
        return self._change(_Operation(stack, arguments, None, {}), _Values(), on_event)

    def forget(self, stack: StackId, types: str, on_event: Callable[[Event], None] = ignore) -> StackResult:
        """Drops the resources whose types begin so from the state, and asks nothing of a provider: what they stood on is lost."""
        began = time.monotonic()
        on_event(Event(stack, "started"))
        with locks.hold(self._locks, self.project, stack) as lock:
            if (folder := self.backend.folder) is not None:
                recovery.repair(folder, self.project, stack)
                self._unlock(stack, recovery.locks_in(folder, self.project, stack), lock)
            exported = self._stacks.export(stack)
            left, gone = checkpoints.without(exported or {"deployment": {}}, types)
            if gone:
                self._stacks.load(stack, left)
            state = self.state(stack) or checkpoints.Checkpoint()
        for address in gone:
            on_event(Event(stack, "finished", address, GIVE_UP))
        seconds = time.monotonic() - began
        on_event(Event(stack, "finished", seconds=seconds))
        steps = tuple(StepResult(address, GIVE_UP, "done") for address in gone)
        ids = {a: r.id for a, r in state.by_address().items()}
        return StackResult(stack, ok=True, steps=steps, outputs=_outputs(state), ids=ids, seconds=seconds)

    def import_(self, resource: Resource, secret: Callable[[Secret], str]) -> StackResult:
        """Takes the real thing that `resource.options.import_id` names into the state. Changes nothing real.

        Its properties must be those of the real thing, known as values. The stack's other resources stay as they are. (`pulumi import`
        needs a language plugin, so this is an update of one target.)
        """
        from trueup_stacks.program import program

        values, stack = _Values(secret), resource.address.stack
        declare = program(Stack(stack, (resource,)), {}, frozenset(), values.resolve, self.project)
        target = ["--target", resource.address.urn(self.project)]
        arguments = ["up", "--yes", "--skip-preview", *target, *self._settings(stack)]
        return self._change(_Operation(stack, arguments, declare, None), values, ignore)

    def state(self, stack: StackId) -> checkpoints.Checkpoint | None:
        """What Pulumi recorded of a stack; None where there is no such stack."""
        return self._stacks.state(stack)

    def outputs(self, stack: StackId) -> dict[Address, dict[str, Any]]:
        """The outputs of a stack's resources, secrets left out; empty where the stack has not been applied."""
        state = self.state(stack)
        return _outputs(state) if state else {}

    def interrupt(self) -> None:
        """Lets running operations of all stacks end and begins no others; a second call is abrupt."""
        self._command.interrupt()

    def _settings(self, stack: StackId) -> list[str]:
        """The arguments that configure the providers of a stack."""
        found = {**self._configuration, **self._around(stack).configuration}
        return [a for k, v in sorted(found.items()) for a in ("--config", f"{k}={v}")]

    def _change(self, operation: _Operation, values: _Values, on_event: Callable[[Event], None]) -> StackResult:
        stack = operation.stack
        if self._command.stopping:
            return StackResult(
                stack, ok=False, error="The apply was interrupted before this stack began.", interrupted=True
            )
        began = time.monotonic()
        on_event(Event(stack, "started"))
        with locks.hold(self._locks, self.project, stack) as lock:
            recovered = self._recover(operation, lock)
            for note in recovered.notes:
                on_event(Event(stack, "log", message=note))
            self._stacks.ensure(stack)
            transcript = Transcript(stack, values.mask, on_event)
            operation = operation.refreshing() if recovered.refresh else operation
            try:
                done = self._operate(operation, transcript, lock)
            except recovery.LeftLockedError as late:
                found = self._release(operation, late.held, lock)
                for note in found.notes:
                    on_event(Event(stack, "log", message=note))
                recovered += found
                done = self._operate(operation.refreshing(), transcript, lock)
            result = self._result(stack, done, transcript, values, recovered)
        result = replace(result, seconds=time.monotonic() - began)
        on_event(Event(stack, "finished" if result.ok else "failed", message=result.error, seconds=result.seconds))
        return result

    def _recover(self, operation: _Operation, lock: Lock) -> Recovered:
        """Puts right what an interrupted operation left; nothing to do is the rule, and costs a look at the state's file."""
        stack, folder = operation.stack, self.backend.folder
        found = recovery.inherited(lock.left)
        if folder is None:
            refusal = self._stacks.conflict(stack) if lock.left else ""
            self._unlock(stack, recovery.locks_named(refusal), lock)
        else:
            found += recovery.repair(folder, self.project, stack)
            self._unlock(stack, recovery.locks_in(folder, self.project, stack), lock)
        return found + self._settle(operation)

    def _release(self, operation: _Operation, held: list[recovery.Held], lock: Lock) -> Recovered:
        """Clears a lock that recovery did not see, of a CLI that is gone: it was written last, or by an apply with another home."""
        self._unlock(operation.stack, held, lock)
        owners = ", ".join(map(str, held))
        note = f"Pulumi's own lock of {owners}, which is gone, was cleared, and the state is compared with reality."
        return Recovered((note,), refresh=True) + self._settle(operation)

    def _settle(self, operation: _Operation) -> Recovered:
        """Settles what was begun on a stack and never recorded as ended."""
        state = self._stacks.state(operation.stack)
        if state is None:
            return Recovered()
        lost = self._lost(operation.stack, state)
        if not state.pending and not lost:
            return Recovered()
        adopt = _adopting(self.home)
        return recovery.settle(operation.stack, self._stacks, operation.desired, adopt, _identity, lost)

    def _lost(self, stack: StackId, state: checkpoints.Checkpoint) -> list[Creation]:
        """What the native provider began to create and the state does not have; what it has is dropped from the provider's journal."""
        return recovery.unrecorded(journal.left(self.home, self.project, str(stack)), state, _identity)

    def _unlock(self, stack: StackId, held: list[recovery.Held], lock: Lock) -> None:
        if held:
            recovery.require_stale(stack, held, lock.left)
            self._stacks.settings()
            self._stacks.unlock(stack)

    def _result(
        self, stack: StackId, done: Completed, transcript: Transcript, values: _Values, recovered: Recovered
    ) -> StackResult:
        state = self.state(stack) or checkpoints.Checkpoint()
        self._lost(stack, state)
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
            interrupted=done.interrupted,
            recovered=recovered.notes,
        )

    def _operate(self, operation: _Operation, transcript: Transcript, lock: Lock | None = None) -> Completed:
        """Runs one operation with the servers that it needs: events, the program, the native provider."""
        with ExitStack() as servers:
            events = servers.enter_context(event_server(transcript.take))
            around = self._around(operation.stack).environment
            variables = {**around, **operation.variables, **servers.enter_context(self._provider())}
            extra = [f"--event-log={events}"]
            if operation.declare is not None:
                extra += [servers.enter_context(program_server(operation.declare)), "--exec-kind=auto.inline"]
            arguments = [*operation.arguments, *extra, *self._stacks.selector(operation.stack)]
            if lock is None:
                return self._command.run(arguments, variables, begins=True)
            marked = {**variables, processes.MARK: lock.token}
            done = self._command.run(arguments, marked, lock.record_cli, begins=True)
        if lock.lost:
            raise locks.LockedError(lock.lost)
        if done.code != 0 and recovery.busy(done.stderr):
            held = recovery.locks_named(done.stderr)
            recovery.require_stale(operation.stack, held, lock.left if lock else None)
            text = f"Stack {operation.stack} is locked in the state backend: {clean(done.stderr)}"
            raise recovery.LeftLockedError(text, held) if held else locks.LockedError(text)
        return done

    @contextmanager
    def _provider(self) -> Iterator[dict[str, str]]:
        """Serves the native provider for one operation; gives the variable that makes Pulumi attach to it."""
        server = self._serve(self.home)
        try:
            yield {"PULUMI_DEBUG_PROVIDERS": f"trueup:{server.port}"}
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class _Operation:
    """What the CLI is asked for. `desired` is what the stack is to hold afterwards; None where that is not said."""

    stack: StackId
    arguments: list[str]
    declare: Callable[[], None] | None
    desired: recovery.Desired | None
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the CLI and its plugins get for this operation only."""

    def refreshing(self) -> _Operation:
        """The same, after a comparison of the state with reality."""
        if "refresh" in (a.lstrip("-") for a in self.arguments):
            return self
        return replace(self, arguments=[*self.arguments, "--refresh"], variables={**self.variables, **TAKING_BACK})


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


def _identity(type: str) -> frozenset[str] | None:
    """The inputs of a native resource that replace it; none of a Kubernetes object, which its name says; None of others."""
    if type.startswith(KUBERNETES):
        return frozenset()
    if not is_native(type):
        return None
    from trueup.provider.catalogue import component

    return component(type).replace_on


def _adopting(home: Path) -> recovery.Adopt:
    """What finds or finishes what an interrupted creation began, and gives its id."""

    def adopt(urn: str, inputs: Mapping[str, Any]) -> str:
        from trueup.provider.catalogue import component
        from trueup.provider.component import Context

        # What its name says is there or not: the refresh finds it, and nothing is made only to be deleted.
        if checkpoints.address_of(urn).on_kubernetes:
            metadata = inputs["metadata"]
            return "/".join(str(metadata[k]) for k in ("namespace", "name") if metadata.get(k))
        # A run's id is its fingerprint. It is not started only to be deleted: the refresh finds whether it is there.
        if "fingerprint" in inputs:
            return str(inputs["fingerprint"])
        return component(checkpoints.address_of(urn).type).create(Context(home, urn), dict(inputs)).id

    return adopt
