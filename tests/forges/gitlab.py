"""A stand-in of GitLab's REST API (v4), as its documentation and its own code say, for what Trueup asks."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from forges.standin import Answer, Asked, Refusal, StandIn

LONGEST = 1_000_000


class GitLab(StandIn):
    """One project. `tells_time` says whether approvals carry `approved_at`, as newer versions do."""

    name = "gitlab"
    page_size = 20

    def __init__(self, project: str = "acme/platform/specs", tells_time: bool = True, links: bool = True) -> None:
        self.tells_time = tells_time
        self.links = links
        """Whether pages come with a Link header beside X-Next-Page."""
        self.members: dict[str, int] = {}
        """Username → access level: 10 guest, 20 reporter, 30 developer, 40 maintainer, 50 owner."""
        self.accounts: dict[str, int] = {}
        self.merge_requests: dict[int, dict[str, Any]] = {}
        self.notes: dict[int, list[dict[str, Any]]] = {}
        self.versions: dict[int, list[dict[str, Any]]] = {}
        self.approved: dict[int, dict[str, str]] = {}
        """Merge request → username → since when."""
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.brought: dict[str, list[int]] = {}
        self.resets_on_push = False
        super().__init__(project)

    @property
    def api(self) -> str:
        """What CI_API_V4_URL would hold."""
        return f"{self.url}/api/v4"

    # --- what people do ---

    def account(self, username: str, level: int | None = None) -> dict[str, Any]:
        """A user, a member where `level` is given."""
        self.accounts.setdefault(username, self.new_id())
        if level is not None:
            self.members[username] = level
        return {"id": self.accounts[username], "username": username, "state": "active"}

    def pull(
        self,
        author: str,
        head_sha: str,
        *,
        head: str = "change",
        base: str = "main",
        title: str = "A change",
        fork: bool = False,
    ) -> int:
        """Opens a merge request; its number."""
        number = len(self.merge_requests) + 1
        self.merge_requests[number] = {
            "id": self.new_id(),
            "iid": number,
            "title": title,
            "web_url": f"https://gitlab.example/{self.project}/-/merge_requests/{number}",
            "state": "opened",
            "author": self.account(author),
            "description": "",
            "target_branch": base,
            "source_branch": head,
            "target_project_id": 7,
            "source_project_id": 8 if fork else 7,
            "sha": head_sha,
            "merge_commit_sha": None,
            "squash_commit_sha": None,
            "merged_at": None,
        }
        self.notes[number], self.versions[number], self.approved[number] = [], [], {}
        self._version(number, head_sha)
        return number

    def _version(self, number: int, sha: str) -> None:
        self.versions[number].append(
            {"id": self.new_id(), "head_commit_sha": sha, "created_at": self.moment(), "state": "collected"}
        )
        self.brought.setdefault(sha, []).append(number)

    def push(self, number: int, head_sha: str) -> None:
        """A new head; with `resets_on_push` all approvals go."""
        self.merge_requests[number]["sha"] = head_sha
        self._version(number, head_sha)
        author = self.merge_requests[number]["author"]["username"]
        self._note(number, author, "added 1 commit\n\n<ul><li>1234 - Change</li></ul>", system=True)
        if self.resets_on_push:
            self.approved[number].clear()

    def approve(self, number: int, username: str, note_after: float = 0.0) -> None:
        """Approves; a background job writes the note, `note_after` seconds later."""
        self.account(username)
        self.approved[number][username] = self.moment()
        self._note(number, username, "approved this merge request", system=True, after=note_after)

    def unapprove(self, number: int, username: str) -> None:
        self.approved[number].pop(username)
        self._note(number, username, "unapproved this merge request", system=True)

    def merge(self, number: int, commit: str, *brought: str, how: str = "merge") -> None:
        """Merges as `commit`, by `merge`, `squash` or `fast-forward`; `brought` are further commits that come with it."""
        field = {
            "merge": {"merge_commit_sha": commit},
            "squash": {"squash_commit_sha": commit},
            "fast-forward": {"sha": commit},
        }[how]
        self.merge_requests[number] |= {"state": "merged", "merged_at": self.moment(), **field}
        for one in (commit, *brought):
            self.brought.setdefault(one, []).append(number)

    def say(self, number: int, username: str, body: str) -> int:
        """A note of somebody; its id."""
        return int(self._note(number, username, body)["id"])

    def _note(self, number: int, username: str, body: str, system: bool = False, after: float = 0.0) -> dict[str, Any]:
        made = {
            "id": self.new_id(),
            "body": body,
            "author": self.account(username),
            "created_at": self.moment(after),
            "system": system,
            "number": number,
        }
        self.notes[number].append(made)
        return made

    # --- the API ---

    def authenticate(self, asked: Asked) -> None:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else asked.headers.get("private-token", "")
        if token not in self.tokens:
            raise Refusal(401, {"message": "401 Unauthorized"})
        asked.user = self.tokens[token]
        self.account(asked.user)

    def always(self) -> dict[str, str]:
        reset = int(time.time()) + 60
        return {
            "RateLimit-Limit": "2000",
            "RateLimit-Observed": "1",
            "RateLimit-Remaining": "1999",
            "RateLimit-Reset": str(reset),
        }

    def routes(self) -> None:
        at = f"/api/v4/projects/{quote(self.project, safe='')}"
        one = f"{at}/merge_requests/{{number}}"
        self.route("GET", "/api/v4/user", lambda asked: Answer(200, self.account(asked.user)))
        self.route("GET", "/api/v4/users", self._users)
        self.route("GET", f"{at}/members/all/{{id}}", self._member)
        self.route("GET", f"{at}/merge_requests", self._list)
        self.route("POST", f"{at}/merge_requests", self._open)
        self.route("GET", one, lambda asked, number: Answer(200, self._one(number)))
        self.route("GET", f"{one}/notes", self._list_notes)
        self.route("POST", f"{one}/notes", self._post_note)
        self.route("PUT", f"{one}/notes/{{id}}", self._edit_note)
        self.route("DELETE", f"{one}/notes/{{id}}", self._delete_note)
        self.route("GET", f"{one}/approvals", self._approvals)
        self.route("GET", f"{one}/versions", self._versions)
        self.route("GET", f"{at}/repository/commits/{{sha}}/merge_requests", self._of_commit)
        self.route("POST", f"{at}/statuses/{{sha}}", self._post_status)
        self.route("GET", f"{at}/repository/commits/{{sha}}/statuses", self._list_statuses)
        self.route("GET", f"{at}/issues", self._list_issues)
        self.route("POST", f"{at}/issues", self._post_issue)
        self.route("PUT", f"{at}/issues/{{number}}", self._edit_issue)

    def _paged(self, asked: Asked, items: list[Any]) -> Answer:
        some, numbers = self.page(asked, items)
        page, last = numbers["page"], numbers["last"]
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(numbers["size"]),
            "X-Next-Page": str(page + 1) if page < last else "",
        }
        if numbers["total"] <= 10_000:
            headers |= {"X-Total": str(numbers["total"]), "X-Total-Pages": str(last)}
        link = self.link(asked, numbers) if self.links else ""
        return Answer(200, some, headers | ({"Link": link} if link else {}))

    def _one(self, number: str) -> dict[str, Any]:
        if not number.isdigit() or int(number) not in self.merge_requests:
            raise Refusal(404, {"message": "404 Not found"})
        return self.merge_requests[int(number)]

    def _users(self, asked: Asked) -> Answer:
        wanted = asked.query.get("username", "").lower()
        return Answer(200, [self.account(u) for u in list(self.accounts) if u.lower() == wanted])

    def _member(self, asked: Asked, id: str) -> Answer:
        for username, level in self.members.items():
            if str(self.accounts[username]) == id:
                return Answer(200, {**self.account(username), "access_level": level})
        raise Refusal(404, {"message": "404 Not found"})

    def _list(self, asked: Asked) -> Answer:
        query = asked.query
        found = [m for m in self.merge_requests.values() if query.get("state", "all") in ("all", m["state"])]
        for field in ("source_branch", "target_branch"):
            found = [m for m in found if field not in query or m[field] == query[field]]
        return self._paged(asked, found if query.get("sort") == "asc" else found[::-1])

    def _open(self, asked: Asked) -> Answer:
        body = asked.body
        for one in self.merge_requests.values():
            if one["state"] == "opened" and (one["source_branch"], one["target_branch"]) == (
                body["source_branch"],
                body["target_branch"],
            ):
                text = f"Another open merge request already exists for this source branch: !{one['iid']}"
                raise Refusal(409, {"message": [text]})
        number = self.pull(
            asked.user, "c" * 40, head=body["source_branch"], base=body["target_branch"], title=body["title"]
        )
        self.merge_requests[number]["description"] = body["description"]
        return Answer(201, self.merge_requests[number])

    def _check_note(self, text: str) -> None:
        if len(text) > LONGEST:
            raise Refusal(400, {"message": {"note": ["is too long (maximum is 1000000 characters)"]}})

    def _list_notes(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        found = sorted(self.notes[int(number)], key=lambda n: n["created_at"])
        return self._paged(asked, found if asked.query.get("sort") == "asc" else found[::-1])

    def _post_note(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        self._check_note(asked.body["body"])
        return Answer(201, self._note(int(number), asked.user, asked.body["body"]))

    def _get_note(self, number: str, id: str) -> dict[str, Any]:
        self._one(number)
        found = next((n for n in self.notes[int(number)] if str(n["id"]) == id), None)
        if found is None:
            raise Refusal(404, {"message": "404 Note Not Found"})
        return found

    def _edit_note(self, asked: Asked, number: str, id: str) -> Answer:
        self._check_note(asked.body["body"])
        one = self._get_note(number, id)
        if one["author"]["username"] != asked.user:
            raise Refusal(403, {"message": "403 Forbidden"})
        one["body"] = asked.body["body"]
        return Answer(200, one)

    def _delete_note(self, asked: Asked, number: str, id: str) -> Answer:
        self.notes[int(number)].remove(self._get_note(number, id))
        return Answer(204)

    def _approvals(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        given = [
            {"user": self.account(u)} | ({"approved_at": since} if self.tells_time else {})
            for u, since in self.approved[int(number)].items()
        ]
        return Answer(200, {"approved": bool(given), "approved_by": given, "approvals_required": 0})

    def _versions(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        return self._paged(asked, self.versions[int(number)][::-1])

    def _of_commit(self, asked: Asked, sha: str) -> Answer:
        if sha not in self.brought:
            raise Refusal(404, {"message": "404 Commit Not Found"})
        state = asked.query.get("state")
        found = [self.merge_requests[n] for n in dict.fromkeys(self.brought[sha])]
        return self._paged(asked, [m for m in found if not state or m["state"] == state])

    def _post_status(self, asked: Asked, sha: str) -> Answer:
        body = asked.body
        name, state = body.get("name") or "default", body["state"]
        if state not in ("pending", "running", "success", "failed", "canceled", "skipped"):
            raise Refusal(400, {"error": "state does not have a valid value"})
        if len(body.get("description") or "") > 255:
            raise Refusal(400, {"message": {"description": ["is too long (maximum is 255 characters)"]}})
        mine = self.statuses.setdefault(sha, [])
        # As GitLab does it: one that is running or pending is changed, else there is a new one.
        current = next((s for s in mine if s["name"] == name and s["status"] in ("pending", "running")), None)
        if current is not None and (state == current["status"] or state == "pending"):
            event = {"pending": "enqueue", "running": "run"}[state]
            text = f'Cannot transition status via :{event} from :{current["status"]} (Reason(s): Status cannot transition via "{event}")'
            raise Refusal(400, {"message": text})
        if current is None:
            current = {"id": self.new_id(), "sha": sha, "name": name, "description": None, "target_url": None}
            mine.append(current)
        current |= {"status": state, **{k: body[k] for k in ("description", "target_url") if k in body}}
        return Answer(201, current)

    def _list_statuses(self, asked: Asked, sha: str) -> Answer:
        name = asked.query.get("name")
        found = [s for s in self.statuses.get(sha, []) if not name or s["name"] == name]
        if asked.query.get("all") != "true":
            found = list({s["name"]: s for s in found}.values())
        return self._paged(asked, found)

    def _list_issues(self, asked: Asked) -> Answer:
        query = asked.query
        found = [i for i in self.issues.values() if i["state"] == query.get("state", i["state"])]
        found = [i for i in found if query.get("search", "").lower() in i["title"].lower()]
        found = [i for i in found if i["author"]["username"] == query.get("author_username", i["author"]["username"])]
        return self._paged(asked, found[::-1])

    def issue(self, username: str, title: str, description: str = "") -> dict[str, Any]:
        """An issue of somebody."""
        number = len(self.issues) + 1
        self.issues[number] = {
            "iid": number,
            "title": title,
            "description": description,
            "state": "opened",
            "author": self.account(username),
            "web_url": f"https://gitlab.example/{self.project}/-/issues/{number}",
        }
        return self.issues[number]

    def _post_issue(self, asked: Asked) -> Answer:
        return Answer(201, self.issue(asked.user, asked.body["title"], asked.body["description"]))

    def _edit_issue(self, asked: Asked, number: str) -> Answer:
        self.issues[int(number)] |= asked.body
        return Answer(200, self.issues[int(number)])
