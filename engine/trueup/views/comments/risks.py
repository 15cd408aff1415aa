"""What a plan does and risks, counted and in own words. Shared by the headlines, sections, statuses and annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trueup.plan.values import Action, Category, Danger, Plan, Step, Verdict
from trueup.views.comments.values import EnvironmentPlan, PullRequestPlan
from trueup.views.words import duration, plural
from trueup_specs.core.diagnostics import Severity

BLOCKED, WARNED, CALM = "⛔", "⚠️", "✅"
WORDS = {
    Action.CREATE: "create",
    Action.UPDATE: "update",
    Action.MAYBE_REPLACE: "maybe replace",
    Action.REPLACE: "replace",
    Action.DELETE: "delete",
    Action.FORGET: "forget",
    Action.GIVE_UP: "give up",
    Action.MOVE: "rename",
}
_ORDER = (
    Action.GIVE_UP,
    Action.DELETE,
    Action.REPLACE,
    Action.FORGET,
    Action.MAYBE_REPLACE,
    Action.UPDATE,
    Action.CREATE,
    Action.MOVE,
)
WORDS_OF_HAZARDS = {
    Action.GIVE_UP: "gives up, with the cluster that it stood on,",
    Action.DELETE: "deletes",
    Action.REPLACE: "replaces",
    Action.FORGET: "forgets, and keeps in reality,",
    Action.MAYBE_REPLACE: "may replace",
}
"""What takes something away, the worst first."""
GATE = "trueup:run:Gate"


@dataclass(frozen=True, slots=True)
class Hazard:
    """A step that takes something away, or may, and where."""

    environment: str
    step: Step

    @property
    def loses_data(self) -> bool:
        """Whether what holds data goes, or may."""
        return (
            self.step.holds_data and self.step.danger >= Danger.MAYBE_REPLACE and self.step.action is not Action.FORGET
        )


def counts(steps: Iterable[Step]) -> str:
    """`1 delete, 2 update`, the most dangerous first; empty for no steps."""
    found = list(steps)
    numbers = {action: sum(s.action is action for s in found) for action in _ORDER}
    return ", ".join(f"{n} to {WORDS[action]}" for action, n in numbers.items() if n)


def headline(plan: Plan) -> str:
    """What a plan does, in one phrase."""
    if plan.empty:
        return "nothing to do"
    runs = f", {plural(len(plan.evidence.runs), 'training run')}" if plan.evidence.runs else ""
    return f"{counts(plan.steps)}{runs}"


def hazards(environments: Iterable[EnvironmentPlan]) -> list[Hazard]:
    """Every step that replaces, deletes or may replace, the worst first; lost data before everything."""
    found = [
        Hazard(e.plan.environment, s) for e in environments for s in e.plan.steps if s.danger >= Danger.MAYBE_REPLACE
    ]
    return sorted(found, key=lambda h: (not h.loses_data, -h.step.danger))


def refusals(plan: Plan, *, mandatory: bool) -> list[Verdict]:
    """What policies refuse: those that nobody can override, or the others."""
    return [v for v in plan.evidence.verdicts if not v.allowed and (v.level == "mandatory") is mandatory]


def errors(environment: EnvironmentPlan) -> int:
    """How many diagnostics forbid the plan."""
    return sum(d.severity is Severity.ERROR for d in environment.diagnostics)


def blocked(environment: EnvironmentPlan) -> bool:
    """Whether nothing but a change of the specs helps."""
    return bool(errors(environment) or refusals(environment.plan, mandatory=True))


def missing(environment: EnvironmentPlan) -> tuple[str, ...]:
    """What is missing before it may be applied, in sentences: as it was passed in, else what the plan asks for."""
    found = environment.plan.evidence
    if environment.missing or environment.approved or not environment.plan.seal:
        return environment.missing
    if len(found.approval_rules) > 1 or not found.approvals_required:
        return tuple(f"approval by {rule}" for rule in found.approval_rules)
    teams = " or ".join(found.approvers)
    return (f"{plural(found.approvals_required, 'approval')} of {f'team {teams}' if teams else 'any team'}",)


def sign(environment: EnvironmentPlan) -> str:
    """One sign for an environment."""
    if blocked(environment):
        return BLOCKED
    risky = any(True for _ in hazards((environment,))) or refusals(environment.plan, mandatory=False)
    return WARNED if risky else CALM


def worst(review: PullRequestPlan) -> str:
    """One sign for the whole pull request."""
    signs = {sign(e) for e in review.environments}
    if review.invalid or review.problems or BLOCKED in signs:
        return BLOCKED
    return WARNED if WARNED in signs else CALM


def run_time(plan: Plan) -> str:
    """`about 5 min`, as far as the duration of runs is known; empty where none is."""
    known = [s for _, s in plan.evidence.runs if s is not None]
    if not known:
        return ""
    more = " and more" if len(known) < len(plan.evidence.runs) else ""
    return f"about {duration(sum(known))}{more}"


def gates(environment: EnvironmentPlan) -> Iterator[tuple[str, str]]:
    """(gate, model) of what decides in this plan; (the model, itself) where it is not known by which gates."""
    models = dict.fromkeys(
        s.origin for s in environment.plan.steps if s.address.type == GATE and s.danger < Danger.DELETE
    )
    for model in models:
        own = [str(used) for used, user in environment.edges if used.kind == "QualityGate" and str(user) == model]
        yield from ((gate, model) for gate in own or [model])


def quiet(step: Step) -> bool:
    """Whether a step changes nothing but metadata."""
    return step.category is Category.METADATA
