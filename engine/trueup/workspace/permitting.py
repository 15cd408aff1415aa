"""Whether a plan may be applied: everything that stands against it, as sentences with an exit code each. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from trueup.apply import checkpoints
from trueup.apply.backend import Backend, BackendError
from trueup.apply.backend import resolve as resolve_backend
from trueup.approve import authorship, codeowners, coverage, glass, requirements, windows
from trueup.approve.coverage import Covered
from trueup.approve.glass import Broken
from trueup.approve.requirements import Ownership
from trueup.approve.reviews import Found
from trueup.exits import DENIED, NOTHING_SELECTED
from trueup.load import git, trees
from trueup.plan.recorded import Recorded
from trueup.plan.values import Action, Verdict
from trueup.record.events import DONE, Entry, Event, EventKind
from trueup.validate.validation import documents
from trueup.workspace import guarding
from trueup.workspace.drivers import driver_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import Prepared, by_key, catalog_of, last_applied, teams_in, validated
from trueup_specs.kinds.team.spec import TeamSpec
from trueup_stacks.core.resources import StackId


@dataclass(frozen=True)
class Refusal:
    """One thing that stands against an apply."""

    code: int
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Permission:
    """What stands against an apply, and the approvals that it rests on."""

    refusals: tuple[Refusal, ...] = ()
    approvals: tuple[str, ...] = ()
    broken: Broken | None = None
    """Who broke the glass, where something was passed over: `record_broken` records it, before anything is applied."""


def permission(
    workspace: Workspace,
    prepared: Prepared,
    *,
    allow_dirty: bool = False,
    confirm_deletes: bool = False,
    reviewed: Found | None = None,
    break_glass: str = "",
) -> Permission:
    """Everything that stands against applying a plan, not only the first. `reviewed` is what the forge's reviews come to
    (`reviewing.reviewed`); `break_glass` is the reason to pass over windows, approvals and soft policies.
    """
    environment = prepared.catalog.environment
    covered = coverage.judge(
        prepared.plan,
        workspace.ledger.approvals(environment),
        teams_of(prepared),
        (prepared.rules or prepared.catalog).settings.approvals,
        workspace.repository,
        _applied(workspace, environment),
        reviewed=reviewed,
        ownership=ownership(workspace, prepared),
    )
    firm = [*_firm(workspace, prepared, allow_dirty, confirm_deletes)]
    soft = [*_soft(prepared, covered)]
    if not (break_glass and soft):
        return Permission((*firm, *soft), covered.used)
    try:
        broken = glass.broken(
            workspace.repository, prepared.plan, teams_of(prepared), _former_teams(workspace, environment), break_glass
        )
    except glass.GlassError as error:
        return Permission((*firm, *soft, Refusal(DENIED, str(error))), covered.used)
    return Permission(tuple(firm), covered.used, replace(broken, passed=tuple(r.text for r in soft)))


def record_broken(workspace: Workspace, prepared: Prepared, broken: Broken) -> Entry:
    """Records that the glass was broken, as an event of its own."""
    plan = prepared.plan
    event = Event(EventKind.BREAK_GLASS, plan.environment, plan.commit, details=glass.details(broken, plan))
    return workspace.ledger.append(event)


def broken_since(workspace: Workspace, environment: str) -> Entry | None:
    """The entry of the broken glass under which what is there now was applied; None where it was applied as the rules say."""
    with closing(workspace.ledger.entries()) as entries:  # type: ignore[type-var]
        completed = 0
        for entry in entries:
            if entry.event.environment != environment:
                continue
            if entry.event.kind is EventKind.BREAK_GLASS:
                return entry
            completed += entry.event.kind is EventKind.APPLIED and entry.event.outcome == DONE
            if completed > 1:
                return None
    return None


def _firm(workspace: Workspace, prepared: Prepared, allow_dirty: bool, confirm_deletes: bool) -> Iterator[Refusal]:
    """What nobody passes over."""
    ruling = prepared.rules or prepared.catalog
    settings, environment = ruling.settings, prepared.catalog.environment
    if prepared.plan.dirty and not (settings.allow_dirty or allow_dirty):
        yield Refusal(
            DENIED,
            f"The working tree has changes that are not committed, and {environment} is applied from commits only.",
            "Commit them, or set `spec.allowDirty: true` in an environment of your own.",
        )
    if settings.paused:
        yield Refusal(DENIED, f"The environment {environment} is paused.", "Set `spec.paused: false` and merge it.")
    for verdict in prepared.plan.evidence.verdicts:
        if not verdict.allowed and verdict.level == "mandatory":
            yield Refusal(DENIED, _refused(verdict))
    yield from (Refusal(DENIED, text) for text in guarding.acting(workspace, ruling))
    yield from _deletes(prepared, settings.max_deletes, confirm_deletes)


def _soft(prepared: Prepared, covered: Covered) -> Iterator[Refusal]:
    """What those who may break the glass pass over: windows, soft policies, approvals."""
    settings, environment = (prepared.rules or prepared.catalog).settings, prepared.catalog.environment
    if closed := windows.closed(settings.windows, datetime.now(UTC)):
        yield Refusal(DENIED, closed)
    if prepared.plan.seal and not covered.overridden:
        overriding = requirements.rules(settings.approvals, override=True)
        may = " or ".join(map(requirements.worded, overriding))
        fix = (
            f"It passes with the approval of {may}." if may else "No rule of `spec.approvals` lets anyone override it."
        )
        for verdict in prepared.plan.evidence.verdicts:
            if not verdict.allowed and verdict.level == "soft":
                yield Refusal(DENIED, _refused(verdict), fix)
    yield from (Refusal(DENIED, text, f"Ask for `trueup approve {environment}`.") for text in covered.missing)


def _refused(verdict: Verdict) -> str:
    return f"The policy {verdict.policy} refuses {verdict.object}: {verdict.message}"


def _former_teams(workspace: Workspace, environment: str) -> dict[str, TeamSpec]:
    """The teams as they were applied last; none where nothing was."""
    tree = last_applied(workspace, environment).tree
    found = documents(tree).documents if tree is not None else ()
    return {d.key.name: d.spec for d in found if isinstance(d.spec, TeamSpec)}


def _applied(workspace: Workspace, environment: str) -> str:
    """The commit of the last apply that completed; empty where there was none."""
    entry = workspace.ledger.last(environment, EventKind.APPLIED, outcome=DONE)
    return entry.event.commit if entry else ""


def ownership(workspace: Workspace, prepared: Prepared) -> Ownership:
    """Who owns the paths that differ from what was applied last, by CODEOWNERS of the base branch (without one, of what is planned)."""
    if not any(r.codeowners for r in (prepared.rules or prepared.catalog).settings.approvals.rules):
        return Ownership()
    plan = prepared.plan
    base = prepared.ruling_commit or plan.commit or "HEAD"
    found = (git.attempt(workspace.repository, "cat-file", "blob", f"{base}:{p}") for p in codeowners.PLACES)
    text = next((done.stdout for done in found if done.returncode == 0), b"").decode("utf-8", "replace")
    touched = authorship.touched(workspace.repository, _applied(workspace, plan.environment), plan.commit)
    written = {c.location.file for c in plan.changes if c.location}
    return Ownership(codeowners.parse(text), tuple(sorted({*touched, *written})))


def _deletes(prepared: Prepared, share: float, confirmed: bool) -> list[Refusal]:
    gone = sum(s.action in (Action.DELETE, Action.GIVE_UP, Action.REPLACE) for s in prepared.plan.steps)
    stacks = prepared.recorded.stacks.values()
    there = sum(len(s.resources) for s in stacks if s.id.environment == prepared.catalog.environment)
    if confirmed or not there or gone <= 1 or gone / there <= share:
        return []
    return [
        Refusal(
            DENIED,
            f"The plan deletes {gone} of the {there} resources of {prepared.catalog.environment}, "
            f"more than `spec.maxDeletes` ({share:.0%}).",
            "Look at the plan; if it is right, apply with --confirm-deletes.",
        )
    ]


def authors_of(workspace: Workspace, prepared: Prepared) -> frozenset[str]:
    """The addresses of those whose approval of a plan does not count, since it is their own; none where no approval is needed."""
    if not (prepared.rules or prepared.catalog).settings.approvals.required:
        return frozenset()
    return authorship.authors(workspace.repository, prepared.plan, _applied(workspace, prepared.catalog.environment))


def teams_of(prepared: Prepared) -> dict[str, TeamSpec]:
    """The teams whose rules hold, by name."""
    return teams_in(prepared.rules or prepared.catalog)


def check_job(workspace: Workspace, environment: str, revision: str) -> None:
    """Whether a job may work on the environment's state: it must be kept between jobs, and not be empty where it cannot be.

    Raises WorkspaceError: on a machine that is thrown away, a fresh state would make everything a second time.
    """
    tree = trees.revision(workspace.repository, revision, workspace.prefix)
    if tree is None:
        raise WorkspaceError(
            f"Git has no revision {revision!r} here that holds the workspace. Fetch it: `git fetch --unshallow`.",
            NOTHING_SELECTED,
        )
    catalog = catalog_of(workspace, by_key(validated(tree)), environment)
    try:
        backend = resolve_backend(catalog.settings.state, workspace.home, {**os.environ, "CI": "true"})
    except BackendError as error:
        raise WorkspaceError(str(error), DENIED) from None
    recorded = workspace.ledger.recorded(environment)
    if backend.folder is not None:
        lost = _absent(workspace, backend, recorded)
    else:
        driver = driver_of(workspace, catalog, lambda _event: None)
        lost = [id for id in _with_resources(recorded)[:1] if driver.state(id) is None]
    if lost:
        raise WorkspaceError(_lost(environment, backend, lost), DENIED)


def check_state(workspace: Workspace, prepared: Prepared) -> None:
    """Whether file state that the ledger knows of is there. Raises WorkspaceError: what is recorded is then not what is known here."""
    environment = prepared.catalog.environment
    try:
        backend = resolve_backend(prepared.catalog.settings.state, workspace.home, os.environ)
    except BackendError:
        return  # where something is to be applied, the driver says so
    mine = {id: s for id, s in prepared.recorded.stacks.items() if id.environment == environment}
    if backend.folder is not None and (lost := _absent(workspace, backend, Recorded(stacks=mine))):
        forget = f" Where it is gone for good, `trueup destroy {environment}` makes the ledger forget it, and an apply begins anew."
        raise WorkspaceError(_lost(environment, backend, lost) + forget, DENIED)


def _absent(workspace: Workspace, backend: Backend, recorded: Recorded) -> list[StackId]:
    assert backend.folder is not None
    return [id for id in _with_resources(recorded) if checkpoints.locate(backend.folder, workspace.name, id) is None]


def _with_resources(recorded: Recorded) -> list[StackId]:
    return [id for id, stack in sorted(recorded.stacks.items()) if stack.resources]


def _lost(environment: str, backend: Backend, lost: list[StackId]) -> str:
    place = backend.folder or backend.url
    return (
        f"The ledger knows of resources in {environment}, and the state in {place} has no {', '.join(map(str, lost))}. An apply would make "
        "them a second time. Restore the state (or mount the folder that keeps it between jobs), or name the right `spec.state.backend`."
    )
