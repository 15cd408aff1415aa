"""The reviews of a forge as approvals: asked, judged and recorded. Called by the jobs that apply, before `permitting.permission`.

How a job uses it (`forge` is a `trueup.forge.values.Forge`, `prepared` the plan of the base branch's tip, made by `planning.prepare`):

    found = reviewing.reviewed(workspace, prepared, forge, "main")
    reviewing.record(workspace, prepared, found, forge.name)
    allowed = permitting.permission(workspace, prepared, reviewed=found)
    # allowed.refusals: sentences; allowed.approvals: ids, for `applying.apply(…, approvals=allowed.approvals)`
    # found.passed and reviews.unused(found, allowed.approvals): which reviews do not count, each with the reason, for the comment

The reviewed commits must be in the clone: `missing` names those that are not, to be fetched before (`refs/pull/N/head` and the like).
Nothing of a commit is checked out or run. Whoever has the merged pull requests at hand may call `judged` with them in place of `reviewed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from trueup.approve import authorship, reviews
from trueup.approve.reviews import Found, Merge, Review, Seen
from trueup.forge.values import Forge, PullRequest
from trueup.load import git, trees
from trueup.load.trees import Tree
from trueup.plan.recorded import Recorded
from trueup.plan.values import Plan
from trueup.record.events import DONE, Entry, Event, EventKind
from trueup.record.updates import ApprovalUpdate
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.permitting import teams_of
from trueup.workspace.planning import Applied, Compared, InvalidSpecs, Prepared, prepared

_SECOND = timedelta(seconds=1)


def reviewed(workspace: Workspace, ready: Prepared, forge: Forge, base: str) -> Found:
    """What the reviews of the pull requests that were merged since the last apply come to. Raises ForgeError."""
    if not _asks(ready):
        return Found()
    return judged(workspace, ready, merges(workspace, ready, forge, base), forge.may_write)


def judged(workspace: Workspace, ready: Prepared, merges: Iterable[Merge], may_write: Callable[[str], bool]) -> Found:
    """Which of the reviews count, by the teams of the base branch."""
    known: dict[tuple[str, str], Seen | str] = {}

    def look(review: Review) -> Seen | str:
        then = _entry_at(workspace, _end(review.time))
        mark = (review.commit, then.id if then else "")
        if mark not in known:
            known[mark] = seen(workspace, ready.plan.environment, review.commit, then)
        return known[mark]

    return reviews.judge(merges, look, teams_of(ready), may_write)


def merges(workspace: Workspace, ready: Prepared, forge: Forge, base: str) -> list[Merge]:
    """The pull requests that were merged into `base` since the last apply, each with its reviews, oldest first."""
    found: dict[int, PullRequest] = {}
    for commit in _merged_since(workspace, ready):
        found.update({p.number: p for p in forge.pull_requests_of(commit) if p.base == base})
    return [merge(found[n], forge) for n in sorted(found)]


def merge(request: PullRequest, forge: Forge) -> Merge:
    """A pull request with its reviews, as the rules of approval know it."""
    said = (Review(r.id, r.user, r.commit, r.verdict.value, r.time, r.stale) for r in forge.reviews(request.number))
    return Merge(request.number, request.author, tuple(said))


def missing(workspace: Workspace, merges: Iterable[Merge]) -> tuple[str, ...]:
    """The reviewed commits that the clone does not have."""
    wanted = {r.commit for m in merges for r in m.reviews if r.verdict == reviews.APPROVED}
    return tuple(sorted(c for c in wanted if trees.revision(workspace.repository, c, "") is None))


def record(workspace: Workspace, ready: Prepared, found: Found, forge: str) -> list[Entry]:
    """Records each review that counts (commit, base, seal, reviewer) once. It is for people: by itself it approves nothing."""
    environment = ready.plan.environment
    there = {a.get("id") for a in workspace.ledger.approvals(environment)}
    made = []
    for counted in found.counted:
        if counted.id in there:
            continue
        digest = replace(ready.plan, seal=counted.seen.entries).seal_digest
        form = reviews.form(counted, workspace.name, environment, forge, digest)
        details = {
            "by": counted.person.user,
            "effects": len(counted.seen.entries),
            "seal": digest,
            "base": counted.seen.base,
            "review": form["review"],
        }
        event = Event(EventKind.APPROVED, environment, counted.review.commit, details=details, approvals=(counted.id,))
        made.append(workspace.ledger.append(event, ApprovalUpdate(environment, counted.id, form)))
    return made


def seen(workspace: Workspace, environment: str, commit: str, then: Entry | None) -> Seen | str:
    """What a commit would have done to what was recorded at an entry of the ledger: it is merged into what was applied then.

    What others had merged and nobody had applied is part of it only as far as the commit holds it: a review approves nothing else.
    """
    if trees.revision(workspace.repository, commit, "") is None:
        return f"The commit {commit[:10]} that was reviewed is not in this clone. Fetch the pull request's head."
    base = _applied_at(workspace, environment, then)
    tree = _merged(workspace, base, commit)
    if isinstance(tree, str):
        return tree
    recorded = workspace.ledger.recorded(at=then.id) if then else Recorded()
    before = trees.revision(workspace.repository, base, workspace.prefix) if base else None
    applied = Applied(before, known=not base or before is not None)
    try:
        made = prepared(workspace, environment, Compared(tree, None, applied), recorded).plan
    except InvalidSpecs:
        return f"The specs of {commit[:10]}, which was reviewed, are not valid."
    except WorkspaceError as error:
        return f"There is no plan of {commit[:10]}, which was reviewed: {error}"
    return Seen(made.seal, _authors(workspace, made, base, commit), base, then.id if then else "")


def _merged(workspace: Workspace, base: str, commit: str) -> Tree | str:
    tree: Tree | None
    if base and trees.revision(workspace.repository, base, "") is not None:
        merged = trees.merged(workspace.repository, base, commit, workspace.prefix)
        if merged.diagnostics:
            return f"{commit[:10]}, which was reviewed, is in conflict with {base[:10]}, which was applied then."
        tree = merged.tree
    else:
        tree = trees.revision(workspace.repository, commit, workspace.prefix)
    return tree or f"{commit[:10]}, which was reviewed, does not hold the workspace."


def _authors(workspace: Workspace, made: Plan, base: str, commit: str) -> frozenset[str]:
    """Those who wrote the commit and what it brings: its specs that change something, and everything that is no spec and no prose."""
    repository, changed = workspace.repository, {c.location.file for c in made.changes if c.location}
    since = base or authorship.ALL
    other = {p for p in authorship.touched(repository, since, commit) if not p.endswith((".md", ".yaml", ".yml"))}
    paths = sorted(changed | {p for p in other if p.startswith(f"{workspace.prefix}/" if workspace.prefix else "")})
    found = authorship.written(repository, since, commit, paths) if paths else frozenset()
    return found | authorship.authors(repository, replace(made, commit=commit, changes=()), "")


def _merged_since(workspace: Workspace, ready: Prepared) -> list[str]:
    """The commits on the base branch that came after the last apply, oldest first; all of its last hundred where there was none."""
    applied = _applied_at(workspace, ready.plan.environment, None, newest=True)
    limit = [f"{applied}..{ready.plan.commit}"] if applied else ["--max-count=100", ready.plan.commit]
    done = git.attempt(workspace.repository, "rev-list", "--first-parent", "--reverse", *limit, "--")
    return done.stdout.decode().split()


def _applied_at(workspace: Workspace, environment: str, then: Entry | None, *, newest: bool = False) -> str:
    """The commit that was applied last, up to an entry of the ledger."""
    if then is None and not newest:
        return ""
    with closing(workspace.ledger.entries()) as entries:  # type: ignore[type-var]
        for entry in entries:
            late = then is not None and entry.sequence > then.sequence
            if not late and entry.event.environment == environment and _completed(entry):
                return entry.event.commit
    return ""


def _completed(entry: Entry) -> bool:
    return entry.event.kind is EventKind.APPLIED and entry.event.outcome == DONE


def _entry_at(workspace: Workspace, moment: datetime) -> Entry | None:
    """The newest entry of the ledger that was written before a moment."""
    with closing(workspace.ledger.entries(all_workspaces=True)) as entries:  # type: ignore[type-var]
        return next((e for e in entries if e.event.time is not None and e.event.time < moment), None)


def _end(time: datetime) -> datetime:
    """The end of the moment that a forge names: most tell whole seconds."""
    return time if time.microsecond else time + _SECOND


def _asks(ready: Prepared) -> bool:
    settings = (ready.rules or ready.catalog).settings.approvals
    return bool(ready.plan.seal) and bool(settings.required or settings.rules)
