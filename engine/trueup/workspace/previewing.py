"""The online plan: what Pulumi and the providers say of the touched stacks. Called by `trueup plan --online`; changes nothing real.

Each stack is previewed by itself. Outputs of other stacks that the plan will change are not known yet and enter as unknowns, so that one
graph holds over all stacks; the others enter as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trueup.apply.application import PARALLEL
from trueup.apply.outcome import Event, StackPreview
from trueup.apply.pulumi import Driver, DriverError
from trueup.plan.values import Action, Category, Step
from trueup.workspace.drivers import driver_of, resolver_of
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared
from trueup.workspace.reaching import GIVEN_UP, reach
from trueup_stacks.core.resources import Address, Stack, StackId, outputs_of

_GONE = (Action.DELETE, Action.FORGET, Action.GIVE_UP)


def preview(
    workspace: Workspace, prepared: Prepared, on_event: Callable[[Event], None], refresh: bool = False
) -> tuple[StackPreview, ...]:
    """What an apply would do to each touched stack, in the order of the plan; with `refresh` to every stack, as it really is."""
    touched = [id for wave in prepared.plan.order for id in wave]
    if refresh:
        touched += [id for wave in prepared.compilation.waves for id in wave if id not in touched]
    if not touched:
        return ()
    driver, secret = driver_of(workspace, prepared.catalog, on_event), resolver_of(workspace, prepared)
    unknown = unsettled(prepared.plan.steps)
    stacks = [prepared.compilation.stacks.get(id) or Stack(id, ()) for id in touched]
    outputs = _outputs(driver, stacks)
    reached = reach(workspace, prepared.catalog.settings)
    lost = {
        id: GIVEN_UP.format(name=reached.names[id.cluster])
        for id in reached.given_up(prepared.recorded, prepared.catalog.environment)
    }
    skipped = {**reached.skipped(stacks, prepared.recorded), **lost}

    def ask(stack: Stack) -> StackPreview:
        if reason := skipped.get(stack.id, ""):
            return StackPreview(stack.id, ok=True, skipped=reason)
        read = external(stack)
        beside = frozenset(a for a in read if a in unknown or a not in outputs)
        upstream = {a: outputs[a] for a in read - beside}
        try:
            return driver.preview(stack, upstream, beside, secret, refresh)
        except (LookupError, DriverError) as error:
            return StackPreview(stack.id, ok=False, error=str(error))

    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="preview") as pool:
        return tuple(pool.map(ask, stacks))


def unsettled(steps: Iterable[Step]) -> frozenset[Address]:
    """The resources whose outputs are known only after the apply: those that change in more than what describes them."""
    return frozenset(s.address for s in steps if s.action not in _GONE and s.category is not Category.METADATA)


def external(stack: Stack) -> frozenset[Address]:
    """The resources of other stacks whose outputs a stack reads."""
    return frozenset(
        o.address for r in stack.resources for o in outputs_of(r.properties) if o.address.stack != stack.id
    )


def _outputs(driver: Driver, stacks: Iterable[Stack]) -> Mapping[Address, Mapping[str, Any]]:
    """The outputs of every stack that one of the stacks reads, each asked once."""
    needed: AbstractSet[StackId] = {a.stack for stack in stacks for a in external(stack)}
    return {a: found for id in sorted(needed) for a, found in driver.outputs(id).items()}
