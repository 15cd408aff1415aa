"""Gitea (and Forgejo, which keeps its API) by its REST API v1. Made by surroundings.connect.

A comment of a pull request is an issue comment; the list of them comes whole. Gitea shows no remarks at lines. Who may write is told to an
administrator of the repository only; for another token the list of who can be assigned stands in, which holds who can write.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from trueup.forge.alike import Alike, Issue, Permission, User, login
from trueup.forge.http import Parameters
from trueup.forge.lengths import shortened
from trueup.forge.refusals import Refused
from trueup.forge.values import Annotation, PullRequest, Review, State, Verdict

LONGEST = 65_536
"""Characters of a comment. Gitea names no limit (the column is a LONGTEXT of 4 GiB since 1.16), but it looks for mentions and references in
time that grows with the square of the text: this many characters full of them take Gitea 1.24 five seconds of CPU, four times as many over
a minute, which is longer than a request may take."""
_PAGE = 50
"""Items of a page: what a server gives at most, unless its MAX_RESPONSE_ITEMS says otherwise."""
_MERGED_LOOKED_AT = 200
"""Merged pull requests, the newest first, whose commits are searched for one that is no merge itself."""
_VERDICTS = {
    "APPROVED": Verdict.APPROVED,
    "REQUEST_CHANGES": Verdict.CHANGES_REQUESTED,
    "COMMENT": Verdict.COMMENTED,
}
_STATES = {str(state): state for state in State} | {"warning": State.FAILURE, "skipped": State.SUCCESS}


class _Branch(msgspec.Struct):
    ref: str
    sha: str
    repo_id: int


class _Pull(msgspec.Struct):
    number: int
    title: str
    html_url: str
    state: str
    user: User | None
    base: _Branch
    head: _Branch
    merged: bool = False
    merge_commit_sha: str | None = None
    merged_at: datetime | None = None


class _Review(msgspec.Struct):
    id: int
    state: str
    submitted_at: datetime
    user: User | None = None
    commit_id: str = ""
    stale: bool = False
    dismissed: bool = False


class _Status(msgspec.Struct):
    id: int
    status: str
    context: str
    description: str = ""


class _Commit(msgspec.Struct):
    sha: str


class Gitea(Alike):
    """One repository on a Gitea. See values.Forge for what the methods give."""

    name = "gitea"
    longest = LONGEST
    longest_status = 255

    def _ask_me(self) -> str:
        try:
            return self._door.get("user", User).login
        except Refused as error:
            if error.status != 403:  # a token without read:user
                raise
        return ""

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

    def reviews(self, number: int) -> tuple[Review, ...]:
        found = self._door.pages(f"{self._repo}/pulls/{number}/reviews", _Review, {"limit": _PAGE})
        given = [
            Review(
                id=str(r.id),
                user=login(r.user),
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
            found = self._door.find(f"{self._repo}/collaborators/{quote(user, safe='')}/permission", Permission)
        except Refused as error:
            if error.status != 403:
                raise
            known = self._door.pages(f"{self._repo}/assignees", User)
            return any(u.login.lower() == user.lower() for u in known)
        return found is not None and found.permission in ("write", "admin", "owner")

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

        wanted = {"title": shortened(title, 255), "body": body, "head": head, "base": base}
        return _pull_request(self._door.once(f"{self._repo}/pulls", wanted, _Pull, there, taken=409))

    def _issue(self, title: str) -> Issue | None:
        me = self.me()
        query: Parameters = {"state": "open", "type": "issues", "created_by": me, "limit": _PAGE}
        found = self._door.pages(f"{self._repo}/issues", Issue, query) if me else iter(())
        return next((i for i in found if i.title == title and login(i.user) == me), None)


def _pull_request(found: _Pull) -> PullRequest:
    return PullRequest(
        number=found.number,
        title=found.title,
        url=found.html_url,
        author=login(found.user),
        base=found.base.ref,
        head=found.head.ref,
        head_commit=found.head.sha,
        fork=found.base.repo_id != found.head.repo_id,
        open=found.state == "open",
        merge_commit=(found.merge_commit_sha or "") if found.merged else "",
        merged_at=found.merged_at if found.merged else None,
    )
