"""What Trueup knows of a forge, as values, and the one interface that GitHub, GitLab and Gitea are reached through. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ForgeError(Exception):
    """The forge does not do what was asked; the text says what, why and what to do."""


class Unavailable(ForgeError):
    """The forge is down, slow or limits the rate beyond what was waited for: the same call may work later."""


class State(StrEnum):
    """A commit status, in the words that all forges share."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class Verdict(StrEnum):
    """What a review says."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request (on GitLab a merge request)."""

    number: int
    title: str
    url: str
    author: str
    """The login of who opened it."""
    base: str
    """The branch that it is to be merged into."""
    head: str
    """The branch that it comes from."""
    head_commit: str
    fork: bool
    """Whether head is in another repository."""
    open: bool
    merge_commit: str = ""
    """The commit that it was merged as; empty as long as it is not."""
    merged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What one person says of one commit of a pull request."""

    id: str
    user: str
    """The login."""
    commit: str
    """The commit that was looked at."""
    verdict: Verdict
    time: datetime
    stale: bool = False
    """Whether the forge itself says that it no longer counts, after a push."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of a pull request."""

    id: str
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark on a line of a file, as checks show it."""

    file: str
    line: int
    level: str
    """`notice`, `warning` or `failure`."""
    title: str
    text: str


class Forge(Protocol):
    """One project on one forge. Every method raises ForgeError; what is safe to repeat is repeated before."""

    name: str
    """`github`, `gitlab` or `gitea`."""
    longest: int
    """The longest body of a comment, in the forge's unit (characters on GitHub and GitLab, bytes where the forge counts them)."""

    def me(self) -> str:
        """The login that the token belongs to: only its comments are ever edited. Empty where the forge does not tell."""
        ...

    def pull_request(self, number: int) -> PullRequest: ...

    def pull_requests_of(self, commit: str) -> tuple[PullRequest, ...]:
        """The merged pull requests that brought a commit into the base branch."""
        ...

    def open_pull_requests(self) -> tuple[PullRequest, ...]: ...

    def comments(self, number: int) -> Iterable[Comment]:
        """All comments of a pull request, over all pages, oldest first."""
        ...

    def comment(self, number: int, body: str) -> Comment: ...

    def edit_comment(self, number: int, id: str, body: str) -> None: ...

    def delete_comment(self, number: int, id: str) -> None: ...

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All reviews, oldest first; on GitLab, the approvals, each of the commit that it was given for."""
        ...

    def may_write(self, user: str) -> bool:
        """Whether a login can (still) push to the project: a reviewer who was removed no longer counts."""
        ...

    def set_status(self, commit: str, context: str, state: State, text: str, url: str = "") -> None: ...

    def status(self, commit: str, context: str) -> tuple[State, str] | None:
        """The newest status of a commit under a context, and its text."""
        ...

    def annotate(self, commit: str, title: str, ok: bool, summary: str, found: Sequence[Annotation]) -> bool:
        """Shows remarks at their lines where the forge can (GitHub's checks, GitLab's report); False where it cannot."""
        ...

    def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest:
        """Opens a pull request, or gives the open one of that head."""
        ...

    def open_issue(self, title: str, body: str) -> str:
        """Opens an issue, or updates the open one of that title that Trueup opened; its URL."""
        ...
