"""What the comment of a pull request is built from: the plans of its environments and what is known beside them. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trueup.apply.outcome import StackPreview
from trueup.plan.values import Plan
from trueup_specs.core.diagnostics import Diagnostic
from trueup_specs.core.references import Key

ReadLine = Callable[[str, int], str | None]
"""A line of a file of head, or None: shown beside what is wrong."""


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """One environment of a pull request. All sentences may hold text of specs: they are made inert where they are shown."""

    plan: Plan
    diagnostics: tuple[Diagnostic, ...] = ()
    approved: tuple[str, ...] = ()
    """Who approved what would be done so far: one sentence, or name, each."""
    missing: tuple[str, ...] = ()
    """What is missing before it may be applied: one sentence each (`2 approvals of team risk`, `a freeze until Monday`)."""
    edges: tuple[tuple[Key, Key], ...] = ()
    """The lineage, as (used, user): `tuple(prepared.catalog.lineage.edges())`. Only what the plan touches is drawn."""
    preview: tuple[StackPreview, ...] = ()
    """What the providers say, where an online plan was made."""
    vacant: str = ""
    """Why there is nothing to do anything with, as a sentence; empty where there is something."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """One older plan of the pull request, as it stays in the comment."""

    commit: str
    summary: str
    """Plain text."""


@dataclass(frozen=True, slots=True)
class PullRequestPlan:
    """The plan of a whole pull request.

    `invalid` holds the diagnostics where the specs have errors and no plan could be made; `environments` is empty then.
    """

    workspace: str
    environments: tuple[EnvironmentPlan, ...] = ()
    head: str = ""
    """The commit that was planned; empty for a working tree."""
    base: str = ""
    """The commit that it is merged into; empty where nothing is merged."""
    author: str = ""
    """The login of who opened the pull request."""
    invalid: tuple[Diagnostic, ...] = ()
    problems: tuple[str, ...] = ()
    """Why no plan could be made, other than invalid specs (a merge conflict), as sentences."""
    added: tuple[str, ...] = ()
    """Environments that the pull request brings: they are planned once they are merged, since rules are the base branch's."""
    removed: tuple[tuple[str, int], ...] = ()
    """Environments that it takes away, each with how many resources of it are recorded, which stay."""
    earlier: tuple[Earlier, ...] = ()
    """Older plans, newest first: `earlier.carried(old_body, head)`."""
