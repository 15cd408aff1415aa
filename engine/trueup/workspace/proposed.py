"""The plans of a pull request: of its head merged into the base branch, by the base branch's rules. Called by `trueup ci plan`.

Head may be a stranger's: it is read as Git objects, and nothing is recorded of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from trueup.approve.reviews import Found, Merge
from trueup.exits import NOTHING_SELECTED
from trueup.forge.values import Forge
from trueup.load import git, trees
from trueup.load.trees import Tree
from trueup.resolve.environments import environments
from trueup.validate.validation import documents as read_documents
from trueup.views.comments.values import EnvironmentPlan, PullRequestPlan, ReadLine
from trueup.workspace import guarding, permitting, reviewing, vacancy
from trueup.workspace.narrowing import prepare_narrowly
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import InvalidSpecs, Prepared, by_key
from trueup_specs.core.diagnostics import Diagnostic, failed


@dataclass(frozen=True)
class Request:
    """What is to be merged into what: commits that are here."""

    base: str
    head: str
    names: tuple[str, str] = ("", "")
    """What people call base and head; by default their commits."""
    author: str = ""
    forge: Forge | None = None
    merge: Merge | None = None
    """The pull request with its reviews so far, where there is one on a forge."""


@dataclass(frozen=True)
class Planned:
    """What a pull request comes to."""

    review: PullRequestPlan
    prepared: tuple[Prepared, ...] = ()

    @property
    def invalid(self) -> bool:
        """Whether an error stands against it."""
        found = self.review
        return bool(found.invalid or found.problems) or any(p.forbidden for p in self.prepared)

    @property
    def refused(self) -> bool:
        """Whether a mandatory policy refuses it."""
        verdicts = (v for p in self.prepared for v in p.plan.evidence.verdicts)
        return any(not v.allowed and v.level == "mandatory" for v in verdicts)


def planned(workspace: Workspace, request: Request, names: Iterable[str] = ()) -> Planned:
    """The plans of the environments of `names`, by default of all that the base branch has and the merge keeps.

    Errors of the specs and conflicts are results. Raises WorkspaceError where there is no environment, or Git lacks a commit.
    """
    base = _tree(workspace, request.base)
    merged = trees.merged(workspace.repository, request.base, request.head, workspace.prefix)
    if failed(merged.diagnostics):
        return Planned(_review(workspace, request, invalid=tuple(_named(d, request) for d in merged.diagnostics)))
    if merged.tree is None:
        problem = (
            f"{request.head[:10]} and {request.base[:10]} have no history in common, or the merge holds no workspace."
        )
        return Planned(_review(workspace, request, problems=(problem,)))
    known, after = (tuple(environments(by_key(read_documents(t)))) for t in (base, merged.tree))
    chosen = _chosen(known, after, tuple(names))
    try:
        prepared = tuple(prepare_narrowly(workspace, name, merged.tree, rules=base) for name in chosen)
    except InvalidSpecs as error:
        return Planned(_review(workspace, request, invalid=error.diagnostics))
    review = _review(workspace, request, environments=tuple(_environment(workspace, request, p) for p in prepared))
    added = tuple(n for n in after if n not in known)
    return Planned(replace(review, added=added, removed=_removed(workspace, known, after)), prepared)


def _removed(workspace: Workspace, known: tuple[str, ...], after: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    gone = [n for n in known if n not in after]
    return tuple((n, vacancy.count(workspace, n)) for n in gone)


def _named(conflict: Diagnostic, request: Request) -> Diagnostic:
    """A conflict in the names that people know."""
    known = dict(zip((request.base, request.head), request.names, strict=True))

    def said(text: str) -> str:
        for commit, name in known.items():
            text = text.replace(commit, name or commit[:10])
        return text

    return replace(conflict, summary=said(conflict.summary), fix=said(conflict.fix))


def _review(
    workspace: Workspace,
    request: Request,
    *,
    environments: tuple[EnvironmentPlan, ...] = (),
    invalid: tuple[Diagnostic, ...] = (),
    problems: tuple[str, ...] = (),
) -> PullRequestPlan:
    return PullRequestPlan(
        workspace.name,
        environments=environments,
        head=request.head,
        base=request.base,
        author=request.author,
        invalid=invalid,
        problems=problems,
    )


def _chosen(known: tuple[str, ...], after: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """The environments to plan, of those that the base branch has and those that the merge has."""
    wanted = asked or tuple(n for n in known if n in after)
    if strange := [n for n in wanted if n not in known]:
        listed = ", ".join(known) or "none"
        raise WorkspaceError(
            f"The base branch has no environment {', '.join(map(repr, strange))}; it has: {listed}. A new one is planned once it "
            "is merged.",
            NOTHING_SELECTED,
        )
    gone = [n for n in wanted if n not in after]
    if not wanted or len(gone) == len(wanted):
        raise WorkspaceError(
            "There is no environment to plan: the base branch and the merge have none in common. Nothing was planned.",
            NOTHING_SELECTED,
        )
    return tuple(n for n in wanted if n not in gone)


def _environment(workspace: Workspace, request: Request, prepared: Prepared) -> EnvironmentPlan:
    found = Found()
    if request.merge is not None and request.forge is not None and prepared.plan.seal:
        found = reviewing.judged(workspace, prepared, [request.merge], request.forge.may_write)
    allowed = permitting.permission(workspace, prepared, reviewed=found)
    used = frozenset(allowed.approvals)
    return EnvironmentPlan(
        prepared.plan,
        prepared.diagnostics,
        approved=tuple(dict.fromkeys(c.person.user for c in found.counted if c.id in used)),
        missing=_missing(workspace, prepared, allowed),
        edges=tuple(prepared.catalog.lineage.edges()),
        vacant=vacancy.vacant(workspace, prepared),
    )


def _missing(workspace: Workspace, prepared: Prepared, allowed: permitting.Permission) -> tuple[str, ...]:
    """What stands against an apply, but what is shown by itself (the policies), and what is about who runs this job."""
    if prepared.plan.empty:
        return ()
    mine = guarding.acting(workspace, prepared.rules or prepared.catalog)
    return tuple(r.text for r in allowed.refusals if not r.text.startswith("The policy ") and r.text not in mine)


def _tree(workspace: Workspace, commit: str) -> Tree:
    found = trees.revision(workspace.repository, commit, workspace.prefix)
    if found is None:
        raise WorkspaceError(
            f"The base branch's {commit[:10]} does not hold the workspace {workspace.prefix or workspace.name}. Fetch it, or name "
            "the branch with --base.",
            NOTHING_SELECTED,
        )
    return found


def lines_of(workspace: Workspace, commit: str) -> ReadLine:
    """Reads lines of a commit's files, for what is wrong with them; a link is not followed."""

    @cache
    def lines(file: str) -> list[str]:
        done = git.attempt(workspace.repository, "cat-file", "blob", f"{commit}:{file}")
        return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []

    return lambda file, line: lines(file)[line - 1] if 0 < line <= len(lines(file)) else None
