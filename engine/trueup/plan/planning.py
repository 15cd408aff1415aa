"""Plan: what an apply would do. Called by the workspace with values that it looked up; pure, no Pulumi.

Desired resources are compared with what the ledger records, property by property; outputs of other resources are symbols that
carry their producer's fingerprint, so a change shows in everything downstream without running anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from trueup.compile.compilation import Compilation
from trueup.plan.categories import spec_changes
from trueup.plan.columns import removed_columns
from trueup.plan.differences import differences, is_symbol
from trueup.plan.recorded import Recorded, RecordedResource
from trueup.plan.seals import seal
from trueup.plan.values import ABSENT, Action, Category, Evidence, Plan, PropertyChange, SpecChange, Step
from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Resource, StackId
from trueup_stacks.kubernetes.placement import clusters, on_lost

_RUN = "trueup:run:Run"


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of the live resources: which differ from what is recorded, and how."""

    drifted: Mapping[Address, tuple[PropertyChange, ...]] = field(default_factory=dict)
    gone: frozenset[Address] = frozenset()
    unready: Mapping[Address, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revision:
    """Which state of the repository is planned."""

    commit: str = ""
    tree: str = ""
    dirty: bool = False


def plan(
    catalog: Catalog,
    compilation: Compilation,
    recorded: Recorded,
    revision: Revision,
    *,
    before: Mapping[Key, Document] | None = None,
    observed: Observation | None = None,
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of an environment, and what forbids it.

    `before` are the documents as they were applied last (for the spec changes), `observed` what was seen live (for drift).
    """
    seen = observed or Observation()
    steps = (*_desired_steps(compilation, recorded, seen), *_deletions(catalog, compilation, recorded))
    changes = spec_changes(before, catalog.documents) if before is not None else ()
    touched = {s.address.stack for s in steps}
    return (
        Plan(
            workspace=catalog.project,
            environment=catalog.environment,
            commit=revision.commit,
            tree=revision.tree,
            dirty=revision.dirty,
            steps=steps,
            seal=seal(steps, catalog.project),
            changes=changes,
            evidence=_evidence(catalog, compilation, steps, recorded, seen, changes),
            order=_order(compilation, touched),
            desired={str(i): s.digest for i, s in compilation.stacks.items() if i in touched},
            inputs=_pinned_inputs(steps, recorded),
            sources={str(k): s.fingerprint for k, s in sorted(catalog.facts.sources.items())},
        ),
        (*_forbidden(catalog, compilation, recorded), *_protected(steps, recorded), *_unreachable(catalog, steps)),
    )


def _desired_steps(compilation: Compilation, recorded: Recorded, seen: Observation) -> Iterator[Step]:
    for resource in compilation.resources():
        if (step := _step(resource, _former(resource, recorded), recorded, seen)) is not None:
            yield step


def _former(resource: Resource, recorded: Recorded) -> RecordedResource | None:
    """The recorded resource, under its own or a former address."""
    for address in (resource.address, *resource.options.moved_from):
        if found := recorded.resource(address):
            return found
    return None


def _step(resource: Resource, old: RecordedResource | None, recorded: Recorded, seen: Observation) -> Step | None:
    desired = resource.encoded
    if old is None:
        whole = (PropertyChange("", ABSENT, {k: v for k, v in desired.items() if k not in resource.options.volatile}),)
        return _made(resource, Action.CREATE, whole, recorded, reason="new")
    changes = differences(old.properties, desired)
    if old.address != resource.address and not changes:
        return _made(resource, Action.MOVE, (), recorded, reason=f"renamed from {old.address.name}")
    if changes or old.digest != resource.digest:
        exempt = "volatile" if changes and _tops(changes) <= resource.options.volatile else ""
        return _made(resource, _action(resource, changes), changes, recorded, exempt=exempt)
    return _restoring(resource, old, recorded, seen)


def _restoring(resource: Resource, old: RecordedResource, recorded: Recorded, seen: Observation) -> Step | None:
    """A step that brings back what is recorded and was approved; None where nothing is to be done."""
    address = resource.address
    if address in seen.gone:
        return _made(resource, Action.CREATE, (), recorded, exempt="drift", reason="it is gone")
    if drifted := seen.drifted.get(address):
        back = tuple(PropertyChange(c.path, c.desired, c.recorded) for c in drifted)
        return _made(resource, Action.UPDATE, back, recorded, exempt="drift", reason="it was changed outside Trueup")
    if old.status in ("waiting", "failed"):
        return _made(resource, Action.UPDATE, (), recorded, exempt="resume", reason=old.reason or "it is not finished")
    if address in seen.unready and old.status != "held":
        return _made(resource, Action.UPDATE, (), recorded, exempt="drift", reason=seen.unready[address])
    return None


def _made(
    resource: Resource,
    action: Action,
    changes: tuple[PropertyChange, ...],
    recorded: Recorded,
    *,
    exempt: str = "",
    reason: str = "",
) -> Step:
    direct = action is Action.CREATE or not _indirect(changes)
    return Step(
        address=resource.address,
        action=action,
        origin=str(resource.origin),
        changes=changes,
        reason=reason or ("its spec changed" if direct else "something upstream of it changed"),
        direct=direct,
        category=_category(resource, action, changes),
        exempt=exempt,
        holds_data=resource.options.holds_data,
        expected_seconds=recorded.durations.get(str(resource.origin))
        if _starts_run(resource, changes, action)
        else None,
    )


def _indirect(changes: Iterable[PropertyChange]) -> bool:
    """Whether all that changed are symbols and fingerprints of other resources."""
    found = list(changes)
    return bool(found) and all(
        (is_symbol(c.desired) and is_symbol(c.recorded))
        or c.path.endswith("ingerprint")
        or c.path == "sourceFingerprint"
        for c in found
    )


def _category(resource: Resource, action: Action, changes: tuple[PropertyChange, ...]) -> Category:
    if action is Action.UPDATE and changes and _tops(changes) <= resource.options.metadata:
        return Category.METADATA
    if action in (Action.CREATE, Action.MOVE):
        return Category.NON_BREAKING
    if resource.address.type == "trueup:data:Table" and all(
        (c.recorded == ABSENT and c.path.startswith("properties["))
        or c.path.startswith(("quality", "properties.order"))
        for c in changes
    ):
        return Category.NON_BREAKING
    return Category.BREAKING


def _tops(changes: Iterable[PropertyChange]) -> frozenset[str]:
    return frozenset(c.path.partition(".")[0].partition("[")[0] for c in changes)


def _action(resource: Resource, changes: tuple[PropertyChange, ...]) -> Action:
    tops = _tops(changes)
    if tops & resource.options.immutable:
        return Action.REPLACE
    return Action.MAYBE_REPLACE if tops & resource.options.maybe_immutable else Action.UPDATE


def _starts_run(resource: Resource, changes: tuple[PropertyChange, ...], action: Action) -> bool:
    return resource.address.type == _RUN and (action is Action.CREATE or any(c.path == "fingerprint" for c in changes))


def _deletions(catalog: Catalog, compilation: Compilation, recorded: Recorded) -> Iterator[Step]:
    kept = {r.address for r in compilation.resources()}
    kept |= {a for r in compilation.resources() for a in r.options.moved_from}
    for id, stack in sorted(recorded.stacks.items(), reverse=True):
        if id.environment != catalog.environment:
            continue
        for address, old in sorted(stack.resources.items(), reverse=True):
            if address not in kept:
                reason = "no spec asks for it any more"
                action = Action.FORGET if old.retain else Action.DELETE
                if on_lost(catalog.settings, address):
                    action, reason = Action.GIVE_UP, "the cluster that it stood on is lost"
                yield Step(address, action, old.origin, reason=reason, holds_data=old.holds_data)


def _evidence(
    catalog: Catalog,
    compilation: Compilation,
    steps: tuple[Step, ...],
    recorded: Recorded,
    seen: Observation,
    changes: tuple[SpecChange, ...],
) -> Evidence:
    runs = []
    for step in steps:
        resource = compilation.find(step.address)
        if resource is not None and _starts_run(resource, step.changes, step.action):
            runs.append((str(resource.origin), recorded.durations.get(str(resource.origin))))
    downstream = _downstream(catalog, changes)
    drift = [f"{a}: {', '.join(c.path for c in found)}" for a, found in sorted(seen.drifted.items())]
    drift += [f"{a}: gone" for a in sorted(seen.gone)]
    approvals = catalog.settings.approvals
    return Evidence(
        runs=tuple(runs),
        downstream=tuple(str(k) for k in sorted(downstream)),
        drift=tuple(drift),
        approvals_required=approvals.required,
        approvers=tuple(approvals.teams),
    )


def _downstream(catalog: Catalog, changes: tuple[SpecChange, ...]) -> frozenset[Key]:
    """The documents that a change reaches and that it did not bring: those whose own spec is as it was, or changed too."""
    added = {Key.parse(c.key) for c in changes if c.change == "added"}
    changed = {Key.parse(c.key) for c in changes if c.category is not Category.METADATA}
    return frozenset(catalog.lineage.downstream(changed) - added)


def _order(compilation: Compilation, touched: set[StackId]) -> tuple[tuple[StackId, ...], ...]:
    waves = [tuple(i for i in wave if i in touched) for wave in compilation.waves]
    leftover = tuple(sorted(touched - {i for wave in compilation.waves for i in wave}))
    return tuple(w for w in (*waves, leftover) if w)


def _pinned_inputs(steps: Iterable[Step], recorded: Recorded) -> dict[str, str]:
    found = {}
    for step in steps:
        old = recorded.resource(step.address)
        found[str(step.address)] = f"{old.digest}/{old.id}" if old else ""
    return found


def _forbidden(catalog: Catalog, compilation: Compilation, recorded: Recorded) -> Iterator[Diagnostic]:
    for resource in compilation.resources():
        if resource.address.type == _RUN and (old := _former(resource, recorded)):
            document = catalog.get(resource.origin)
            yield from removed_columns(resource, old.properties, document.source.file if document else "")


def _unreachable(catalog: Catalog, steps: Iterable[Step]) -> Iterator[Diagnostic]:
    """An error for each cluster that holds something and that the environment does not name any more: nobody knows where it is."""
    if catalog.settings.target != "kubernetes":
        return
    named = clusters(catalog.settings)
    lost = [s.address.stack for s in steps if s.address.on_kubernetes]
    environment = catalog.get(Key("Environment", "", catalog.environment))
    for name in sorted({stack.cluster for stack in lost} - named.keys()):
        first = min(stack for stack in lost if stack.cluster == name)
        what = f"the cluster {name!r}" if name else "what was its only `cluster`"
        yield Diagnostic(
            "TRU2103",
            Severity.ERROR,
            f"Stack {first} is on {what}, and Environment/{catalog.environment} does not say any more where that is.",
            Location(environment.source.file if environment is not None else ""),
            fix=f"Name {name!r} in `clusters` with `drain: true`, apply, and remove it; with `lost: true` too if it is gone for good."
            if name
            else "Write `movedFrom: cluster` in the entry of `clusters` that it was.",
        )


def _protected(steps: Iterable[Step], recorded: Recorded) -> Iterator[Diagnostic]:
    for step in steps:
        old = recorded.resource(step.address)
        if old is not None and old.protect and step.action in (Action.DELETE, Action.REPLACE):
            yield Diagnostic(
                "TRU2102",
                Severity.ERROR,
                f"The plan would {step.action} {step.address}, which is protected.",
                Location(""),
                fix="Take the protection away in an apply of its own first.",
            )
