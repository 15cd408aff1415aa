"""GitHub (github.com and Enterprise Server) by its REST API, version 2022-11-28. Made by surroundings.connect.

A comment of a pull request is an issue comment. A job's own token (GITHUB_TOKEN) and those of apps may not ask by REST who they are;
GraphQL's `viewer` tells them. Checks can be written by apps only, which GITHUB_TOKEN belongs to and a personal token does not.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

import msgspec

from trueup.forge.alike import Alike, Issue, Permission, User, login
from trueup.forge.http import Parameters
from trueup.forge.lengths import shortened, shortened_text
from trueup.forge.refusals import Refused
from trueup.forge.values import (
    Annotation,
    ForgeError,
    PullRequest,
    Review,
    State,
    Unavailable,
    Verdict,
)

LONGEST = 65_536
"""Characters of a comment, of an issue's text and of a check's summary: GitHub answers 422 "is too long (maximum is 65536 characters)"."""
_ANNOTATIONS = 50
"""Annotations that one request takes; more are added by further ones."""
_VERDICTS = {
    "APPROVED": Verdict.APPROVED,
    "CHANGES_REQUESTED": Verdict.CHANGES_REQUESTED,
    "COMMENTED": Verdict.COMMENTED,
    "DISMISSED": Verdict.DISMISSED,
}


class _Repository(msgspec.Struct):
    full_name: str


class _Branch(msgspec.Struct):
    ref: str
    sha: str
    repo: _Repository | None = None


class _Pull(msgspec.Struct):
    number: int
    title: str
    html_url: str
    state: str
    user: User | None
    base: _Branch
    head: _Branch
    merge_commit_sha: str | None = None
    merged_at: datetime | None = None


class _Review(msgspec.Struct):
    id: int
    state: str
    user: User | None = None
    commit_id: str | None = None
    submitted_at: datetime | None = None


class _Status(msgspec.Struct):
    state: str
    context: str
    description: str | None = None


class _Output(msgspec.Struct):
    annotations_count: int = 0


class _Check(msgspec.Struct):
    id: int
    external_id: str | None = None
    output: _Output = msgspec.field(default_factory=_Output)


class _Checks(msgspec.Struct):
    check_runs: list[_Check]


class _Viewer(msgspec.Struct):
    login: str


class _Data(msgspec.Struct):
    viewer: _Viewer


class _Answer(msgspec.Struct):
    data: _Data | None = None


class GitHub(Alike):
    """One repository on GitHub. See values.Forge for what the methods give."""

    name = "github"
    longest = LONGEST
    longest_status = 140
    paging: ClassVar[Parameters] = {"per_page": 100}

    def _ask_me(self) -> str:
        try:
            return self._door.get("user", User).login
        except Refused as error:
            if error.status not in (403, 404):
                raise
        try:
            # On Enterprise Server GraphQL is at /api/graphql, beside /api/v3; the same token, so the same host.
            path = "../graphql" if self._door.base.endswith("/v3") else "graphql"
            answer = self._door.send("POST", path, {"query": "{viewer{login}}"}, _Answer, repeat=True)
        except Unavailable:
            raise
        except ForgeError:
            return ""
        return answer.data.viewer.login if answer.data else ""

    def pull_request(self, number: int) -> PullRequest:
        return _pull_request(self._door.get(f"{self._repo}/pulls/{number}", _Pull))

    def pull_requests_of(self, commit: str) -> tuple[PullRequest, ...]:
        found = self._door.pages(f"{self._repo}/commits/{quote(commit, safe='')}/pulls", _Pull, {"per_page": 100})
        return tuple(
            _pull_request(p) for p in found if p.merged_at and p.base.repo and self._is_here(p.base.repo.full_name)
        )

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        query: Parameters = {"state": "open", "sort": "created", "direction": "asc", "per_page": 100}
        found = {p.number: p for p in self._door.pages(f"{self._repo}/pulls", _Pull, query)}
        return tuple(_pull_request(p) for p in found.values())

    def reviews(self, number: int) -> tuple[Review, ...]:
        found = self._door.pages(f"{self._repo}/pulls/{number}/reviews", _Review, {"per_page": 100})
        return tuple(
            Review(str(r.id), login(r.user), r.commit_id or "", _VERDICTS[r.state], r.submitted_at)
            for r in found
            if r.state in _VERDICTS and r.submitted_at is not None and r.user is not None
        )

    def may_write(self, user: str) -> bool:
        path = f"{self._repo}/collaborators/{quote(user, safe='')}/permission"
        found = self._door.find(path, Permission)
        return found is not None and found.permission in ("admin", "write")

    def status(self, commit: str, context: str) -> tuple[State, str] | None:
        # Newest first, by GitHub's documentation; page by page until the context is met.
        path = f"{self._repo}/commits/{quote(commit, safe='')}/statuses"
        found = self._door.pages(path, _Status, {"per_page": 100})
        first = next((s for s in found if s.context == context), None)
        return None if first is None else (State(first.state), first.description or "")

    def annotate(self, commit: str, title: str, ok: bool, summary: str, found: Sequence[Annotation]) -> bool:
        mark = str(uuid.uuid4())
        checks = f"{self._repo}/commits/{quote(commit, safe='')}/check-runs"

        def output(some: Sequence[Annotation]) -> dict[str, object]:
            text = {"title": shortened(title, 255), "summary": shortened_text(summary, LONGEST - 1)}
            return {"output": {**text, "annotations": [_annotation(a) for a in some]}}

        def arrived() -> _Check | None:
            runs = self._door.get(checks, _Checks, {"check_name": title, "filter": "all", "per_page": 100}).check_runs
            return next((c for c in runs if c.external_id == mark), None)

        body = {"name": title, "head_sha": commit, "external_id": mark, "status": "completed"}
        body |= {"conclusion": "success" if ok else "failure"} | output(found[:_ANNOTATIONS])  # type: ignore[arg-type]
        try:
            check = self._door.create(f"{self._repo}/check-runs", body, _Check, arrived)
        except Refused as error:
            if error.status in (403, 404):
                return False  # no app's token: checks are not for it
            raise
        for start in range(_ANNOTATIONS, len(found), _ANNOTATIONS):
            some, path = found[start : start + _ANNOTATIONS], f"{self._repo}/check-runs/{check.id}"

            def added(path: str = path, wanted: int = start + len(some)) -> _Check | None:
                now = self._door.get(path, _Check)
                return now if now.output.annotations_count >= wanted else None

            # Annotations of an update are added to those that are there, so it must not be done twice.
            self._door.create(path, output(some), _Check, added, method="PATCH")
        return True

    def open_pull_request(self, title: str, body: str, head: str, base: str) -> PullRequest:
        owner = self._project.partition("/")[0]

        def there() -> _Pull | None:
            query: Parameters = {"state": "open", "head": f"{owner}:{head}", "base": base, "per_page": 100}
            return next(self._door.pages(f"{self._repo}/pulls", _Pull, query), None)

        wanted = {"title": shortened(title, 256), "body": body, "head": head, "base": base}
        return _pull_request(self._door.once(f"{self._repo}/pulls", wanted, _Pull, there, taken=422))

    def _issue(self, title: str) -> Issue | None:
        me = self.me()
        query: Parameters = {"state": "open", "per_page": 100}
        found = self._door.pages(f"{self._repo}/issues", Issue, query)
        return next((i for i in found if i.title == title and i.pull_request is None and _ours(i.user, me)), None)

    def _is_here(self, full_name: str) -> bool:
        return full_name.lower() == self._project.lower()


def _ours(user: User | None, me: str) -> bool:
    """Whether an account is the token's; where its login is not told it is an app's."""
    return user is not None and (user.login == me if me else user.type == "Bot")


def _pull_request(found: _Pull) -> PullRequest:
    base, head = found.base.repo, found.head.repo
    return PullRequest(
        number=found.number,
        title=found.title,
        url=found.html_url,
        author=login(found.user),
        base=found.base.ref,
        head=found.head.ref,
        head_commit=found.head.sha,
        fork=base is None or head is None or base.full_name != head.full_name,  # a fork that is gone is none of ours
        open=found.state == "open",
        # Before the merge this field holds a trial merge.
        merge_commit=(found.merge_commit_sha or "") if found.merged_at else "",
        merged_at=found.merged_at,
    )


def _annotation(found: Annotation) -> dict[str, object]:
    return {
        "path": found.file,
        "start_line": max(found.line, 1),
        "end_line": max(found.line, 1),
        "annotation_level": found.level,
        "title": shortened(found.title, 255),
        "message": shortened_text(found.text, 16_000) or found.title,  # 64 KiB, of letters of up to four bytes
    }
