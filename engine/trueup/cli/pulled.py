"""`trueup ci plan`: plans pull requests, stores what it found, then prints it or tells the forge. Called by `cli/ci.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from trueup.cli.failures import gravest
from trueup.cli.terminal import emit, note
from trueup.exits import DENIED, INVALID, NOTHING_SELECTED, UNREACHED, UNTOLD
from trueup.forge.values import ForgeError, PullRequest
from trueup.plan import saved
from trueup.record import exchange
from trueup.record.events import LedgerError
from trueup.views.comments import checks, earlier
from trueup.views.comments import plan as comments
from trueup.workspace import joining, proposed, reviewing, telling
from trueup.workspace.joining import Joined
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.proposed import Planned

DEFAULT_OUT = Path("trueup-plan.md")
"""Where a job finds its plan if the forge would not take it."""


@dataclass(frozen=True)
class Request:
    """What is asked of a plan."""

    environments: tuple[str, ...]
    base: str
    head: str
    out: Path | None = None
    asked: bool = True
    """Whether printing is what was asked for, and not what is left where no forge is around."""


def printed(workspace: Workspace, request: Request) -> int:
    """The plan as Markdown on standard output; the exit code."""
    if not request.asked:
        note("No forge is named, so the plan is printed only: nobody is told.")
    base, head = (_commit(workspace, r) for r in (request.base, request.head))
    found = proposed.planned(
        workspace, proposed.Request(base, head, (request.base, request.head)), request.environments
    )
    text = comments.job_summary(found.review, proposed.lines_of(workspace, head))
    emit(text)
    if request.out is not None:
        _store(request.out, found, text)
    return _code(found)


def told(workspace: Workspace, joined: Joined, request: Request, every: bool) -> int:
    """Plans the job's pull request, or `every` open one, and tells the forge; the exit code."""
    _receive(workspace, joined)
    try:
        if not every:
            return _told(workspace, joined, request, joining.request_of(joined))
        open_ones = joined.forge.open_pull_requests()
    except ForgeError as error:
        raise joining.as_problem(error) from None
    if not open_ones:
        note(f"There is no open pull request on {joined.forge.name}, so nothing was planned.")
        return NOTHING_SELECTED
    codes = []
    for one in open_ones:
        out = (request.out or DEFAULT_OUT).with_suffix(f".{one.number}.md")
        codes.append(_guarded(workspace, joined, replace(request, out=out), one))
    return gravest(codes)


def _guarded(workspace: Workspace, joined: Joined, request: Request, one: PullRequest) -> int:
    """One of several: what is wrong with it does not keep the others from being planned. What is told there is no failure of the job."""
    try:
        code = _told(workspace, joined, request, one)
    except WorkspaceError as error:
        note(f"#{one.number}: {error}")
        teller = telling.Teller(joined.forge)
        teller.status(one.head_commit, "plan", *checks.unplanned(str(error)), joined.around.job_url)
        for problem in teller.problems:
            note(f"not told: {problem}")
        return error.code
    except ForgeError as error:
        note(f"#{one.number}: {error}")
        return UNREACHED
    return code if code == UNTOLD else 0


def _told(workspace: Workspace, joined: Joined, request: Request, one: PullRequest) -> int:
    base, head = joining.commits_of(workspace, joined, one)
    merge = reviewing.merge(one, joined.forge)
    asked = proposed.Request(base, head, (one.base, one.head), one.author, joined.forge, merge)
    found = proposed.planned(workspace, asked, request.environments)
    read_line = proposed.lines_of(workspace, head)
    text = comments.job_summary(found.review, read_line)
    _store(request.out or DEFAULT_OUT, found, text)
    telling.summarise(joined.around.summary, text)
    teller = telling.Teller(joined.forge)
    if joined.forge.pull_request(one.number).head_commit != head:
        note(
            f"#{one.number} has a newer commit than {head[:10]}: its own job tells. This plan is stored, and not posted."
        )
        return _code(found)
    limit = telling.limit_of(joined.forge)

    def bodies(present: str) -> tuple[str, ...]:
        review = replace(found.review, earlier=earlier.carried(present, head))
        return comments.bodies(review, limit, read_line)

    teller.comment(one.number, bodies, comments.marker(workspace.name))
    _statuses(joined, teller, found, head)
    failed = _code(found) != 0
    summary = comments.check_summary(found.review, read_line)
    teller.annotate(head, "trueup plan", not failed, summary, checks.remarks(found.review))
    emit(
        f"#{one.number} {head[:10]} into {one.base} {base[:10]}: "
        + ("refused" if failed else "planned")
        + f". {one.url}"
    )
    for problem in teller.problems:
        note(f"not told: {problem}")
    if teller.problems:
        note(
            f"The plan was made, and is in {request.out or DEFAULT_OUT}; run the job again to tell {joined.forge.name}."
        )
    return _code(found) or (UNTOLD if teller.problems else 0)


def _statuses(joined: Joined, teller: telling.Teller, found: Planned, head: str) -> None:
    for environment in found.review.environments:
        state, said = checks.plan_status(environment)
        teller.status(head, environment.plan.environment, state, said, joined.around.job_url)
    if not found.review.environments:
        state, said = checks.invalid_status(found.review)
        teller.status(head, "plan", state, said, joined.around.job_url)


def _store(out: Path, found: Planned, text: str) -> None:
    """The Markdown, and each plan as JSON beside it: what the forge does not take is not lost."""
    out.write_text(text, encoding="utf-8")
    written = [out]
    for prepared in found.prepared:
        file = out.with_suffix(f".{prepared.plan.environment}.json")
        file.write_bytes(saved.dump(prepared.plan))
        written.append(file)
    note(f"Wrote {', '.join(map(str, written))}.")


def _code(found: Planned) -> int:
    return INVALID if found.invalid else DENIED if found.refused else 0


def _commit(workspace: Workspace, revision: str) -> str:
    from trueup.load import trees

    tree = trees.revision(workspace.repository, revision, "")
    if tree is None:
        raise WorkspaceError(
            f"Git has no {revision!r} here. Fetch it (`git fetch --unshallow origin`), or name the branch to merge into with --base, "
            "such as `--base main`.",
            NOTHING_SELECTED,
        )
    return tree.commit


def _receive(workspace: Workspace, joined: Joined) -> None:
    """The ledger as the forge has it: a plan is a comparison with it."""
    try:
        exchange.receive(workspace.ledger, joined.remote)
    except LedgerError as error:
        raise WorkspaceError(f"{error} Nothing was planned: a plan needs the ledger as it is now.", UNREACHED) from None
