"""Applying a plan: stacks in dependency order, independent ones side by side. Called by the workspace; decides nothing.

A stack begins when all stacks that it reads from have ended. Where one of those failed or holds back what is read, the stack
is *blocked*: the branch of the graph stops there, and what is independent is finished. Stacks that no step touches are applied
too when outputs that they read turned out different from the recorded ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueup import waiting
from trueup.apply.locks import LockedError
from trueup.apply.outcome import Event, StackResult
from trueup_stacks.core.resources import Address, Output, Secret, Stack, StackId, outputs_of

Outputs = Mapping[Address, Mapping[str, Any]]
STOPPING = "interrupted: what {stack} has begun is let end; press Ctrl-C again to end it at once"
PARALLEL = 4
"""Stacks at once: each is a Pulumi process that mostly waits."""


class Operator(Protocol):
    """The driver, as far as an application needs it (`apply/pulumi.py`)."""

    def up(
        self,
        stack: Stack,
        upstream: Outputs,
        secret: Callable[[Secret], str],
        on_event: Callable[[Event], None] = ...,
        refresh: bool = ...,
    ) -> StackResult: ...

    def outputs(self, stack: StackId) -> Outputs: ...

    def interrupt(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be applied: all desired stacks of the environment, and those that steps touch."""

    stacks: Mapping[StackId, Stack]
    waves: tuple[tuple[StackId, ...], ...]
    touched: AbstractSet[StackId]
    refreshed: AbstractSet[StackId] = frozenset()
    """Stacks whose state is compared with reality first: those that drifted."""
    known: Outputs = field(default_factory=dict)
    """Outputs as the ledger records them, by address."""
    skipped: Mapping[StackId, str] = field(default_factory=dict)
    """Stacks that are not tried, each with the reason: what they stand on is away."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A stack that was not tried, and why."""

    stack: StackId
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an apply of an environment came to."""

    results: tuple[StackResult, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed (what waits or is held is no failure)."""
        return all(r.ok for r in self.results)

    @property
    def not_ready(self) -> dict[Address, str]:
        """What exists and is not ready, with the reason."""
        return {a: text for r in self.results for a, text in r.not_ready.items()}


def run(
    work: Work,
    driver: Operator,
    secret: Callable[[Secret], str],
    on_event: Callable[[Event], None],
    on_result: Callable[[Stack, StackResult], None],
) -> Outcome:
    """Applies the work. `on_result` is called in this thread after each stack, so that it is recorded before others go on."""
    began = time.monotonic()
    state = _State(work, driver)
    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="stack") as pool:
        running: dict[Future[StackResult], Stack] = {}
        try:
            while True:
                waiting.require_none()
                for stack in state.ready():
                    upstream = state.upstream(stack)
                    refresh = stack.id in work.refreshed
                    running[pool.submit(driver.up, stack, upstream, secret, on_event, refresh)] = stack
                if not running:
                    break
                for future in _ended(running, driver, on_event):
                    stack = running.pop(future)
                    result = _result(stack, future)
                    state.finish(stack, result)
                    on_result(stack, result)
        except KeyboardInterrupt:  # between two stacks
            driver.interrupt()  # what still runs would be waited for to its end
            raise
    return Outcome(tuple(state.results), tuple(state.blocked), time.monotonic() - began)


def _ended(
    running: Mapping[Future[StackResult], Stack], driver: Operator, on_event: Callable[[Event], None]
) -> set[Future[StackResult]]:
    """The stacks that ended next. Ctrl-C meanwhile is passed on, and what has begun still ends and is recorded."""
    while True:
        try:
            return waiting.first_ended(running)
        except KeyboardInterrupt:
            waiting.answer()
            driver.interrupt()
            for stack in running.values():
                on_event(Event(stack.id, "log", message=STOPPING.format(stack=stack.id)))


def _result(stack: Stack, future: Future[StackResult]) -> StackResult:
    """The result; an error of the driver is a failed stack, so that the others are finished and recorded."""
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, Exception):
        raise error
    return StackResult(stack.id, ok=False, error=str(error), locked=isinstance(error, LockedError))


class _State:
    """Which stacks wait, go on and have ended, and the outputs known so far."""

    def __init__(self, work: Work, driver: Operator) -> None:
        self.work = work
        self.driver = driver
        self.order = [id for wave in work.waves for id in wave]
        self.order += sorted(work.touched - set(self.order))
        self.pending = list(self.order)
        self.begun: set[StackId] = set()
        self.done: set[StackId] = set()
        self.results: list[StackResult] = []
        self.blocked: list[Blocked] = []
        self.broken: dict[Address, str] = {}
        self.failed: set[Address] = set()
        self.outputs: dict[Address, Mapping[str, Any]] = {}
        self.changed: set[Address] = set()

    def stack(self, id: StackId) -> Stack:
        return self.work.stacks.get(id) or Stack(id, ())

    def ready(self) -> list[Stack]:
        """The stacks that can begin now; those that cannot at all, or need not, are settled on the way."""
        found: list[Stack] = []
        for id in list(self.pending):
            stack = self.stack(id)
            if stack.upstream() & set(self.work.stacks) - self.done:
                continue
            self.pending.remove(id)
            if id not in self.work.touched and not self._reads_changed(stack):
                self.done.add(id)
            elif reason := self._obstacle(stack):
                self.blocked.append(Blocked(id, reason))
                self.broken |= {r.address: f"{r.address.name} was not applied" for r in stack.resources}
                self.failed |= {r.address for r in stack.resources}
                self.done.add(id)
                return found + self.ready()
            else:
                found.append(stack)
        return found

    def upstream(self, stack: Stack) -> dict[Address, Mapping[str, Any]]:
        """The outputs of other stacks that a stack reads."""
        return {a: self._known(a) for a in sorted({o.address for o in _external(stack)})}

    def finish(self, stack: Stack, result: StackResult) -> None:
        self.results.append(result)
        self.done.add(stack.id)
        for address, outputs in result.outputs.items():
            if outputs != self.work.known.get(address):
                self.changed.add(address)
            self.outputs[address] = outputs
        self.broken |= dict(result.not_ready)
        made = {s.address for s in result.steps if s.status == "done"} | (set(result.ids) if result.ok else set())
        failed = {s.address: s.error for s in result.steps if s.status in ("failed", "skipped")}
        for resource in stack.resources:
            if resource.address in failed and resource.address not in self.broken:
                self.broken[resource.address] = failed[resource.address] or f"{resource.address.name} failed"
                self.failed.add(resource.address)
            elif resource.address not in made and not result.ok:
                self.broken[resource.address] = f"{resource.address.name} was not applied"
                self.failed.add(resource.address)

    def _known(self, address: Address) -> Mapping[str, Any]:
        if address not in self.outputs:
            self.outputs |= {a: o for a, o in self.driver.outputs(address.stack).items() if a not in self.outputs}
        return self.outputs.get(address, {})

    def _reads_changed(self, stack: Stack) -> bool:
        for output in _external(stack):
            if output.address in self.changed:
                before = self.work.known.get(output.address, {})
                if _top(self.outputs.get(output.address, {}), output) != _top(before, output):
                    return True
        return False

    def _obstacle(self, stack: Stack) -> str:
        """Why a stack cannot be applied: what it reads failed, is not ready, or has no such output yet.

        What is held or waits goes on giving its outputs of before, as is meant. What failed does too, and they are not what the desired
        state says: a run that read them would be recorded as one on data that was never loaded.
        """
        if reason := self.work.skipped.get(stack.id, ""):
            return reason
        for output in _external(stack):
            absent = _top(self._known(output.address), output) is None
            if output.address in self.failed or (output.address in self.broken and absent):
                return f"it needs {output.property!r} of {output.address.name}: {self.broken[output.address]}"
            if absent:
                return f"it needs {output.property!r} of {output.address}, which is not there yet"
        for address in sorted(a for r in stack.resources for a in r.depends_on if a.stack != stack.id):
            if address in self.failed:
                return f"it needs {address.name}: {self.broken[address]}"
        return ""


def _external(stack: Stack) -> list[Output]:
    return [o for r in stack.resources for o in outputs_of(r.properties) if o.address.stack != stack.id]


def _top(outputs: Mapping[str, Any], output: Output) -> Any:
    name = output.property
    return outputs.get(name, outputs.get(name.split(".")[0]))
