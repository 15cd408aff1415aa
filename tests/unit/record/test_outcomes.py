"""What is recorded of a stack after an apply: what was done, and nothing that was not."""

from __future__ import annotations

from trueup.apply.outcome import StackResult, StepResult
from trueup.record.outcomes import stack_update
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Resource, Stack, StackId

STACK = StackId("dev", "churn", "model")
RUN = Address(STACK, "trueup:run:Run", "churn")
GATE = Address(STACK, "trueup:run:Gate", "churn")
REGISTERED = Address(STACK, "trueup:registry:RegisteredModel", "churn")
DESIRED = Stack(
    STACK, tuple(Resource(a, {"owner": "new"}, Key("Model", "churn", "churn")) for a in (REGISTERED, RUN, GATE))
)
IDS = {a: a.name for a in (REGISTERED, RUN, GATE)}


def recorded(ok: bool, steps: tuple[StepResult, ...]) -> tuple[set[Address], str | None]:
    result = StackResult(STACK, ok, steps, ids=IDS, error="" if ok else "It failed.")
    update = stack_update(DESIRED, result, None, {}, "c" * 40, "1")
    return {r.address for r in update.resources}, update.commit


def test_what_was_not_tried_after_a_failure_is_not_recorded_as_applied_though_it_is_there_from_before() -> None:
    steps = (StepResult(REGISTERED, "same", "done"), StepResult(RUN, "replace", "failed", "It failed."))
    assert recorded(False, steps) == ({REGISTERED}, None)


def test_a_stack_that_went_well_is_recorded_as_a_whole() -> None:
    steps = tuple(StepResult(a, "update", "done") for a in IDS)
    assert recorded(True, steps) == (set(IDS), "c" * 40)


def test_what_reads_a_run_that_goes_on_is_recorded_as_it_was() -> None:
    waiting = {RUN: "Waiting for the run."}
    steps = (StepResult(REGISTERED, "same", "done"), StepResult(RUN, "replace", "not-ready", waiting[RUN]))
    result = StackResult(STACK, True, steps, ids=IDS, not_ready=waiting)
    update = stack_update(DESIRED, result, None, {}, "c" * 40, "1")
    assert {r.address: r.status for r in update.resources} == {REGISTERED: "done", RUN: "waiting"}
    assert update.commit is None
