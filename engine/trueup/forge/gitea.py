"""Gitea (and Forgejo, which keeps its API) by its REST API v1. Made by surroundings.connect.

A comment of a pull request is an issue comment; the list of them comes whole. Gitea shows no remarks at lines. Who may write is told to an
administrator of the repository only; for another token the list of who can be assigned stands in, which holds who can write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec

from trueup.forge.http import Door, Parameters
from trueup.forge.lengths import shortened
from trueup.forge.refusals import Refused
from trueup.forge.values import Annotation, Comment, PullRequest, Review, State, Verdict

LONGEST = 65_536
"""Characters of a comment. Gitea names no limit (the column is a LONGTEXT of 4 GiB since 1.16), but it looks for mentions and references in
time that grows with the square of the text: this many characters full of them take Gitea 1.24 five seconds of CPU, four times as many over
a minute, which is longer than a request may take."""
_STATUS = 255
_PAGE = 50
"""Items of a page: what a server gives at most, unless its MAX_RESPONSE_ITEMS says otherwise."""
_MERGED_LOOKED_AT = 200
"""Merged pull requests, the newest first, whose commits are searched for one that is no merge itself."""
_SKEW = timedelta(minutes=2)
_VERDICTS = {
    "APPROVED": Verdict.APPROVED,
    "REQUEST_CHANGES": Verdict.CHANGES_REQUESTED,
    "COMMENT": Verdict.COMMENTED,
}
_STATES = {str(state): state for state in State} | {"warning": State.FAILURE, "skipped": State.SUCCESS}


class _User(msgspec.Struct):
    login: str


class _Branch(msgspec.Struct):
    ref: str
    sha: str
    repo_id: int


class _Pull(msgspec.Struct):
    number: int
    title: str
    html_url: str
    state: str
    user: _User | None
    base: _Branch
    head: _Branch
    merged: bool = False
    merge_commit_sha: str | None = None
    merged_at: datetime | None = None


class _Comment(msgspec.Struct):
    id: int
    created_at: datetime
    user: _User | None = None
    body: str = ""


class _Review(msgspec.Struct):
    id: int
    state: str
    submitted_at: datetime
    user: _User | None = None
    commit_id: str = ""
    stale: bool = False
    dismissed: bool = False


class _Permission(msgspec.Struct):
    permission: str


class _Status(msgspec.Struct):
    id: int
    status: str
    context: str
    description: str = ""


class _Commit(msgspec.Struct):
    sha: str


class _Issue(msgspec.Struct):
    number: int
    title: str
    html_url: str
    user: _User | None = None


class Gitea:
    """One repository on a Gitea. See values.Forge for what the methods give."""

    name = "gitea"
    longest = LONGEST

    def __init__(self, door: Door, project: str) -> None:
        """`project` is `owner/name`."""
        self._door = door
        self._project = project
        self._repo = f"repos/{quote(project, safe='/')}"
        self._me: str | None = None

    def __repr__(self) -> str:
        return f"Gitea({self._project!r}, {self._door!r})"

    def me(self) -> str:
        if self._me is None:
            try:
                self._me = self._door.get("user", _User).login
            except Refused as error:
                if error.status != 403:  # a token without read:user
                    raise
                self._me = ""
        return self._me

    def pull_request(self, number: int) -> PullRequest:
        return _pull_request(self._door.get(f"{self._repo}/pulls/{number}", _Pull))

    def pull_requests_of(self, commit: str) -> tuple[PullRequest, ...]:
        found = self._door.find(f"{self._repo}/commits/{quote(commit, safe='')}/pull", _Pull)
        if found is None:
            found = self._brought(commit)
        return () if found is None or not found.merged else (_pull_request(found),)

    def _brought(self, commit: str) -> _Pull | None:
        """The merged pull request that a commit is part of: Gitea itself answers for the commit that a merge made, only."""
        query: Parameters = {"state": "closed", "sort": "recentupdate", "limit": _PAGE}
        merged = (p for p in self._door.pages(f"{self._repo}/pulls", _Pull, query) if p.merged)
        for _, pull in zip(range(_MERGED_LOOKED_AT), merged, strict=False):
            parts: Parameters = {"limit": _PAGE, "verification": "false", "files": "false"}
            commits = self._door.pages(f"{self._repo}/pulls/{pull.number}/commits", _Commit, parts)
            if any(c.sha == commit for c in commits):
                return pull
        return None

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        query: Parameters = {"state": "open", "sort": "oldest", "limit": _PAGE}
        found = {p.number: p for p in self._door.pages(f"{self._repo}/pulls", _Pull, query)}
        return tuple(_pull_request(p) for p in found.values())

    def comments(self, number: int) -> Iterator[Comment]:
        return (_comment(c) for c in self._comments(number))

    def _comments(self, number: int) -> Iterator[_Comment]:
        return self._door.pages(f"{self._repo}/issues/{number}/comments", _Comment)

    def comment(self, number: int, body: str) -> Comment:
        began = datetime.now(UTC) - _SKEW

        def arrived() -> _Comment | None:
            me = self.me()
            same = (c for c in self._comments(number) if c.body == body and c.created_at >= began)
            return next((c for c in same if not me or _login(c.user) == me), None)

        path = f"{self._repo}/issues/{number}/comments"
        return _comment(self._door.create(path, {"body": body}, _Comment, arrived))

    def edit_comment(self, number: int, id: str, body: str) -> None:
        self._door.do("PATCH", f"{self._repo}/issues/comments/{int(id)}", {"body": body}, repeat=True)

    def delete_comment(self, number: int, id: str) -> None:
        try:
            self._door.do("DELETE", f"{self._repo}/issues/comments/{int(id)}")
        except Refused as error:
            if error.status != 404:  # gone already
                raise

    def reviews(self, number: int) -> tuple[Review, ...]:
        found = self._door.pages(f"{self._repo}/pulls/{number}/reviews", _Review, {"limit": _PAGE})
        given = [
            Review(
                id=str(r.id),
                user=_login(r.user),
                commit=r.commit_id,
                verdict=Verdict.DISMISSED if r.dismissed else _VERDICTS[r.state],
                time=r.submitted_at,
                stale=r.stale,
            )
            for r in found
            if r.state in _VERDICTS and r.user is not None
        ]
        return tuple(sorted(given, key=lambda r: (r.time, int(r.id))))

    def may_write(self, user: str) -> bool:
        try:
            found = self._door.find(f"{self._repo}/collaborators/{quote(user, safe='')}/permission", _Permission)
        except Refused as error:
            if error.status != 403:
                raise
            known = self._door.pages(f"{self._repo}/assignees", _User)
            return any(u.login.lower() == user.lower() for u in known)
        return found is not None and found.permission in ("write", "admin", "owner")

    def set_status(self, commit: str, context: str, state: State, text: str, url: str = "") -> None:
        body = {"state": str(state), "context": context, "description": shortened(text, _STATUS), "target_url": url}
        # Each is a new one under the context, of which the newest counts: doing it twice changes nothing.
        self._door.do("POST", f"{self._repo}/statuses/{quote(commit, safe='')}", body, repeat=True)

    def status(self, commit: str, context: str) -> tuple[State, str] | None:
        path = f"{self._repo}/commits/{quote(commit, safe='')}/statuses"
        # All of them, in an order without ties; `leastindex` and `highestindex` mean each other's, so neither is relied on.
        query: Parameters = {"sort": "leastindex", "limit": _PAGE}
        found = (s for s in self._door.pages(path, _Status, query) if s.context == context)
        newest = max(found, key=lambda s: s.id, default=None)
        return None if newest is None else (_STATES.get(newest.status, State.ERROR), newest.description)

    def annotate(self, commit: str, title: str, ok: bool, summary: str, found: Sequence[Annotation]) -> bool:
        return False

    def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest:
        def there() -> _Pull | None:
            query: Parameters = {"state": "open", "sort": "recentupdate", "limit": _PAGE}
            return next(
                (
                    p
                    for p in self._door.pages(f"{self._repo}/pulls", _Pull, query)
                    if p.head.ref == head and p.base.ref == base and p.head.repo_id == p.base.repo_id
                ),
                None,
            )

        found = there()
        if found is None:
            wanted = {"title": shortened(title, 255), "body": body, "head": head, "base": base}
            try:
                found = self._door.create(f"{self._repo}/pulls", wanted, _Pull, there)
            except Refused as error:
                found = there() if error.status == 409 else None  # another job was quicker
                if found is None:
                    raise
        return _pull_request(found)

    def open_issue(self, title: str, body: str) -> str:
        title, me = shortened(title, 255), self.me()

        def there() -> _Issue | None:
            query: Parameters = {"state": "open", "type": "issues", "created_by": me, "limit": _PAGE}
            found = self._door.pages(f"{self._repo}/issues", _Issue, query) if me else iter(())
            return next((i for i in found if i.title == title and _login(i.user) == me), None)

        found = there()
        if found is None:
            return self._door.create(f"{self._repo}/issues", {"title": title, "body": body}, _Issue, there).html_url
        self._door.do("PATCH", f"{self._repo}/issues/{found.number}", {"body": body}, repeat=True)
        return found.html_url


def _login(user: _User | None) -> str:
    return "" if user is None else user.login


def _comment(found: _Comment) -> Comment:
    return Comment(str(found.id), _login(found.user), found.body)


def _pull_request(found: _Pull) -> PullRequest:
    return PullRequest(
        number=found.number,
        title=found.title,
        url=found.html_url,
        author=_login(found.user),
        base=found.base.ref,
        head=found.head.ref,
        head_commit=found.head.sha,
        fork=found.base.repo_id != found.head.repo_id,
        open=found.state == "open",
        merge_commit=(found.merge_commit_sha or "") if found.merged else "",
        merged_at=found.merged_at if found.merged else None,
    )
