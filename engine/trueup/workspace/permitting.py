"""Whether a plan may be applied: everything that stands against it, as sentences with an exit code each. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from trueup.approve import coverage, windows
from trueup.plan.values import Action
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared
from trueup_specs.core.envelope import Document
from trueup_specs.kinds.team.spec import TeamSpec

INVALID, DENIED = 4, 7


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


def permission(
    workspace: Workspace, prepared: Prepared, *, allow_dirty: bool = False, confirm_deletes: bool = False
) -> Permission:
    """Everything that stands against applying a plan, not only the first."""
    found: list[Refusal] = []
    settings = (prepared.rules or prepared.catalog).settings
    environment = prepared.catalog.environment
    if prepared.plan.dirty and not (settings.allow_dirty or allow_dirty):
        found.append(
            Refusal(
                DENIED,
                f"The working tree has changes that are not committed, and {environment} is applied from commits only.",
                "Commit them, or set `spec.allowDirty: true` in an environment of your own.",
            )
        )
    if settings.paused:
        found.append(
            Refusal(DENIED, f"The environment {environment} is paused.", "Set `spec.paused: false` and merge it.")
        )
    if closed := windows.closed(settings.windows, datetime.now(UTC)):
        found.append(Refusal(DENIED, closed))
    found += _policies(prepared)
    found += _deletes(prepared, settings.max_deletes, confirm_deletes)
    covered = coverage.judge(
        prepared.plan,
        workspace.ledger.approvals(environment),
        teams_of(prepared),
        settings.approvals,
        workspace.repository,
    )
    found += [Refusal(DENIED, text, f"Ask for `trueup approve {environment}`.") for text in covered.missing]
    return Permission(tuple(found), tuple(covered.used))


def _policies(prepared: Prepared) -> list[Refusal]:
    return [
        Refusal(DENIED, f"The policy {v.policy} refuses {v.object}: {v.message}")
        for v in prepared.plan.evidence.verdicts
        if not v.allowed and v.level == "mandatory"
    ]


def _deletes(prepared: Prepared, share: float, confirmed: bool) -> list[Refusal]:
    gone = sum(s.action in (Action.DELETE, Action.REPLACE) for s in prepared.plan.steps)
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


def teams_of(prepared: Prepared) -> dict[str, TeamSpec]:
    """The teams whose rules hold, by name."""
    rules = prepared.rules or prepared.catalog
    found: dict[str, TeamSpec] = {}
    for document in rules.of_kind("Team"):
        assert isinstance(document, Document) and isinstance(document.spec, TeamSpec)
        found[document.key.name] = document.spec
    return found
