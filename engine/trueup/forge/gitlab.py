"""GitLab (gitlab.com and self-managed) by its REST API v4. Made by surroundings.connect.

A pull request is a merge request, a comment a note. An approval names no commit: it is found from the moment of the approval and the
versions of the merge request's diff (see approvals.py). Remarks at lines go into a Code Quality report, which the job hands over as an
artifact (`artifacts: reports: codequality`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec

from trueup.forge import approvals
from trueup.forge.http import Door, Parameters
from trueup.forge.lengths import shortened
from trueup.forge.refusals import Refused
from trueup.forge.values import Annotation, Comment, PullRequest, Review, State

LONGEST = 1_000_000
"""Characters of a note, by GitLab's documented limit."""
_STATUS = 255
"""Characters of a status' description."""
_DEVELOPER = 30
"""The access level from which on a member may push."""
_SKEW = timedelta(minutes=2)
_TO = {State.PENDING: "pending", State.SUCCESS: "success", State.FAILURE: "failed", State.ERROR: "failed"}
_FROM = {
    "created": State.PENDING,
    "pending": State.PENDING,
    "running": State.PENDING,
    "success": State.SUCCESS,
    "failed": State.FAILURE,
    "canceled": State.ERROR,
}
_SEVERITIES = {"notice": "info", "warning": "minor", "failure": "major"}


class _User(msgspec.Struct):
    username: str
    id: int = 0


class _MergeRequest(msgspec.Struct):
    iid: int
    title: str
    web_url: str
    state: str
    author: _User | None
    target_branch: str
    source_branch: str
    target_project_id: int
    source_project_id: int | None = None
    sha: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merged_at: datetime | None = None


class _Note(msgspec.Struct):
    id: int
    body: str
    created_at: datetime
    system: bool = False
    author: _User | None = None


class _Version(msgspec.Struct):
    id: int
    head_commit_sha: str
    created_at: datetime


class _Approver(msgspec.Struct):
    user: _User
    approved_at: datetime | None = None


class _Approvals(msgspec.Struct):
    approved_by: list[_Approver]


class _Member(msgspec.Struct):
    access_level: int
    state: str = "active"


class _Status(msgspec.Struct):
    id: int
    status: str
    name: str
    description: str | None = None


class _Issue(msgspec.Struct):
    iid: int
    title: str
    web_url: str
    author: _User | None = None


class GitLab:
    """One project on a GitLab. See values.Forge for what the methods give."""

    name = "gitlab"
    longest = LONGEST

    def __init__(self, door: Door, project: str, report: Path | None = None) -> None:
        """`project` is its path, `group/subgroup/name`, or its id; `report` the file of remarks that the job hands over."""
        self._door = door
        self._project = project
        self._at = f"projects/{quote(project, safe='')}"
        self._report = report
        self._me: str | None = None

    def __repr__(self) -> str:
        return f"GitLab({self._project!r}, {self._door!r})"

    def me(self) -> str:
        if self._me is None:
            self._me = self._door.get("user", _User).username
        return self._me

    def pull_request(self, number: int) -> PullRequest:
        return _pull_request(self._door.get(f"{self._at}/merge_requests/{number}", _MergeRequest))

    def pull_requests_of(self, commit: str) -> tuple[PullRequest, ...]:
        path = f"{self._at}/repository/commits/{quote(commit, safe='')}/merge_requests"
        found = self._door.pages(path, _MergeRequest, {"per_page": 100, "state": "merged"})
        return tuple(_pull_request(m) for m in found if m.state == "merged")

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        query: Parameters = {"state": "opened", "order_by": "created_at", "sort": "asc", "per_page": 100}
        found = {m.iid: m for m in self._door.pages(f"{self._at}/merge_requests", _MergeRequest, query)}
        return tuple(_pull_request(m) for m in found.values())

    def comments(self, number: int) -> Iterator[Comment]:
        return (_comment(n) for n in self._notes(number) if not n.system)

    def _notes(self, number: int) -> Iterator[_Note]:
        query: Parameters = {"sort": "asc", "order_by": "created_at", "per_page": 100}
        return self._door.pages(f"{self._at}/merge_requests/{number}/notes", _Note, query)

    def comment(self, number: int, body: str) -> Comment:
        began = datetime.now(UTC) - _SKEW

        def arrived() -> _Note | None:
            me = self.me()
            same = (n for n in self._notes(number) if n.body == body and n.created_at >= began)
            return next((n for n in same if _login(n.author) == me), None)

        path = f"{self._at}/merge_requests/{number}/notes"
        return _comment(self._door.create(path, {"body": body}, _Note, arrived))

    def edit_comment(self, number: int, id: str, body: str) -> None:
        self._door.do("PUT", f"{self._at}/merge_requests/{number}/notes/{int(id)}", {"body": body})

    def delete_comment(self, number: int, id: str) -> None:
        self._door.remove(f"{self._at}/merge_requests/{number}/notes/{int(id)}")

    def reviews(self, number: int) -> tuple[Review, ...]:
        at = f"{self._at}/merge_requests/{number}"
        given = self._door.get(f"{at}/approvals", _Approvals).approved_by
        versions = self._door.pages(f"{at}/versions", _Version, {"per_page": 100})
        return approvals.reviews(
            {a.user.username: a.approved_at for a in given},
            [
                approvals.Said(str(n.id), _login(n.author), n.body, n.created_at)
                for n in self._notes(number)
                if n.system
            ],
            [approvals.Version(v.head_commit_sha, v.created_at) for v in versions],
        )

    def may_write(self, user: str) -> bool:
        # The name is looked for exactly, in whatever case; members are asked by id, which names no one else.
        known = self._door.get("users", list[_User], {"username": user})
        account = next((u for u in known if u.username.lower() == user.lower()), None)
        if account is None:
            return False
        found = self._door.find(f"{self._at}/members/all/{account.id}", _Member)
        return found is not None and found.access_level >= _DEVELOPER and found.state == "active"

    def set_status(self, commit: str, context: str, state: State, text: str, url: str = "") -> None:
        body = {"state": _TO[state], "name": context, "description": shortened(text, _STATUS)}
        path = f"{self._at}/statuses/{quote(commit, safe='')}"
        try:
            self._door.do("POST", path, body | ({"target_url": url} if url else {}), repeat=True)
        except Refused as error:
            # A state that is there already cannot be set again: "Cannot transition status via :enqueue from :pending".
            if error.status != 400 or "Cannot transition status" not in error.message:
                raise
            self._end(path, context)
            self._door.do("POST", path, body | ({"target_url": url} if url else {}), repeat=True)

    def _end(self, path: str, context: str) -> None:
        """Ends a pending status, so that a new one with a new text can follow it."""
        self._door.do("POST", path, {"state": "canceled", "name": context}, repeat=True)

    def status(self, commit: str, context: str) -> tuple[State, str] | None:
        path = f"{self._at}/repository/commits/{quote(commit, safe='')}/statuses"
        query: Parameters = {"name": context, "all": "true", "per_page": 100}
        found = [s for s in self._door.pages(path, _Status, query) if s.name == context]
        newest = max(found, key=lambda s: s.id, default=None)
        return None if newest is None else (_FROM.get(newest.status, State.ERROR), newest.description or "")

    def annotate(self, commit: str, title: str, ok: bool, summary: str, found: Sequence[Annotation]) -> bool:
        if self._report is None:
            return False
        self._report.parent.mkdir(parents=True, exist_ok=True)
        self._report.write_bytes(msgspec.json.encode([_remark(title, a) for a in found]))
        return True

    def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest:
        def there() -> _MergeRequest | None:
            query: Parameters = {"state": "opened", "source_branch": head, "target_branch": base, "per_page": 100}
            found = self._door.pages(f"{self._at}/merge_requests", _MergeRequest, query)
            return next((m for m in found if m.source_project_id == m.target_project_id), None)

        wanted = {"title": shortened(title, 255), "description": body, "source_branch": head, "target_branch": base}
        made = self._door.once(f"{self._at}/merge_requests", wanted, _MergeRequest, there, taken=409)
        return _pull_request(made)

    def open_issue(self, title: str, body: str) -> str:
        title, me = shortened(title, 255), self.me()

        def there() -> _Issue | None:
            query: Parameters = {"state": "opened", "author_username": me, "search": title, "in": "title"}
            found = self._door.pages(f"{self._at}/issues", _Issue, {**query, "per_page": 100})
            return next((i for i in found if i.title == title and _login(i.author) == me), None)

        found = there()
        wanted = {"title": title, "description": body}
        if found is None:
            return self._door.create(f"{self._at}/issues", wanted, _Issue, there).web_url
        self._door.do("PUT", f"{self._at}/issues/{found.iid}", wanted)
        return found.web_url


def _login(user: _User | None) -> str:
    return "" if user is None else user.username


def _comment(found: _Note) -> Comment:
    return Comment(str(found.id), _login(found.author), found.body)


def _pull_request(found: _MergeRequest) -> PullRequest:
    merged = found.state == "merged"
    # A fast-forward makes no commit: the head is what is on the base branch then.
    commit = found.merge_commit_sha or found.squash_commit_sha or found.sha or ""
    return PullRequest(
        number=found.iid,
        title=found.title,
        url=found.web_url,
        author=_login(found.author),
        base=found.target_branch,
        head=found.source_branch,
        head_commit=found.sha or "",
        fork=found.source_project_id != found.target_project_id,
        open=found.state == "opened",
        merge_commit=commit if merged else "",
        merged_at=found.merged_at if merged else None,
    )


def _remark(title: str, found: Annotation) -> dict[str, object]:
    """An entry of a Code Quality report; the fingerprint says which remark is the same as that of another run."""
    same = "\0".join((title, found.file, found.title, found.text))
    return {
        "description": f"{found.title}: {found.text}" if found.text else found.title,
        "check_name": title,
        "fingerprint": hashlib.sha256(f"{same}\0{found.line}".encode()).hexdigest(),
        "severity": _SEVERITIES.get(found.level, "minor"),
        "location": {"path": found.file, "lines": {"begin": max(found.line, 1)}},
    }
