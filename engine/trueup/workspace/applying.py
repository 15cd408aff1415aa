"""Applying an environment: refuse what may not be, export what runs read, run the stacks, record each as it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.apply import application, materials, remedies
from trueup.apply.application import Outcome, Work
from trueup.apply.cluster import ClusterError
from trueup.apply.forgetting import Forgetting
from trueup.apply.outcome import Event as Progress
from trueup.apply.outcome import StackResult
from trueup.apply.pulumi import Driver
from trueup.apply.returning import RETURNED, Returning
from trueup.compile.compilation import COMPILER_VERSION
from trueup.plan.values import Step
from trueup.record.events import Event, EventKind, Subject
from trueup.record.outcomes import HELD, stack_update
from trueup.record.updates import DurationUpdate
from trueup.workspace import quiet, retiring, surveying
from trueup.workspace.drivers import cluster_of, driver_of, resolver_of
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import AWAY, Prepared
from trueup.workspace.reaching import Reach, require
from trueup_stacks.core.resources import Address, Stack, StackId, Value, decode, outputs_of

DONE, FAILED, WAITING, PARTLY, NOTHING = "done", "failed", "waiting", "partly", "nothing"

GATE = "trueup:run:Gate"


@dataclass(frozen=True)
class Applied:
    """What an apply came to."""

    outcome: str
    """`nothing`, `done`, `held`, `waiting`, `partly` or `failed`."""
    result: Outcome = field(default_factory=Outcome)
    held: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)
    """Outputs of the gates that held, with their evidence."""
    gates: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)
    """Outputs of the gates that passed in this apply, with their evidence."""
    entry: str = ""
    """The ledger's entry that closes the apply."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """Where endpoints answer, by document."""


def apply(
    workspace: Workspace,
    prepared: Prepared,
    on_event: Callable[[Progress], None],
    *,
    approvals: Iterable[str] = (),
    refresh: bool = False,
    why: str = "",
    on_driver: Callable[[Driver], None] = lambda _driver: None,
) -> Applied:
    """Applies a plan that may be applied: whether it may is settled before (`permitting.refusals`).

    `on_driver` gets the driver before anything begins, for who may want to interrupt it.
    """
    environment = prepared.catalog.environment
    reached = require(workspace, prepared.catalog.settings)
    surveying.record(workspace, environment, prepared.recorded, prepared.looked)
    _export(workspace, prepared)
    recorder = _Recorder(workspace, prepared)
    driver = driver_of(workspace, prepared.catalog, on_event)
    on_driver(driver)
    touched = frozenset(s.address.stack for s in prepared.plan.steps)
    everything = frozenset(prepared.compilation.stacks)
    work = Work(
        stacks=prepared.compilation.stacks,
        waves=prepared.compilation.waves,
        touched=touched | (everything if refresh else frozenset()),
        refreshed=everything | touched if refresh else _drifted(prepared.plan.steps),
        known={a: r.outputs for s in prepared.recorded.stacks.values() for a, r in s.resources.items()},
        skipped=reached.skipped(
            [prepared.compilation.stacks.get(id) or Stack(id, ()) for id in everything | touched], prepared.recorded
        ),
    )
    _put_right(workspace, prepared, on_event)
    lost = reached.given_up(prepared.recorded, environment).keys()
    operator = Forgetting(Returning(driver, _former(prepared)), driver, lost)
    result = application.run(work, operator, resolver_of(workspace, prepared), on_event, recorder.stack)
    outcome = _outcome(result, recorder.held)
    if outcome == DONE and prepared.plan.empty and not any(r.changed for r in result.results):
        outcome = NOTHING
    entry = workspace.ledger.append(
        Event(
            EventKind.APPLIED,
            environment,
            commit=prepared.plan.commit,
            outcome=DONE if outcome == NOTHING else outcome,
            details=_details(prepared, result, why, reached),
            subjects=_subjects(prepared),
            approvals=tuple(approvals),
            durations={str(r.stack): round(r.seconds, 3) for r in result.results},
        ),
        DurationUpdate(recorder.durations),
    )
    if result.ok and not result.blocked:
        told = StackId(environment, "registry", "model")
        retiring.retire(workspace, prepared, lambda line: on_event(Progress(told, "log", message=line)))
    return Applied(outcome, result, recorder.held, recorder.gates, entry.id)


def _export(workspace: Workspace, prepared: Prepared) -> None:
    values = [r.properties for r in prepared.compilation.resources()]
    materials.export(workspace.home, prepared.tree, prepared.catalog.facts.trees, materials.named_uris(values))


def _former(prepared: Prepared) -> dict[Address, Mapping[str, Value]]:
    """What was applied of each resource and became ready, for rollouts that have to go back."""
    found = (r for s in prepared.recorded.stacks.values() for r in s.resources.values() if r.status == "done")
    return {r.address: {k: decode(v) for k, v in r.properties.items()} for r in found if r.address.type in RETURNED}


def _put_right(workspace: Workspace, prepared: Prepared, on_event: Callable[[Progress], None]) -> None:
    """Puts right what drifted in a way that its provider does not see. What does not work is said: it stays drift."""
    for step in prepared.plan.steps:
        seen = prepared.sight.seen.get(step.address)
        if step.exempt != "drift" or seen is None or seen.remedy is None:
            continue
        try:
            on = step.address.stack.cluster
            remedies.put_right(cluster_of(workspace, prepared.catalog.settings, on), seen.remedy)
        except ClusterError as error:
            on_event(Progress(step.address.stack, "log", step.address, message=str(error)))


def _drifted(steps: Iterable[Step]) -> frozenset[StackId]:
    """The stacks whose state Pulumi must compare with reality, since it would find nothing to do otherwise."""
    return frozenset(s.address.stack for s in steps if s.exempt == "drift")


class _Recorder:
    """Writes each stack to the ledger as it ends. Called from one thread."""

    def __init__(self, workspace: Workspace, prepared: Prepared) -> None:
        self._workspace = workspace
        self._prepared = prepared
        self._guard = threading.Lock()
        self.held: dict[Address, Mapping[str, Any]] = {}
        self.gates: dict[Address, Mapping[str, Any]] = {}
        self.durations: dict[str, float] = {}
        self._read = _outputs_read(prepared)

    def stack(self, stack: Stack, result: StackResult) -> None:
        """Records what one stack came to."""
        prepared = self._prepared
        update = stack_update(
            stack, result, prepared.recorded.stacks.get(stack.id), self._read, prepared.plan.commit, COMPILER_VERSION
        )
        kind = EventKind.STEP if result.ok else EventKind.FAILED
        for resource in update.resources:
            if resource.status == HELD:
                kind = EventKind.HELD
                self.held[resource.address] = resource.outputs
            elif resource.status == "waiting" and kind is EventKind.STEP:
                kind = EventKind.WAITING
        for step in result.changed:
            if step.address.type == GATE and step.status == "done" and step.address not in self.held:
                self.gates[step.address] = result.outputs.get(step.address, {})
            found = prepared.compilation.find(step.address)
            if step.address.type == "trueup:run:Run" and step.status == "done" and found is not None:
                self.durations[str(found.origin)] = round(step.seconds, 3)
        with self._guard:
            self._workspace.ledger.append(
                Event(
                    kind,
                    prepared.catalog.environment,
                    commit=prepared.plan.commit,
                    stack=str(stack.id),
                    outcome=DONE if result.ok else FAILED,
                    details=self._stack_details(stack, result),
                    subjects=tuple(_model_subjects(stack, result)),
                    durations={str(s.address): round(s.seconds, 3) for s in result.changed},
                ),
                update,
            )

    def _stack_details(self, stack: Stack, result: StackResult) -> dict[str, Any]:
        changed = {s.address for s in result.changed}
        details: dict[str, Any] = {
            "documents": sorted({str(r.origin) for r in stack.resources if r.address in changed}),
            "steps": [{"resource": str(s.address), "action": s.action, "status": s.status} for s in result.changed],
        }
        if result.error:
            details["error"] = result.error
        if result.not_ready:
            details["notReady"] = {str(a): text for a, text in result.not_ready.items()}
        if result.recovered:
            details["recovered"] = list(result.recovered)
        evidence = {str(a): o["evidence"] for a, o in result.outputs.items() if a in changed and o.get("evidence")}
        if evidence:
            details["evidence"] = evidence
        metrics = {str(a): o["metrics"] for a, o in result.outputs.items() if a in changed and o.get("metrics")}
        if metrics:
            details["metrics"] = metrics
        return details


def _outputs_read(prepared: Prepared) -> dict[Address, frozenset[str]]:
    found: dict[Address, set[str]] = {}
    for resource in prepared.compilation.resources():
        for output in outputs_of(resource.properties):
            found.setdefault(output.address, set()).add(output.property.split(".")[0])
    return {a: frozenset(names) for a, names in found.items()}


def _outcome(result: Outcome, held: Mapping[Address, Any]) -> str:
    if not result.ok:
        done = any(r.ok and r.changed for r in result.results)
        return PARTLY if done else FAILED
    if any(text.lower().startswith("waiting") for text in result.not_ready.values()):
        return WAITING
    if held:
        return HELD
    return PARTLY if result.blocked or result.not_ready else DONE


def _details(prepared: Prepared, result: Outcome, why: str, reached: Reach) -> dict[str, Any]:
    plan = prepared.plan
    details: dict[str, Any] = {
        "documents": sorted({s.origin for s in plan.steps}),
        "seal": plan.seal_digest,
        "tree": plan.tree,
        "effects": len(plan.steps),
    }
    if plan.dirty:
        details["dirty"] = True
    if (kept := quiet.detail(prepared)) is not None:
        details[quiet.DETAIL] = kept
    if why:
        details["why"] = why
    if reached.away:
        details[AWAY] = sorted(reached.names[ending] for ending in reached.away)
    if result.blocked:
        details["blocked"] = {str(b.stack): b.reason for b in result.blocked}
    drift = [str(s.address) for s in plan.steps if s.exempt == "drift"]
    if drift:
        details["drift"] = drift
    return details


def _subjects(prepared: Prepared) -> tuple[Subject, ...]:
    found = [Subject(f"plan:{prepared.catalog.environment}", {"sha256": prepared.plan.seal_digest})]
    for id, stack in sorted(prepared.compilation.stacks.items()):
        found.append(Subject(f"stack:{id}", {"sha256": stack.digest}))
    return tuple(found)


def _model_subjects(stack: Stack, result: StackResult) -> Iterable[Subject]:
    """The model and data versions that a stack's changed resources came to."""
    changed = {s.address for s in result.changed}
    for resource in stack.resources:
        outputs = result.outputs.get(resource.address, {})
        if resource.address not in changed:
            continue
        if outputs.get("modelVersion") is not None:
            yield Subject(f"model:{resource.origin}@{outputs['modelVersion']}", {"sha256": resource.fingerprint})
        if outputs.get("contentDigest"):
            yield Subject(f"data:{resource.origin}@{outputs.get('version')}", {"sha256": str(outputs["contentDigest"])})
