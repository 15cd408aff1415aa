"""A rollout that does not become ready: when it goes back, to what, and what is said. The driver is one that gives what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from trueup.apply.outcome import StackResult, StepResult
from trueup.apply.returning import TOLD, Returning
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Output, Resource, Stack, StackId

SERVING = StackId("prod", "churn", "serving")
DEPLOYMENT = Address(SERVING, "kubernetes:apps/v1:Deployment", "churn")
SERVICE = Address(SERVING, "kubernetes:core/v1:Service", "churn")
NEW, OLD = {"spec": {"image": "b"}}, {"spec": {"image": "a"}}
REASON = "[ImagePullBackOff] not found"


def resource(address: Address, properties: Mapping[str, Any]) -> Resource:
    return Resource(address, properties, Key("Endpoint", "churn", "churn"))


STACK = Stack(SERVING, (resource(DEPLOYMENT, NEW), resource(SERVICE, {"spec": {}})))


@dataclass
class Told:
    """Gives its results in turn, and keeps what it was asked to apply."""

    results: list[StackResult]
    tried: list[Mapping[Address, Any]] = field(default_factory=list)

    def up(self, stack: Stack, *_rest: Any) -> StackResult:
        self.tried.append({r.address: r.properties for r in stack.resources})
        return self.results[len(self.tried) - 1]

    def outputs(self, stack: StackId) -> Mapping[Address, Mapping[str, Any]]:
        return {}

    def interrupt(self) -> None:
        return


def result(action: str = "update", not_ready: str = "", service: str = "done", **more: Any) -> StackResult:
    steps = (
        StepResult(DEPLOYMENT, action, "not-ready" if not_ready else "done", not_ready, 2.0),
        StepResult(SERVICE, "update", service, "", 1.0),  # type: ignore[arg-type]
    )
    reasons = {DEPLOYMENT: not_ready} if not_ready else {}
    return StackResult(SERVING, True, steps, ids={DEPLOYMENT: "churn"}, not_ready=reasons, seconds=3.0, **more)


FAILED = result(not_ready=REASON, service="skipped")


def applied(results: list[StackResult], former: Any = OLD) -> tuple[Told, StackResult]:
    told = Told(results)
    return told, Returning(told, {DEPLOYMENT: former} if former else {}).up(STACK, {}, lambda _s: "")


def test_what_was_applied_before_runs_again_and_the_rest_is_finished() -> None:
    told, done = applied([FAILED, result(action="update")])
    assert [t[DEPLOYMENT] for t in told.tried] == [NEW, OLD]
    assert told.tried[1][SERVICE] == told.tried[0][SERVICE]
    assert done.not_ready == {DEPLOYMENT: f"{REASON}\n{TOLD}"} and done.seconds == 6.0
    steps = {s.address: s for s in done.steps}
    assert steps[DEPLOYMENT].status == "not-ready" and REASON in steps[DEPLOYMENT].error
    assert steps[SERVICE].status == "done", "what waited for it was done with the second operation"


def test_what_is_not_ready_the_second_time_either_says_both() -> None:
    _, done = applied([FAILED, result(not_ready="[CrashLoopBackOff] again")])
    assert REASON in done.not_ready[DEPLOYMENT] and "again" in done.not_ready[DEPLOYMENT]
    assert TOLD not in done.not_ready[DEPLOYMENT]


@pytest.mark.parametrize(
    ("first", "former"),
    [
        (result(), OLD),
        (FAILED, None),
        (FAILED, NEW),
        (result(action="create", not_ready=REASON), OLD),
        (result(not_ready=REASON, interrupted=True), OLD),
        (FAILED, {"spec": {"image": Output(SERVICE, "image", "f")}}),
    ],
    ids=[
        "it is ready",
        "nothing was there",
        "the same was there",
        "it was made",
        "interrupted",
        "it read what changed",
    ],
)
def test_nothing_is_returned_where_there_is_nothing_to_go_back_to(first: StackResult, former: Any) -> None:
    told, done = applied([first], former)
    assert len(told.tried) == 1 and done is first
