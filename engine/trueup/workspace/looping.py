"""One turn of the loop for one environment: see, decide, act, remember. Called by `trueup reconcile` and by `watching`.

What is decided is `reconcile.decisions`' matter; here the world is looked at before it, and changed after it, as `trueup apply` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trueup.apply.application import Outcome
from trueup.apply.outcome import Event as Progress
from trueup.apply.pulumi import Driver
from trueup.reconcile import memory as remembering
from trueup.reconcile import schedules
from trueup.reconcile.decisions import decide
from trueup.reconcile.values import Action, Memory, Turn
from trueup.record.events import Event, EventKind
from trueup.workspace import applying, memories, operating, permitting, viewing
from trueup.workspace.asking import Asking
from trueup.workspace.following import Branch
from trueup.workspace.opening import Workspace
from trueup.workspace.viewing import View
from trueup_specs.core.envelope import seconds
from trueup_specs.core.fingerprints import fingerprint

WHY = {Action.APPLY: "the loop follows {commit}", Action.HEAL: "the loop puts right what drifted"}


@dataclass
class Reconciler:
    """The loop of one environment. Not for several threads, but for `interrupt`."""

    workspace: Workspace
    environment: str
    branch: Branch
    on_event: Callable[[Progress], None] = lambda _event: None
    forge: Asking | None = None
    clock: Callable[[], float] = time.time
    stopping: bool = False
    busy: str = ""
    """What is being done now, for who asks whether the loop lives."""
    look_again: float = 0.0
    """When reality is to be looked at next; 0 where only on request."""
    _driver: Driver | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._file = memories.place(self.workspace.home, self.environment)
        self.memory = Memory()
        self.reload()

    def reload(self) -> None:
        """Reads the memory again: another loop may have led meanwhile."""
        self.memory = remembering.recovered(memories.load(self._file), self.clock())

    def interrupt(self) -> None:
        """Lets what is being applied end and begins nothing more. Safe to call from another thread."""
        self.stopping = True
        if self._driver is not None:
            self._driver.interrupt()

    def turn(self, *, look: bool = False) -> Turn:
        """One turn. `look`: reality is looked at, whether it is time or not. Raises what planning raises."""
        began, now = time.monotonic(), self.clock()
        tip = self.branch.tip()
        looks = look or (0 < self.look_again <= now)
        asking = self.forge or Asking(self.workspace)
        view = viewing.view(self.workspace, self.environment, tip, looks, asking.reviewed, self.memory.good)
        self._mark(view, now, looks)
        decision = decide(self.environment, view.desired, view.recorded, view.observed, now, self.memory)
        turn = Turn(
            self.environment,
            decision,
            view.desired.commit,
            view.recorded.commit,
            drifted=view.observed.drifted,
            looked=looks,
            vacant=bool(view.desired.vacant),
        )
        if decision.action is Action.NOTHING:
            self._remember(replace(self.memory, good=view.desired.commit))
        turn = self._act(turn, view) if decision.acts and not self.stopping else self._tell(turn, view)
        if view.desired.drift in ("issue", "pullRequest") and view.observed.digest not in ("", self.memory.issued):
            turn = self._issue(turn, view, asking)
        return replace(turn, seconds=time.monotonic() - began)

    def _mark(self, view: View, now: float, looked: bool) -> None:
        """Remembers the look, and when the next one is due: by the interval, and when a schedule fires."""
        if looked:
            reported = self.memory.reported if view.observed.digest == self.memory.reported else ""
            issued = reported and self.memory.issued
            self._remember(replace(self.memory, looked=now, reported=reported, issued=issued))
        times = [self.memory.looked + seconds(view.interval)] if view.interval else []
        times += [t] if (t := schedules.next_(view.documents, self.memory.looked or now)) else []
        self.look_again = min(times, default=0.0)

    def _act(self, turn: Turn, view: View) -> Turn:
        decision = turn.decision
        plan = view.healing if decision.action is Action.HEAL else view.prepared
        assert plan is not None
        self._remember(remembering.begin(self.memory, decision.key))
        self.busy = f"{decision.action} {turn.commit[:10]}"
        try:
            permitting.check_state(self.workspace, plan.prepared)
            done = applying.apply(
                self.workspace,
                plan.prepared,
                self.on_event,
                approvals=plan.approvals,
                why=WHY[decision.action].format(commit=turn.commit[:10]),
                on_driver=self._drives,
            )
        except viewing.EXPECTED as error:
            self._remember(remembering.failed(self.memory, decision.key, self.clock(), str(error)))
            return replace(turn, outcome="failed", error=str(error))
        finally:
            self.busy, self._driver = "", None
        return self._done(turn, view, done)

    def _drives(self, driver: Driver) -> None:
        self._driver = driver
        if self.stopping:
            driver.interrupt()

    def _done(self, turn: Turn, view: View, done: applying.Applied) -> Turn:
        outcome, error = _named(done, self.stopping), _why(done.result)
        memory, key, now = self.memory, turn.decision.key, self.clock()
        match outcome:
            case "done" | "held" | "nothing":
                healed = turn.decision.action is Action.HEAL or view.observed.digest
                memory = remembering.succeeded(memory, key)
                memory = remembering.healed(memory, view.observed.digest, now) if healed else memory
                memory = replace(
                    memory, told="", good=turn.commit if turn.decision.action is Action.APPLY else memory.good
                )
            case "waiting" | "locked":
                memory = remembering.postponed(memory, key, now, error)
            case "interrupted":
                memory = remembering.stopped(memory)
            case _:
                memory = remembering.failed(memory, key, now, error)
        self._remember(memory)
        return replace(turn, outcome=outcome, error="" if outcome in ("done", "held") else error, entry=done.entry)

    def _tell(self, turn: Turn, view: View) -> Turn:
        """Writes to the ledger what people must know, once."""
        decision = turn.decision
        if decision.action is Action.REPORT:
            operating.record_drift(self.workspace, self.environment, view.findings)
            self._remember(replace(self.memory, reported=view.observed.digest))
        elif decision.action in (Action.REFUSED, Action.BROKEN):
            digest = fingerprint([str(decision.action), turn.commit, list(decision.reasons)])
            if digest != self.memory.told:
                outcome = "denied" if decision.action is Action.REFUSED else "invalid"
                details = {"reasons": list(decision.reasons)}
                self.workspace.ledger.append(
                    Event(EventKind.DENIED, self.environment, turn.commit, outcome=outcome, details=details)
                )
                self._remember(replace(self.memory, told=digest))
        return turn

    def _issue(self, turn: Turn, view: View, asking: Asking) -> Turn:
        """Opens the pull request or the issue about drift; where that does not work, it is said, and tried again with the next look."""
        if view.desired.drift == "pullRequest":
            problem = asking.adopt(self.environment, view.findings)
        else:
            problem = asking.issue(self.environment, view.observed.drifted)
        if problem:
            return replace(turn, error=problem)
        self._remember(replace(self.memory, issued=view.observed.digest))
        return turn

    def _remember(self, memory: Memory) -> None:
        if memory != self.memory:
            memories.save(self._file, memory)
            self.memory = memory


def _named(done: applying.Applied, stopping: bool) -> str:
    """The outcome, with what the loop must tell apart from failures."""
    failed = [r for r in done.result.results if not r.ok]
    if failed and stopping and any(r.interrupted for r in failed):
        return "interrupted"
    if done.outcome == "failed" and failed and all(r.locked for r in failed):
        return "locked"
    return done.outcome


def _why(result: Outcome) -> str:
    """What keeps the environment from being done, in one line."""
    found = [r.error.splitlines()[0] for r in result.results if r.error]
    found += [f"{a.name}: {text}" for a, text in result.not_ready.items()]
    found += [f"{b.stack}: {b.reason}" for b in result.blocked]
    return found[0] if found else "It ended without saying why."
