"""Applying a graph of stacks: where its branches stop. The driver is one that gives what it is told; the order and the stops are real."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from trueup import waiting
from trueup.apply.application import Outcome, Work, run
from trueup.apply.locks import LockedError
from trueup.apply.outcome import Event, StackResult, StepResult
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Output, Resource, Secret, Stack, StackId

DATA, MODEL, SERVING = (StackId("dev", "churn", layer) for layer in ("data", "model", "serving"))
TABLE = Address(DATA, "trueup:data:Table", "customers")
RUN = Address(MODEL, "trueup:run:Run", "churn")
SERVICE = Address(SERVING, "trueup:serve:Service", "churn")
BEFORE: dict[Address, Mapping[str, Any]] = {TABLE: {"version": 3}, RUN: {"version": 7}, SERVICE: {"url": "http://x"}}


def resource(address: Address, **reads: Address) -> Resource:
    properties = {name: Output(of, "version", "f") for name, of in reads.items()}
    return Resource(address, properties, Key("Model", "churn", address.name))


STACKS = {
    DATA: Stack(DATA, (resource(TABLE),)),
    MODEL: Stack(MODEL, (resource(RUN, data=TABLE),)),
    SERVING: Stack(SERVING, (resource(SERVICE, model=RUN),)),
}


@dataclass
class Told:
    """Gives the results that it is told, else one where everything is as before."""

    results: dict[StackId, StackResult]
    tried: list[StackId] = field(default_factory=list)
    locked: frozenset[StackId] = frozenset()
    interrupts: StackId | None = None
    interrupted: threading.Event = field(default_factory=threading.Event)

    def up(
        self,
        stack: Stack,
        upstream: Mapping[Address, Mapping[str, Any]],
        secret: Callable[[Secret], str],
        on_event: Callable[[Event], None] = lambda _e: None,
        refresh: bool = False,
    ) -> StackResult:
        self.tried.append(stack.id)
        if stack.id in self.locked:
            raise LockedError(f"Stack {stack.id} is being changed.")
        if stack.id == self.interrupts:
            time.sleep(0.3)  # the pool has its thread by then
            os.kill(os.getpid(), signal.SIGINT)
            assert self.interrupted.wait(20), "the interrupt was passed on"
            return result(stack.id, "failed", error="The operation was interrupted.", interrupted=True)
        return self.results.get(stack.id) or result(stack.id, "done")

    def interrupt(self) -> None:
        self.interrupted.set()

    def outputs(self, stack: StackId) -> Mapping[Address, Mapping[str, Any]]:
        return {a: o for a, o in BEFORE.items() if a.stack == stack}


def result(id: StackId, status: str, **more: Any) -> StackResult:
    [address] = (a for a in BEFORE if a.stack == id)
    step = StepResult(address, "update", status, "The source is away." if status == "failed" else "")  # type: ignore[arg-type]
    outputs = {address: BEFORE[address]}
    return StackResult(id, status != "failed", (step,), outputs, {address: address.name}, **more)


def applied(results: dict[StackId, StackResult], locked: StackId | None = None) -> tuple[list[StackId], Outcome]:
    driver = Told(results, locked=frozenset({locked} if locked else ()))
    work = Work(STACKS, ((DATA,), (MODEL,), (SERVING,)), frozenset(STACKS), known=BEFORE)
    done = run(work, driver, lambda _s: "", lambda _e: None, lambda _s, _r: None)
    return driver.tried, done


def test_what_reads_a_table_that_failed_is_not_tried_though_the_table_has_outputs_of_before() -> None:
    tried, done = applied({DATA: result(DATA, "failed", error="The source is away.")})
    assert tried == [DATA]
    assert [b.stack for b in done.blocked] == [MODEL, SERVING]
    assert done.blocked[0].reason == "it needs 'version' of customers: The source is away."
    assert done.blocked[1].reason == "it needs 'version' of churn: churn was not applied"
    assert not done.ok


def test_what_has_to_stand_first_stops_what_stands_on_it_though_no_output_is_read() -> None:
    stacks = {
        DATA: STACKS[DATA],
        SERVING: Stack(SERVING, (Resource(SERVICE, {}, Key("Endpoint", "churn", "churn"), (TABLE,)),)),
    }
    driver = Told({DATA: result(DATA, "failed", error="The source is away.")})
    work = Work(stacks, ((DATA,), (SERVING,)), frozenset(stacks), known=BEFORE)
    done = run(work, driver, lambda _s: "", lambda _e: None, lambda _s, _r: None)
    assert driver.tried == [DATA]
    assert [b.reason for b in done.blocked] == ["it needs customers: The source is away."]


def test_what_was_not_tried_after_a_failure_stops_the_branch_too() -> None:
    untried = StackResult(MODEL, False, (), {RUN: BEFORE[RUN]}, {RUN: "churn"}, error="Another resource failed.")
    tried, done = applied({MODEL: untried})
    assert tried == [DATA, MODEL]
    assert [b.reason for b in done.blocked] == ["it needs 'version' of churn: churn was not applied"]


def test_what_reads_something_held_goes_on_with_what_it_gave_before() -> None:
    tried, done = applied({MODEL: result(MODEL, "not-ready", not_ready={RUN: "Held by its gate."})})
    assert tried == [DATA, MODEL, SERVING]
    assert not done.blocked
    assert done.ok


def test_a_stack_that_someone_else_works_on_is_told_from_one_that_failed() -> None:
    _, done = applied({}, locked=DATA)
    assert [(r.stack, r.locked) for r in done.results if not r.ok] == [(DATA, True)]
    _, done = applied({DATA: result(DATA, "failed", error="The source is away.")})
    assert [(r.stack, r.locked) for r in done.results if not r.ok] == [(DATA, False)]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C does what it does in a terminal, also where the tests run in the background."""
    before, hook = signal.signal(signal.SIGINT, signal.default_int_handler), sys.unraisablehook
    yield
    signal.signal(signal.SIGINT, before)
    sys.unraisablehook = hook


def test_ctrl_c_lets_what_has_begun_end_and_records_it(ctrl_c: None) -> None:
    driver, recorded, said = Told({}, interrupts=DATA), [], []
    work = Work(STACKS, ((DATA,), (MODEL,), (SERVING,)), frozenset(STACKS), known=BEFORE)
    done = run(
        work,
        driver,
        lambda _s: "",
        lambda e: said.append(e.message),
        lambda s, r: recorded.append((s.id, r.interrupted)),
    )
    assert driver.tried == [DATA]
    assert recorded == [(DATA, True)]
    assert any("Ctrl-C again" in text for text in said)
    assert [b.stack for b in done.blocked] == [MODEL, SERVING]


def test_ctrl_c_while_a_result_is_recorded_tells_what_still_runs(ctrl_c: None) -> None:
    driver = Told({})

    def recorded(_stack: Stack, _result: StackResult) -> None:
        signal.raise_signal(signal.SIGINT)

    work = Work(STACKS, ((DATA,), (MODEL,), (SERVING,)), frozenset(STACKS), known=BEFORE)
    with pytest.raises(KeyboardInterrupt):
        run(work, driver, lambda _s: "", lambda _e: None, recorded)
    assert driver.interrupted.is_set()
    assert driver.tried == [DATA]


def test_ctrl_c_that_was_lost_before_anything_began_begins_nothing(ctrl_c: None) -> None:
    waiting.listen()
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    driver = Told({})
    work = Work(STACKS, ((DATA,), (MODEL,), (SERVING,)), frozenset(STACKS), known=BEFORE)
    with pytest.raises(KeyboardInterrupt):
        run(work, driver, lambda _s: "", lambda _e: None, lambda _s, _r: None)
    waiting.answer()
    assert driver.tried == [] and driver.interrupted.is_set()


def test_everything_is_tried_in_order_where_nothing_fails() -> None:
    tried, done = applied({})
    assert tried == [DATA, MODEL, SERVING]
    assert done.ok


def test_what_stands_on_a_cluster_that_is_away_is_not_tried_and_holds_up_what_reads_it_alone() -> None:
    away, beside = StackId("dev", "churn", "data", "virginia"), StackId("dev", "churn", "serving", "virginia")
    table = Address(away, "kubernetes:core/v1:Namespace", "churn")
    there = Resource(
        Address(beside, "kubernetes:core/v1:Service", "churn"), {}, Key("Endpoint", "churn", "x"), (table,)
    )
    stacks = {
        **STACKS,
        away: Stack(away, (resource(table),)),
        beside: Stack(beside, (there,)),
    }
    driver = Told({})
    work = Work(
        stacks,
        ((DATA, away), (MODEL,), (SERVING, beside)),
        frozenset(stacks),
        known=BEFORE,
        skipped={away: "its cluster is away"},
    )
    outcome = run(work, driver, lambda _s: "", lambda _e: None, lambda _s, _r: None)
    assert set(driver.tried) == {DATA, MODEL, SERVING} and outcome.ok
    reasons = {b.stack: b.reason for b in outcome.blocked}
    assert reasons[away] == "its cluster is away" and reasons.keys() == {away, beside}
