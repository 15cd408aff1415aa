"""Environments in which there is nothing to do anything with, and those that the specs forgot. Called by what plans, applies and loops.

That nothing was selected is another thing than that everything is as it should be: it is said as such, with an exit code of its own.
"""

from __future__ import annotations

from collections.abc import Collection

from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared

WAITS = frozenset({"TRU2003", "TRU2007"})
"""What the compiler notes of a document that becomes nothing yet, or nothing here."""
SHOWN = 3


def vacant(workspace: Workspace, prepared: Prepared) -> str:
    """Why there is nothing to plan or apply in an environment, as a sentence; empty where there is something.

    A plan without steps of an environment of which nothing is recorded asks for nothing either.
    """
    environment = prepared.catalog.environment
    read = {id.environment for id in prepared.recorded.stacks}  # a narrow plan reads only what it needs
    if not prepared.plan.empty or environment in read or environment in _known(workspace):
        return ""
    waiting = [d.summary.rstrip(".") for d in prepared.diagnostics if d.code in WAITS]
    more = f" (and {len(waiting) - SHOWN} more)" if len(waiting) > SHOWN else ""
    why = f" {'; '.join(waiting[:SHOWN])}{more}." if waiting else ""
    return f"No document becomes a resource in {environment}, and none is recorded there, so nothing is selected.{why}"


def forgotten(workspace: Workspace, names: Collection[str]) -> dict[str, str]:
    """The environments that have recorded resources and that the specs (`names`) do not have any more, each with a sentence."""
    return {name: _said(workspace, name) for name in sorted(_known(workspace) - frozenset(names))}


def count(workspace: Workspace, environment: str) -> int:
    """How many resources of an environment are recorded."""
    stacks = workspace.ledger.recorded(environment).stacks.values()
    return sum(len(s.resources) for s in stacks if s.id.environment == environment)


def _known(workspace: Workspace) -> frozenset[str]:
    """The environments of which stacks are recorded: a stack that lost its last resource is recorded no more."""
    return frozenset(id.environment for id in workspace.ledger.stacks().oids)


def _said(workspace: Workspace, environment: str) -> str:
    number = count(workspace, environment)
    there = "1 resource of it is" if number == 1 else f"{number} resources of it are"
    return (
        f"{environment} is in no spec any more, and {there} recorded: nothing of it was touched. "
        f"`trueup destroy {environment}` deletes what is left."
    )
