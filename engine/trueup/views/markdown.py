"""A plan as Markdown where no forge is asked: `plan --output markdown`. One body, however long."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.plan.values import Plan
from trueup.views.comments import limits
from trueup.views.comments import plan as comments
from trueup.views.comments.values import EnvironmentPlan, PullRequestPlan
from trueup_specs.core.diagnostics import Diagnostic


def comment(plan: Plan, diagnostics: Iterable[Diagnostic] = ()) -> str:
    """The comment for one environment."""
    environment = EnvironmentPlan(plan, tuple(diagnostics))
    return comments.bodies(PullRequestPlan(plan.workspace, (environment,), plan.commit), limits.UNLIMITED)[0]
