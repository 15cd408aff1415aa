"""Deleting what was applied to an environment. Called by `trueup destroy`.

The specs need not have the environment any more: what was applied last says then where its state is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trueup.apply.outcome import Event as Progress
from trueup.apply.outcome import StackResult
from trueup.exits import DENIED
from trueup.load.trees import Tree, WorkingTree, revision
from trueup.plan.recorded import Recorded
from trueup.record.events import DONE, Event, EventKind
from trueup.record.updates import StackUpdate
from trueup.resolve.catalog import Catalog
from trueup.resolve.environments import environments
from trueup.validate.validation import documents
from trueup.workspace.drivers import driver_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key, catalog_of, last_applied, validated
from trueup_stacks.core.resources import Address, StackId

LAYERS = ("serving", "model", "data", "foundation")


@dataclass(frozen=True)
class There:
    """What is there to destroy."""

    catalog: Catalog
    recorded: Recorded

    @property
    def resources(self) -> int:
        """How many."""
        return sum(len(s.resources) for s in self.recorded.stacks.values())


@dataclass(frozen=True)
class Destroyed:
    """What it came to."""

    results: tuple[StackResult, ...]
    skipped: tuple[StackId, ...] = ()
    """Stacks that were not tried, since one before them failed."""
    kept: tuple[Address, ...] = ()
    """Resources that are forgotten and whose real things stay (`deletionPolicy: retain`)."""

    @property
    def outcome(self) -> str:
        """`done`, `partly` where something is gone and something failed, `locked` or `failed` where nothing is gone."""
        failed = [r for r in self.results if not r.ok]
        if not failed:
            return "done"
        if any(r.ok or any(s.status == "done" for s in r.changed) for r in self.results):
            return "partly"
        return "locked" if all(r.locked for r in failed) else "failed"


def there(workspace: Workspace, environment: str) -> There:
    """What is recorded of an environment. Raises WorkspaceError where neither the specs nor the ledger know it."""
    recorded = workspace.ledger.recorded(environment)
    pinned = recorded.pins.get(environment)
    tree: Tree | None = revision(workspace.repository, pinned, workspace.prefix) if pinned else None
    tree = tree or WorkingTree(workspace.repository, workspace.prefix)
    known = environments(by_key(documents(tree)))
    if environment not in known and recorded.stacks and (last := last_applied(workspace, environment).tree) is not None:
        tree = last
    return There(catalog_of(workspace, by_key(validated(tree)), environment), recorded)


def destroy(workspace: Workspace, what: There, on_event: Callable[[Progress], None], why: str = "") -> Destroyed:
    """Deletes everything of an environment, what depends on others first; what holds data is kept, as its policy says.

    Raises WorkspaceError where a protected resource is in the way: nothing is deleted then.
    """
    environment, stacks = what.catalog.environment, what.recorded.stacks
    protected = sorted(str(a) for s in stacks.values() for a, r in s.resources.items() if r.protect)
    if protected:
        raise WorkspaceError(
            f"Protected, so nothing is deleted: {', '.join(protected)}. Take the protection away first.", DENIED
        )
    driver = driver_of(workspace, what.catalog, on_event)
    order, results = ordered(stacks), []
    for id in order:
        result = driver.destroy(id, on_event)
        results.append(result)
        _record(workspace, what, result, why)
        if not result.ok:
            break
    gone = {r.stack for r in results if r.ok}
    if gone == set(order):
        workspace.ledger.append(Event(EventKind.DESTROYED, environment, details={"why": why}))
    kept = sorted(a for id in gone for a, r in stacks[id].resources.items() if r.retain)
    return Destroyed(tuple(results), tuple(order[len(results) :]), tuple(kept))


def _record(workspace: Workspace, what: There, result: StackResult, why: str) -> None:
    before = what.recorded.stacks[result.stack]
    left = StackUpdate(result.stack, removed=tuple(a for a in before.resources if a not in result.ids), digest="")
    event = Event(
        EventKind.DESTROYED,
        what.catalog.environment,
        stack=str(result.stack),
        outcome=DONE if result.ok else "failed",
        details={"why": why, "error": result.error} if result.error else {"why": why},
    )
    workspace.ledger.append(event, StackUpdate(result.stack, destroyed=True) if result.ok else left)


def ordered(stacks: Iterable[StackId]) -> list[StackId]:
    """Layers from the outside in."""
    return sorted(stacks, key=lambda s: (LAYERS.index(s.layer) if s.layer in LAYERS else 0, s))
