"""The loop as a service: follows the branch, keeps the lease, takes turns until it is stopped. Called by `trueup reconcile --watch` and
`trueup serve`.

The environments take turns in this thread, one after the other; a long run of one keeps the others waiting, so that a process for each is
better there (the lease is per environment). Nothing that goes wrong in a turn ends the service.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from trueup.apply.locks import LockedError
from trueup.reconcile import backoff
from trueup.reconcile.values import Action, Line, Standing, Turn
from trueup.workspace import leading, viewing
from trueup.workspace.following import Branch
from trueup.workspace.leading import Lease
from trueup.workspace.looping import Reconciler
from trueup.workspace.opening import WorkspaceError

FAILED, LOCKED = 1, 6
RECHECK = 60.0
"""Seconds after which a plan is made again though nothing is known to have changed: windows open, versions have soaked."""
SHARE = 20
"""A plan that takes long is made again more seldom: at most one part in so many of the time is spent on it."""
STUCK = 120.0
"""Seconds without a sign of the loop, and nothing in hand, after which it no longer counts as alive."""
SPEED = 1.0
"""Seconds between two rounds, at least: however often it is woken."""


@dataclass
class _Course:
    """What is known of one environment between turns."""

    loop: Reconciler
    standing: Standing
    lease: Lease | None = None
    seen: tuple[str, str] = ("", "")
    """The commit and the ledger's newest entry at the beginning of the last turn."""
    again: float = 0.0
    """When the next turn is due though nothing changed."""


@dataclass
class Watch:
    """The service. `wake` and `stop` may be called from any thread, not from a signal handler."""

    branch: Branch
    poll: float
    say: Callable[[Line], None]
    clock: Callable[[], float] = time.time
    fetched: str = ""
    """Why the last fetch did not work; empty where it did."""
    fetch_failures: int = 0
    begun: float = field(default_factory=time.time)
    alive: float = field(default_factory=time.time)
    """The last sign of life."""
    _courses: dict[str, _Course] = field(default_factory=dict)
    _woken: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def add(self, loop: Reconciler) -> None:
        """Takes an environment in."""
        self._courses[loop.environment] = _Course(loop, Standing(loop.environment))

    def standings(self) -> tuple[Standing, ...]:
        """How every environment stands."""
        return tuple(replace(c.standing, busy=c.loop.busy) for c in self._courses.values())

    def healthy(self) -> bool:
        """Whether the loop lives: it gave a sign lately, or has something in hand."""
        return any(c.loop.busy for c in self._courses.values()) or self.clock() - self.alive < max(STUCK, 3 * self.poll)

    def ready(self) -> bool:
        """Whether every environment had a turn, or is another loop's."""
        return all(c.standing.time or c.standing.other for c in self._courses.values())

    def wake(self) -> None:
        """Look again now, instead of at the next poll."""
        self._woken.set()

    def stop(self) -> None:
        """Ends the service: what is being applied is let end. A second time ends that at once."""
        self._stopped.set()
        for course in self._courses.values():
            course.loop.interrupt()
        self._woken.set()

    def run(self) -> None:
        """Takes turns until it is stopped."""
        names = ",".join(self._courses)
        self.say(Line("started", fields={"environments": names, "poll": self.poll}))
        try:
            while not self._stopped.is_set():
                self._round()
                self._rest()
        finally:
            for course in self._courses.values():
                if course.lease is not None:
                    course.lease.release()
            self.say(Line("stopped", fields={"environments": names}))

    def _round(self) -> None:
        self.alive = self.clock()
        self._fetch()
        for course in self._courses.values():
            self.alive = self.clock()
            if self._stopped.is_set():
                return
            try:
                self._environment(course)
            except viewing.EXPECTED as error:
                self._troubled(course, str(error), "")
            except Exception as error:  # noqa: BLE001 — a bug in one turn must not end the service: it is said, and tried again
                self._troubled(course, f"{type(error).__name__}: {error}", traceback.format_exc())

    def _rest(self) -> None:
        now = self.clock()
        times = [c.again for c in self._courses.values() if c.again and c.standing.leads]
        wait = min([self.poll, *(max(t - now, SPEED) for t in times)])
        if self._woken.wait(wait):
            self._stopped.wait(max(0.0, self.alive + SPEED - self.clock()))
            self._woken.clear()

    def _fetch(self) -> None:
        said = self.branch.fetch()
        if said and said != self.fetched:
            self.say(Line("fetch-failed", level="warning", fields={"reason": said}))
        elif self.fetched and not said:
            self.say(Line("fetched-again"))
        self.fetch_failures += bool(said)
        self.fetched = said

    def _environment(self, course: _Course) -> None:
        """A turn, where it is time for one and this process leads."""
        loop, now = course.loop, self.clock()
        tip = loop.branch.tip()
        if not self._leads(course):
            return
        mark = (tip.commit, loop.workspace.ledger.newest())
        if mark == course.seen and now < course.again:
            return
        course.seen = mark
        turn = loop.turn()
        course.again = self._next(course, turn)
        self._stands(course, turn)

    def _leads(self, course: _Course) -> bool:
        loop, standing = course.loop, course.standing
        if course.lease is None:
            course.lease = leading.lease(loop.workspace, loop.environment, loop.branch.tip())
        leads = course.lease.held()
        if leads != standing.leads or course.lease.other != standing.other:
            event = "leading" if leads else "standby"
            fields = {"reason": course.lease.other} if course.lease.other else {}
            self.say(Line(event, loop.environment, fields=fields))
            if leads:
                loop.reload()
        course.standing = replace(standing, leads=leads, other=course.lease.other)
        return leads

    def _next(self, course: _Course, turn: Turn) -> float:
        """When the next turn is due at the latest."""
        now = self.clock()
        times = [now + max(RECHECK, SHARE * turn.seconds if not turn.outcome else 0.0)]
        times += [t for t in (turn.decision.again, course.loop.look_again) if t]
        return now if turn.outcome else min(times)

    def _stands(self, course: _Course, turn: Turn) -> None:
        before = course.standing
        if turn.outcome or before.turn is None or _kind(turn) != _kind(before.turn) or before.error:
            self.say(said(turn))
        outcomes = dict(before.outcomes)
        if turn.outcome:
            done = (str(turn.decision.action), turn.outcome)
            outcomes[done] = outcomes.get(done, 0) + 1
        failures = max((t.count for t in course.loop.memory.failures.values()), default=0)
        course.standing = replace(
            before,
            turn=turn,
            time=self.clock(),
            error="",
            errors=0,
            failures=failures,
            turns=before.turns + 1,
            outcomes=outcomes,
            spent=before.spent + turn.seconds,
        )

    def _troubled(self, course: _Course, text: str, trace: str) -> None:
        """A turn that could not decide: said once, and tried again later and later."""
        before = course.standing
        if text != before.error:
            fields = {"reason": text} | ({"trace": trace} if trace else {})
            self.say(Line("error", course.loop.environment, "error", fields))
        errors = before.errors + 1
        course.again = self.clock() + min(backoff.delay(errors, course.loop.environment), backoff.LONGEST)
        course.standing = replace(before, error=text, errors=errors, time=self.clock())


def _kind(turn: Turn) -> tuple[object, ...]:
    return (turn.decision.action, turn.commit, turn.drifted, turn.decision.reasons if not turn.settled else ())


def said(turn: Turn) -> Line:
    """A turn, for the log."""
    level = "error" if turn.outcome in ("failed", "partly") else "info"
    if turn.decision.action in (Action.REFUSED, Action.BROKEN, Action.REPORT, Action.WAIT):
        level = "warning"
    fields: dict[str, str | int | float] = {"commit": turn.commit[:10], "reason": " ".join(turn.decision.reasons)}
    fields |= {"outcome": turn.outcome} if turn.outcome else {}
    fields |= {"error": turn.error} if turn.error else {}
    fields |= {"drifted": len(turn.drifted)} if turn.drifted else {}
    fields |= {"entry": turn.entry[:10]} if turn.entry else {}
    return Line(str(turn.decision.action), turn.environment, level, {**fields, "seconds": round(turn.seconds, 2)})  # type: ignore[arg-type]


def once(loops: Iterable[Reconciler], branch: Branch, say: Callable[[Line], None]) -> list[Turn | Standing]:
    """One turn for each environment, looking at reality; a Standing where another loop leads, or where it could not even decide: what is
    wrong with one environment keeps no other from its turn."""
    if failed := branch.fetch():
        say(Line("fetch-failed", level="warning", fields={"reason": failed}))
    return [_one(loop, branch) for loop in loops]


def _one(loop: Reconciler, branch: Branch) -> Turn | Standing:
    try:
        lease = leading.lease(loop.workspace, loop.environment, branch.tip())
        if not lease.held():
            return Standing(loop.environment, other=lease.other)
        try:
            loop.reload()
            return loop.turn(look=True)
        finally:
            lease.release()
    except viewing.EXPECTED as error:
        return Standing(loop.environment, error=str(error), errors=1, code=_exit_code(error))


def _exit_code(error: Exception) -> int:
    if isinstance(error, WorkspaceError):
        return error.code
    return LOCKED if isinstance(error, LockedError) else FAILED
