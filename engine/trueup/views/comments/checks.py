"""What stands beside a comment: the text of a commit status, and remarks on the lines that matter. Plain text, no Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trueup.forge.values import Annotation, State
from trueup.plan.values import Action, Danger, Plan, SpecChange, Step
from trueup.views.comments import headlines, risks
from trueup.views.comments.escaping import plain
from trueup.views.comments.results import SAID, Result
from trueup.views.comments.values import EnvironmentPlan, PullRequestPlan
from trueup.views.words import plural
from trueup_specs.core.diagnostics import Diagnostic, Severity

LONGEST = 140
"""GitHub's limit for the text of a status, in characters."""
_TITLE = 120
_VERBS = {Danger.DELETE: "deletes", Danger.REPLACE: "replaces", Danger.MAYBE_REPLACE: "may replace"}
_LEVELS = {Severity.ERROR: "failure", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def plan_status(environment: EnvironmentPlan) -> tuple[State, str]:
    """The status of an environment's plan: failed where it is blocked, pending where approvals are missing."""
    said = risks.headline(environment.plan)
    if number := risks.errors(environment):
        return State.FAILURE, plain(f"{plural(number, 'error')}; {said}", LONGEST)
    if refused := risks.refusals(environment.plan, mandatory=True):
        names = ", ".join(dict.fromkeys(v.policy for v in refused))
        return State.FAILURE, plain(f"refused by policy {names}; {said}", LONGEST)
    if environment.plan.empty:
        return State.SUCCESS, "nothing is there to plan" if environment.vacant else "nothing to do"
    if lacking := risks.missing(environment):
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        return State.PENDING, plain(f"missing: {plain(lacking[0], 60)}{more}; {said}", LONGEST)
    lost = sum(h.loses_data for h in risks.hazards((environment,)))
    loss = f"; DATA IS LOST in {plural(lost, 'place')}" if lost else ""
    return State.SUCCESS, plain(f"{said}{loss}", LONGEST)


def invalid_status(review: PullRequestPlan) -> tuple[State, str]:
    """The status where no plan could be made."""
    return State.FAILURE, plain(f"not planned: {headlines.summary(review).removeprefix('no plan: ')}", LONGEST)


def unplanned(problem: str) -> tuple[State, str]:
    """The status of a pull request that could not even be looked at."""
    return State.FAILURE, plain(f"not planned: {problem}", LONGEST)


def result_status(result: Result) -> tuple[State, str]:
    """The status of an environment after an apply."""
    pending = dict.fromkeys(("waiting", "denied", "vacant"), State.PENDING)
    states = {"done": State.SUCCESS, "nothing": State.SUCCESS, **pending}
    text = SAID.get(result.outcome, result.outcome)
    if result.refusals:
        text = f"{text} {result.refusals[0]}"
    return states.get(result.outcome, State.FAILURE), plain(text, LONGEST)


def remarks(review: PullRequestPlan) -> tuple[Annotation, ...]:
    """Remarks on lines: what is wrong, what policies refuse, and what is replaced or deleted. The worst first, each once."""
    found = [
        *_of_diagnostics(review.invalid),
        *(a for e in review.environments for a in _of_environment(e)),
    ]
    order = ("failure", "warning", "notice")
    return tuple(sorted(dict.fromkeys(found), key=lambda a: (order.index(a.level), a.file, a.line)))


def _of_diagnostics(diagnostics: Iterable[Diagnostic]) -> Iterator[Annotation]:
    for diagnostic in diagnostics:
        place = diagnostic.location
        if place.file:
            text = plain(" ".join(t for t in (diagnostic.summary, diagnostic.detail, diagnostic.fix) if t), 2000)
            yield Annotation(place.file, max(place.line, 1), _LEVELS[diagnostic.severity], diagnostic.code, text)


def _of_environment(environment: EnvironmentPlan) -> Iterator[Annotation]:
    yield from _of_diagnostics(environment.diagnostics)
    plan = environment.plan
    places = {c.key: c for c in plan.changes if c.location is not None and c.location.file}
    for verdict in plan.evidence.verdicts:
        change = places.get(verdict.object)
        if change is not None and not verdict.allowed:
            level = "failure" if verdict.level == "mandatory" else "warning"
            yield _at(change, level, f"Policy {verdict.policy}", verdict.message or "The policy refuses this.")
    for step in plan.steps:
        change = places.get(step.origin)
        if change is not None and step.danger >= Danger.MAYBE_REPLACE:
            yield _at(change, "warning", _danger(plan, step), _consequence(plan, step))


def _danger(plan: Plan, step: Step) -> str:
    return f"{plan.environment}: {risks.WORDS[step.action]} {step.address.type} {step.address.name}"


def _consequence(plan: Plan, step: Step) -> str:
    verb = "gives up" if step.action is Action.GIVE_UP else _VERBS[step.danger]
    lost = " It holds data, which is lost." if step.holds_data and step.danger is not Danger.MAYBE_REPLACE else ""
    paths = ", ".join(c.path for c in step.changes if c.path)
    why = f" Because of: {paths}." if paths else f" Because: {step.reason}." if step.reason else ""
    return f"This {verb} {step.address.type} {step.address.name} in {plan.environment}.{lost}{why}"


def _at(change: SpecChange, level: str, title: str, text: str) -> Annotation:
    assert change.location is not None
    return Annotation(
        change.location.file, max(change.location.line, 1), level, plain(title, _TITLE), plain(text, 2000)
    )
