"""The comment with the plan of a pull request. Called by `trueup ci plan` and by `plan --output markdown`.

    bodies(PullRequestPlan("credit", (EnvironmentPlan(prepared.plan, prepared.diagnostics), …), head, base), limits.GITHUB)

gives the bodies of one comment or, where one is not enough, of several. What is too long is folded already; then what matters least is
shortened (`details.LEVELS`), then the rest is divided. The summary, the marker and the hidden data are in the first body whatever happens.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup.views.comments import earlier, fitting, headlines, limits, sections
from trueup.views.comments.blocks import Block, Items, Paragraph, Piece, pieces
from trueup.views.comments.details import LEVELS, Detail
from trueup.views.comments.limits import Limit, measure
from trueup.views.comments.markers import Marker
from trueup.views.comments.values import Earlier, EnvironmentPlan, PullRequestPlan, ReadLine

_CAPS = (420, 200, 90)


def marker(workspace: str) -> Marker:
    """The marker of the first body: for `markers.current` before there is a plan."""
    return Marker("plan", workspace)


def bodies(
    review: PullRequestPlan,
    limit: Limit = limits.GITHUB,
    read_line: ReadLine = lambda _file, _line: None,
    most: int = fitting.MOST_PARTS,
) -> tuple[str, ...]:
    """The bodies, the one with the summary first; each is within the limit and begins with its marker.

    `read_line` gives a line of a file of head, or None. Raises ValueError for a limit that not even a summary fits.
    """
    if limit.size < limits.SMALLEST:
        raise ValueError(f"A comment of {limit.size} {limit.unit} cannot hold the summary of a plan.")
    head, tail = _ends(review, limit)
    for level in LEVELS:
        text = fitting.whole(_head(review, head)(1, 1), _pieces(review, level, read_line), tail, limit)
        if text is not None:
            return (text,)
    return fitting.divided(_head(review, head), _pieces(review, LEVELS[-1], read_line), tail, limit, _rest, most)


def job_summary(review: PullRequestPlan, read_line: ReadLine = lambda _file, _line: None) -> str:
    """The same as one text, for the summary of a job."""
    return bodies(review, limits.JOB_SUMMARY, read_line, most=1)[0]


def check_summary(review: PullRequestPlan, read_line: ReadLine = lambda _file, _line: None) -> str:
    """The same as one text of at most GitHub's 65,535 characters, for a check."""
    return bodies(review, limits.CHECK, read_line, most=1)[0]


def _ends(review: PullRequestPlan, limit: Limit) -> tuple[str, str]:
    """The summary and the end of the first body: at most half of it and a quarter."""
    head = next(
        (h for h in (headlines.head(review, c) for c in _CAPS) if _share(h, limit, 2)), headlines.head(review, 1)
    )
    older = review.earlier[: earlier.MOST]
    while older and not _share(_tail(review, older), limit, 4):
        older = older[:-1]
    return head, _tail(review, older)


def _share(text: str, limit: Limit, part: int) -> bool:
    return measure(text, limit.unit) <= limit.size // part


def _tail(review: PullRequestPlan, older: tuple[Earlier, ...]) -> str:
    folded, small = earlier.fold(older), headlines.seals(review)
    shown = folded + (f"\n{small}" if small else "")
    return f"{shown}\n{earlier.data_line(review.head, headlines.summary(review), older)}"


def _head(review: PullRequestPlan, head: str) -> fitting.Head:
    def begin(part: int, parts: int) -> str:
        mark = Marker("plan", review.workspace, part=part)
        if part == 1:
            more = f"\n_The plan goes on in {parts - 1} more comments below._\n" if parts > 1 else ""
            return f"{mark}\n{head}{more}"
        return f"{mark}\n### Trueup plan, part {part} of {parts}\n"

    return begin


def _rest(left: int) -> str:
    return f"\n_{left} more lines found no room here: the summary of the job and `trueup plan` show them._\n"


def _pieces(review: PullRequestPlan, detail: Detail, read_line: ReadLine) -> Iterator[Piece]:
    yield from pieces(_blocks(review, detail, read_line))


def _blocks(review: PullRequestPlan, detail: Detail, read_line: ReadLine) -> Iterator[Block]:
    if review.invalid:
        yield Items(tuple(sections.diagnostics(review.invalid, read_line, detail.rows)))
        yield Paragraph(
            "Push a commit that puts this right, and it is planned again. `trueup validate` says the same before a push."
        )
    for environment in review.environments:
        if _tells(environment):
            yield sections.environment(environment, detail, read_line)


def _tells(environment: EnvironmentPlan) -> bool:
    """Whether there is anything to say of an environment that the summary does not."""
    found = environment.plan.evidence
    return bool(
        environment.plan.steps or environment.plan.changes or environment.diagnostics or found.drift or found.unapplied
    )
