"""A plan as Markdown where no forge is asked: `plan --output markdown` and the plain output of `ci plan`. One body, however long."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from trueup.plan.values import Plan
from trueup.views.comments import limits
from trueup.views.comments import plan as comments
from trueup.views.comments.values import EnvironmentPlan, PullRequestPlan
from trueup_specs.core.diagnostics import Diagnostic


def comment(plan: Plan, diagnostics: Iterable[Diagnostic] = ()) -> str:
    """The comment for one environment."""
    environment = EnvironmentPlan(plan, tuple(diagnostics))
    return comments.bodies(PullRequestPlan(plan.workspace, (environment,), plan.commit), limits.UNLIMITED)[0]


def invalid(diagnostics: Iterable[Diagnostic], read_line: Callable[[str, int], str | None]) -> str:
    """The comment where the specs have errors."""
    review = PullRequestPlan("", invalid=tuple(diagnostics))
    return comments.bodies(review, limits.UNLIMITED, read_line)[0]
