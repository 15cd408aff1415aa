"""Deleting what was applied to an environment. Called by `trueup destroy`.

The specs need not have the environment any more: what was applied last says then where its state is. Of several clusters, one that is away
and may be skipped keeps its stacks, and what is recorded of them, for a later `destroy`; what was on one that is lost is dropped; any other
that is away stops it before it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from trueup.apply.outcome import Event as Progress
from trueup.apply.outcome import StackResult
from trueup.apply.pulumi import Driver
from trueup.exits import DENIED
from trueup.load.trees import Tree, WorkingTree, revision
from trueup.plan.recorded import Recorded
from trueup.record.events import DONE, Event, EventKind
from trueup.record.updates import StackUpdate
from trueup.resolve.catalog import Catalog
from trueup.resolve.environments import environments
from trueup.validate.validation import documents
from trueup.workspace import reaching
from trueup.workspace.drivers import driver_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key, catalog_of, last_applied, validated
from trueup.workspace.reaching import Reach
from trueup_stacks.core.resources import KUBERNETES, Address, Stack, StackId
from trueup_stacks.kubernetes.placement import clusters, on_lost

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
    away: Mapping[StackId, str] = field(default_factory=dict)
    """Stacks on clusters that are away and skipped, each with the reason as a clause. They stay as they are."""

    @property
    def outcome(self) -> str:
        """`done`, `partly` where something is gone and something is not, `locked` or `failed` where nothing is gone."""
        failed = [r for r in self.results if not r.ok]
        if not failed:
            return "partly" if self.away else "done"
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

    Raises WorkspaceError where a protected resource is in the way, or a cluster that has to answer is away: nothing is deleted then.
    """
    environment, stacks = what.catalog.environment, what.recorded.stacks
    settings = what.catalog.settings
    held = {a: r for s in stacks.values() for a, r in s.resources.items() if not on_lost(settings, a)}
    protected = sorted(str(a) for a, r in held.items() if r.protect)
    if protected:
        raise WorkspaceError(
            f"Protected, so nothing is deleted: {', '.join(protected)}. Take the protection away first.", DENIED
        )
    reached = _reached(workspace, what)
    away = reached.skipped([Stack(id, ()) for id in stacks], what.recorded)
    lost = reached.given_up(what.recorded, environment)
    driver = driver_of(workspace, what.catalog, on_event)
    order, results = [id for id in ordered(stacks) if id not in away], []
    for id in order:
        result = _given_up(driver, id, on_event) if id in lost else driver.destroy(id, on_event)
        results.append(result)
        _record(workspace, what, result, why)
        if not result.ok:
            break
    gone = {r.stack for r in results if r.ok}
    if gone == stacks.keys():
        workspace.ledger.append(Event(EventKind.DESTROYED, environment, details={"why": why}))
    kept = sorted(a for a, r in held.items() if r.retain and a.stack in gone)
    return Destroyed(tuple(results), tuple(order[len(results) :]), tuple(kept), away)


def _given_up(driver: Driver, stack: StackId, on_event: Callable[[Progress], None]) -> StackResult:
    """What was on a cluster that is lost is dropped; what is in its stack and on no cluster is deleted."""
    result = driver.forget(stack, KUBERNETES, on_event)
    if not result.ids:
        return result
    rest = driver.destroy(stack, on_event)
    return replace(rest, steps=result.steps + rest.steps)


def _reached(workspace: Workspace, what: There) -> Reach:
    """Which clusters answer that hold something. Raises WorkspaceError where one does not that has to, or that is not named any more."""
    settings, stacks = what.catalog.settings, what.recorded.stacks
    holding = {id.cluster for id, s in stacks.items() if any(a.on_kubernetes for a in s.resources)}
    if not holding:
        return Reach()
    if lost := sorted(holding - clusters(settings).keys()):
        named = ", ".join(repr(name) for name in lost)
        raise WorkspaceError(
            f"Something is on the cluster {named}, which Environment/{what.catalog.environment} does not name, so nothing is deleted. "
            "Name it again, so that it can be reached."
        )
    return reaching.require(workspace, settings, holding)


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
