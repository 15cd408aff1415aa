"""A rollout that does not become ready is stopped, and what ran before is brought back. Called by the workspace, around the driver.

The provider stops waiting at the workload's deadline and leaves the new version beside the old one, or, with the strategy `recreate`,
where it was. What was applied before is then applied again, and the reason is kept: the resource counts as failed until a later apply
succeeds. Workloads whose controller returns by itself (Argo's Rollout) are left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from trueup.apply.application import Operator, Outputs
from trueup.apply.outcome import Event, StackResult, ignore
from trueup_stacks.core.resources import Address, Resource, Secret, Stack, StackId, Value, outputs_of

RETURNED = ("kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet")
TOLD = "The rollout was stopped, and what was applied before runs again."


@dataclass(frozen=True)
class Returning:
    """The driver, with a way back. `former` has what was applied of each resource, and became ready."""

    driver: Operator
    former: Mapping[Address, Mapping[str, Value]]

    def up(
        self,
        stack: Stack,
        upstream: Outputs,
        secret: Callable[[Secret], str],
        on_event: Callable[[Event], None] = ignore,
        refresh: bool = False,
    ) -> StackResult:
        """As the driver's; what did not become ready is returned."""
        result = self.driver.up(stack, upstream, secret, on_event, refresh)
        back = tuple(r for r in stack.resources if self._returns(r, result))
        if not back or result.interrupted:
            return result
        for resource in back:
            text = f"{resource.address.name} did not become ready; bringing back what ran before"
            on_event(Event(stack.id, "log", resource.address, message=text))
        before = {r.address: replace(r, properties=self.former[r.address]) for r in back}
        returned = Stack(stack.id, tuple(before.get(r.address, r) for r in stack.resources))
        return _merged(result, self.driver.up(returned, upstream, secret, on_event, refresh), frozenset(before))

    def outputs(self, stack: StackId) -> Outputs:
        return self.driver.outputs(stack)

    def interrupt(self) -> None:
        self.driver.interrupt()

    def _returns(self, resource: Resource, result: StackResult) -> bool:
        """Whether there is something to go back to that is other than what was tried and needs nothing from elsewhere."""
        address = resource.address
        former = self.former.get(address)
        tried = {s.address for s in result.steps if s.action == "update"}
        return (
            address.type in RETURNED
            and address in result.not_ready
            and address in tried
            and former is not None
            and former != resource.properties
            and not list(outputs_of(former))
        )


def _merged(first: StackResult, second: StackResult, back: frozenset[Address]) -> StackResult:
    """What both came to: the second's, but for what was returned, which stays not ready for the first's reason."""
    reasons = {
        a: f"{first.not_ready[a]}\n{TOLD}"
        if a not in second.not_ready
        else f"{first.not_ready[a]}\n{second.not_ready[a]}"
        for a in back
    }
    steps = {s.address: s for s in first.steps}
    for step in second.steps:
        earlier = steps.get(step.address)
        if step.address not in back and (earlier is None or step.action != "same" or earlier.status != "done"):
            steps[step.address] = step
    return replace(
        second,
        steps=tuple(
            replace(s, error=reasons[a]) if a in reasons else s for a, s in sorted(steps.items(), key=lambda i: i[0])
        ),
        not_ready={**second.not_ready, **reasons},
        seconds=first.seconds + second.seconds,
        recovered=first.recovered + second.recovered,
    )
