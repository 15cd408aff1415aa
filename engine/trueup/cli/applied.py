"""What `apply`, `rollback` and `ci apply` share: plan, settle whether it may be, ask, apply, say what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trueup.approve.glass import Broken
from trueup.approve.reviews import Found
from trueup.cli import planned
from trueup.cli.failures import OUTCOMES
from trueup.cli.options import Form
from trueup.cli.selection import desired_tree
from trueup.cli.terminal import confirmed, emit, emit_json, note, progress
from trueup.exits import DENIED, FAILURE, INVALID, LOCKED, NOTHING_SELECTED, STALE
from trueup.plan import saved
from trueup.views import outcomes
from trueup.workspace import applying, operating, permitting, vacancy
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import Prepared, prepare


@dataclass(frozen=True)
class Request:
    """What is asked of an apply."""

    environment: str
    revision: str = ""
    plan_file: Path | None = None
    refresh: bool = False
    confirm_deletes: bool = False
    allow_dirty: bool = False
    why: str = ""
    yes: bool = False
    rollback: bool = False
    break_glass: str = ""
    """The reason to pass over windows, approvals and soft policies."""


@dataclass(frozen=True)
class Ended:
    """What an apply came to: the exit code, and what is known of it."""

    code: int
    prepared: Prepared
    allowed: permitting.Permission = field(default_factory=permitting.Permission)
    done: applying.Applied | None = None
    """None where nothing was tried."""
    vacant: str = ""
    """Why there is nothing to apply anything to, as a sentence."""


Judge = Callable[[Prepared], Found]
"""What the reviews of a forge come to for a plan."""


def apply(workspace: Workspace, request: Request, form: Form) -> int:
    """Applies an environment; the exit code."""
    return run(workspace, request, form).code


def run(
    workspace: Workspace,
    request: Request,
    form: Form,
    judge: Judge | None = None,
    tell: Callable[[Any], None] = emit_json,
) -> Ended:
    """Applies an environment, with the reviews that `judge` finds as approvals. `tell` takes what JSON says of it."""
    prepared = _prepared(workspace, request)
    permitting.check_state(workspace, prepared)
    if (ended := _unfit(workspace, request, prepared, form, tell)) is not None:
        return ended
    reviewed = judge(prepared) if judge else None
    if prepared.plan.empty and not request.refresh and not request.rollback:
        _nothing(request.environment, prepared, form, tell)
        return Ended(0, prepared)
    if form is Form.TEXT:
        planned.show(prepared, "text", False)
    allowed = permitting.permission(
        workspace,
        prepared,
        allow_dirty=request.allow_dirty,
        confirm_deletes=request.confirm_deletes,
        reviewed=reviewed,
        break_glass=request.break_glass,
    )
    if allowed.refusals:
        if form is Form.JSON:
            texts = [r.text for r in allowed.refusals]
            tell({"environment": request.environment, "outcome": "denied", "refusals": texts})
        return Ended(_refused(workspace, request, prepared, allowed), prepared, allowed)
    if _asks(request, prepared) and not confirmed(f"Apply this to {request.environment}?", request.yes):
        return Ended(FAILURE, prepared, allowed)
    if allowed.broken is not None:
        _break_glass(workspace, prepared, allowed.broken)
    if request.rollback:
        operating.pin(workspace, request.environment, prepared.plan.commit, request.why)
    with progress(form) as sink:
        done = applying.apply(
            workspace,
            prepared,
            sink,
            approvals=allowed.approvals,
            refresh=request.refresh,
            why=request.why or request.break_glass,
        )
    _say(workspace, request.environment, done, form, tell)
    if request.rollback and form is Form.TEXT:
        emit(f"{request.environment} is pinned at {prepared.plan.commit[:10]} now.")
    locked = done.outcome == "failed" and all(r.locked for r in done.result.results if not r.ok)
    return Ended(LOCKED if locked else OUTCOMES[done.outcome], prepared, allowed, done)


def _unfit(
    workspace: Workspace, request: Request, prepared: Prepared, form: Form, tell: Callable[[Any], None]
) -> Ended | None:
    """How it ends at once: with specs that are wrong, a saved plan that is not this one, or nothing to apply anything to."""
    if prepared.forbidden:
        if form is Form.JSON:
            tell(planned.as_json(prepared))
        else:
            planned.show(prepared, "text", False)
        return Ended(INVALID, prepared)
    if request.plan_file is not None and not _fresh(request.plan_file, prepared):
        return Ended(STALE, prepared)
    if why := vacancy.vacant(workspace, prepared):
        if form is Form.JSON:
            tell({"environment": request.environment, "outcome": "vacant", "reason": why})
        note(why)
        return Ended(NOTHING_SELECTED, prepared, vacant=why)
    return None


def _break_glass(workspace: Workspace, prepared: Prepared, broken: Broken) -> None:
    entry = permitting.record_broken(workspace, prepared, broken)
    note(f"BREAK-GLASS by {broken.by}, recorded as {entry.id[:10]}: {broken.reason}")
    for text in broken.passed:
        note(f"passed over: {text}")


def _prepared(workspace: Workspace, request: Request) -> Prepared:
    tree, pinned = desired_tree(workspace, request.environment, request.revision)
    if pinned:
        note(pinned)
    return prepare(workspace, request.environment, tree, see=lambda c, r: operating.sight(workspace, c, r))


def _fresh(file: Path, prepared: Prepared) -> bool:
    try:
        asked = saved.load(file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"The plan {file} cannot be read: {error}") from None
    stale = saved.stale(asked, prepared.plan)
    for text in stale:
        note(f"stale: {text}")
    if stale:
        note(f"The saved plan no longer holds. Plan anew: trueup plan {prepared.catalog.environment} --out {file}")
    return not stale


def _nothing(environment: str, prepared: Prepared, form: Form, tell: Callable[[Any], None]) -> None:
    held = [s for stack in prepared.recorded.stacks.values() for s in stack.resources.values() if s.status == "held"]
    if form is Form.JSON:
        tell({"environment": environment, "outcome": "nothing"})
        return
    emit(f"Nothing to do: {environment} is as the specs say.")
    for resource in held:
        if resource.address.stack.environment == environment:
            emit("\n".join(outcomes.gate_lines(resource.address, resource.outputs)))


def _refused(workspace: Workspace, request: Request, prepared: Prepared, allowed: permitting.Permission) -> int:
    from trueup.record.events import Event, EventKind

    texts = [r.text for r in allowed.refusals]
    if not prepared.plan.dirty:  # what no commit holds is nobody's proposal
        event = Event(EventKind.DENIED, request.environment, prepared.plan.commit, outcome="denied")
        workspace.ledger.append(replace(event, details={"reasons": texts}))
    for refusal in allowed.refusals:
        note(f"denied: {refusal.text}" + (f" {refusal.fix}" if refusal.fix else ""))
    return max((r.code for r in allowed.refusals), default=DENIED)


def _asks(request: Request, prepared: Prepared) -> bool:
    """Only what takes something away is asked about: everything else was planned and, where needed, approved."""
    from trueup.plan.values import Danger

    return any(s.danger >= Danger.REPLACE and (s.holds_data or s.danger is Danger.DELETE) for s in prepared.plan.steps)


def _say(
    workspace: Workspace, environment: str, done: applying.Applied, form: Form, tell: Callable[[Any], None]
) -> None:
    urls = operating.urls(workspace.ledger.recorded(), environment)
    if form is Form.JSON:
        found = outcomes.as_json(environment, done.outcome, done.result, done.held, done.gates)
        tell({**found, "entry": done.entry, "urls": urls})
        return
    emit(outcomes.summary(environment, done.outcome, done.result, done.held))
    for name, url in sorted(urls.items()):
        emit(f"  {name}: {url}")
