"""What stood on a cluster that is lost is dropped from the state, and no provider is asked. Called by the workspace, around the driver."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol

from trueup.apply.application import Operator, Outputs
from trueup.apply.outcome import Event, StackResult, ignore
from trueup_stacks.core.resources import KUBERNETES, Secret, Stack, StackId


class Forgets(Protocol):
    """The driver, as far as this needs it (`apply/pulumi.py`)."""

    def forget(self, stack: StackId, types: str, on_event: Callable[[Event], None] = ...) -> StackResult: ...


@dataclass(frozen=True)
class Forgetting:
    """The driver, with stacks that are lost: what they have on their cluster is given up; what stands on none is applied as ever."""

    operator: Operator
    driver: Forgets
    lost: AbstractSet[StackId]

    def up(
        self,
        stack: Stack,
        upstream: Outputs,
        secret: Callable[[Secret], str],
        on_event: Callable[[Event], None] = ignore,
        refresh: bool = False,
    ) -> StackResult:
        """As the driver's; of a stack that is lost, what is left is applied once the rest is dropped."""
        if stack.id not in self.lost:
            return self.operator.up(stack, upstream, secret, on_event, refresh)
        given_up = self.driver.forget(stack.id, KUBERNETES, on_event)
        if not stack.resources:
            return given_up
        result = self.operator.up(stack, upstream, secret, on_event, refresh)
        return replace(result, steps=given_up.steps + result.steps, seconds=given_up.seconds + result.seconds)

    def outputs(self, stack: StackId) -> Outputs:
        return self.operator.outputs(stack)

    def interrupt(self) -> None:
        self.operator.interrupt()
