"""The cost of a plan: the ledger's side of it. Called by `planning` for each plan; the reckoning is `plan.costs`'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from trueup.compile.compilation import Compilation
from trueup.load.parts import Part
from trueup.load.trees import Tree
from trueup.plan import costs
from trueup.plan.recorded import Recorded
from trueup.plan.values import Plan
from trueup.resolve.catalog import Catalog
from trueup.workspace.opening import Workspace
from trueup_stacks.core.resources import Address


def costed(
    workspace: Workspace, made: Plan, tree: Tree, ruling: Catalog, compilation: Compilation, recorded: Recorded
) -> Plan:
    """The plan with its cost, by the prices of the catalog whose rules hold: who asks for more does not set the price of it.

    Where only parts of the tree are planned, the rest is there as it is recorded.
    """
    prices, environment = ruling.settings.prices, made.environment
    if prices is None:
        return replace(made, evidence=replace(made.evidence, cost=costs.cost(None, (), (), ())))
    replaced = list(_there(recorded, environment))
    narrow = isinstance(tree, Part)
    there = list(_there(workspace.ledger.recorded(environment), environment)) if narrow else replaced
    desired = [(r.address, r.encoded) for r in compilation.resources()]
    cost = costs.cost(prices, there, replaced, desired)
    return replace(made, evidence=replace(made.evidence, cost=cost))


def _there(recorded: Recorded, environment: str) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    for stack in recorded.stacks.values():
        if stack.id.environment == environment:
            yield from ((address, resource.properties) for address, resource in stack.resources.items())
