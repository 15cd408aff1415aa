"""What Gitea took over from GitHub's API: shapes and calls that are the same on both. The clients add the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import quote

import msgspec

from trueup.forge.http import Door, Parameters
from trueup.forge.lengths import shortened
from trueup.forge.values import Comment, State

SKEW = timedelta(minutes=2)
"""By which the clocks of a job and of a forge may differ."""


class User(msgspec.Struct):
    """An account; `type` is GitHub's (`User`, `Bot`)."""

    login: str
    type: str = ""


class IssueComment(msgspec.Struct):
    """A comment of an issue, which every pull request is as well."""

    id: int
    created_at: datetime
    user: User | None = None
    body: str | None = None


class Permission(msgspec.Struct):
    """What a collaborator may."""

    permission: str


class Issue(msgspec.Struct):
    """An issue; GitHub lists pull requests among them, and marks them."""

    number: int
    title: str
    html_url: str
    user: User | None = None
    pull_request: dict[str, object] | None = None


class Alike(ABC):
    """One repository. See values.Forge for what the methods give."""

    paging: ClassVar[Parameters] = {}
    """How many comments a page has, where that can be asked."""
    longest_status: int
    """Characters of a status' description."""

    def __init__(self, door: Door, project: str) -> None:
        """`project` is `owner/name`."""
        self._door = door
        self._project = project
        self._repo = f"repos/{quote(project, safe='/')}"
        self._me: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._project!r}, {self._door!r})"

    @abstractmethod
    def _ask_me(self) -> str:
        """The login that the token belongs to; empty where the forge does not tell it."""

    def me(self) -> str:
        if self._me is None:
            self._me = self._ask_me()
        return self._me

    def comments(self, number: int) -> Iterator[Comment]:
        return (comment_of(c) for c in self._comments(number))

    def _comments(self, number: int) -> Iterator[IssueComment]:
        return self._door.pages(f"{self._repo}/issues/{number}/comments", IssueComment, self.paging)

    def comment(self, number: int, body: str) -> Comment:
        began = datetime.now(UTC) - SKEW

        def arrived() -> IssueComment | None:
            me = self.me()
            same = (c for c in self._comments(number) if c.body == body and c.created_at >= began)
            return next((c for c in same if not me or login(c.user) == me), None)

        path = f"{self._repo}/issues/{number}/comments"
        return comment_of(self._door.create(path, {"body": body}, IssueComment, arrived))

    def edit_comment(self, number: int, id: str, body: str) -> None:
        self._door.do("PATCH", f"{self._repo}/issues/comments/{int(id)}", {"body": body}, repeat=True)

    def delete_comment(self, number: int, id: str) -> None:
        self._door.remove(f"{self._repo}/issues/comments/{int(id)}")

    def set_status(self, commit: str, context: str, state: State, text: str, url: str = "") -> None:
        said = {"state": str(state), "context": context, "description": shortened(text, self.longest_status)}
        # Each is a new one under the context, of which the newest counts: doing it twice changes nothing.
        path = f"{self._repo}/statuses/{quote(commit, safe='')}"
        self._door.do("POST", path, said | ({"target_url": url} if url else {}), repeat=True)

    def open_issue(self, title: str, body: str) -> str:
        title = shortened(title, 255)
        found = self._issue(title)
        if found is None:
            wanted = {"title": title, "body": body}
            return self._door.create(f"{self._repo}/issues", wanted, Issue, lambda: self._issue(title)).html_url
        self._door.do("PATCH", f"{self._repo}/issues/{found.number}", {"body": body}, repeat=True)
        return found.html_url

    @abstractmethod
    def _issue(self, title: str) -> Issue | None:
        """The open issue of that title that is ours: no person's issue is ever overwritten."""


def login(user: User | None) -> str:
    """An account's name; empty for one that is gone."""
    return "" if user is None else user.login


def comment_of(found: IssueComment) -> Comment:
    """A comment as values know it."""
    return Comment(str(found.id), login(found.user), found.body or "")
