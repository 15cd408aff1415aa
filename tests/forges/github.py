"""A stand-in of GitHub's REST API (2022-11-28), as its documentation says, for what Trueup asks."""

from __future__ import annotations

import time
from typing import Any

from forges.standin import Answer, Asked, Refusal, StandIn

LONGEST = 65_536


class GitHub(StandIn):
    """One repository. `apps` are the logins whose tokens are an app's, as GITHUB_TOKEN is."""

    name = "github"

    def __init__(self, project: str = "acme/specs") -> None:
        self.apps: set[str] = set()
        self.permissions: dict[str, str] = {}
        """Login → admin, write, read, none."""
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.given: dict[int, list[dict[str, Any]]] = {}
        """Reviews by pull request."""
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.checks: dict[int, dict[str, Any]] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.brought: dict[str, list[int]] = {}
        """Commit → the pull requests that it belongs to."""
        self.remaining = 5000
        super().__init__(project)

    @property
    def api(self) -> str:
        """What GITHUB_API_URL would hold."""
        return self.url

    # --- what people do ---

    def app(self, login: str = "github-actions[bot]", token: str = "") -> str:
        """A token of an app, as GITHUB_TOKEN is."""
        self.apps.add(login)
        return self.token(login, token)

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
        """Opens a pull request; its number."""
        number = len(self.pulls) + len(self.issues) + 1
        self.pulls[number] = {
            "number": number,
            "title": title,
            "html_url": f"https://github.example/{self.project}/pull/{number}",
            "state": "open",
            "user": {"login": author, "type": "User"},
            "body": "",
            "base": {"ref": base, "sha": "b" * 40, "repo": {"full_name": self.project}},
            "head": {"ref": head, "sha": head_sha, "repo": {"full_name": f"{author}/fork" if fork else self.project}},
            "merge_commit_sha": "7" * 40,  # a trial merge
            "merged_at": None,
        }
        self.comments[number], self.given[number] = [], []
        self.brought.setdefault(head_sha, []).append(number)
        return number

    def push(self, number: int, head_sha: str, dismiss: bool = False) -> None:
        """A new head; `dismiss` where the branch's protection dismisses stale approvals."""
        self.pulls[number]["head"]["sha"] = head_sha
        self.brought.setdefault(head_sha, []).append(number)
        if dismiss:
            for review in self.given[number]:
                if review["state"] == "APPROVED":
                    review["state"] = "DISMISSED"

    def review(self, number: int, login: str, state: str = "APPROVED", commit: str = "") -> int:
        """A review of the head, or of a named commit; its id."""
        made = {
            "id": self.new_id(),
            "user": {"login": login, "type": "User"},
            "body": "",
            "state": state,
            "commit_id": commit or self.pulls[number]["head"]["sha"],
            "submitted_at": self.moment(),
        }
        self.given[number].append(made)
        return int(made["id"])

    def merge(self, number: int, commit: str, *brought: str) -> None:
        """Merges as `commit`; `brought` are further commits that come with it."""
        self.pulls[number] |= {"state": "closed", "merge_commit_sha": commit, "merged_at": self.moment()}
        for one in (commit, *brought):
            self.brought.setdefault(one, []).append(number)

    def say(self, number: int, login: str, body: str) -> int:
        """A comment of somebody; its id."""
        return int(self._add_comment(number, login, body)["id"])

    # --- the API ---

    def authenticate(self, asked: Asked) -> None:
        header = asked.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() not in ("bearer", "token") or token not in self.tokens:
            raise Refusal(401, {"message": "Bad credentials" if header else "Requires authentication", "status": "401"})
        if not asked.headers.get("user-agent"):
            raise Refusal(
                403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
            )
        asked.user = self.tokens[token]
        self.remaining -= 1

    def always(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(int(time.time()) + 3600),
            "X-RateLimit-Resource": "core",
        }

    def routes(self) -> None:
        repo = f"/repos/{self.project}"
        self.route("GET", "/user", self._user)
        self.route("POST", "/graphql", self._graphql)
        self.route("GET", f"{repo}/pulls", self._list_pulls)
        self.route("POST", f"{repo}/pulls", self._open_pull)
        self.route("GET", f"{repo}/pulls/{{number}}", self._get_pull)
        self.route("GET", f"{repo}/pulls/{{number}}/reviews", self._list_reviews)
        self.route("GET", f"{repo}/commits/{{sha}}/pulls", self._pulls_of)
        self.route("GET", f"{repo}/issues/{{number}}/comments", self._list_comments)
        self.route("POST", f"{repo}/issues/{{number}}/comments", self._post_comment)
        self.route("PATCH", f"{repo}/issues/comments/{{id}}", self._edit_comment)
        self.route("DELETE", f"{repo}/issues/comments/{{id}}", self._delete_comment)
        self.route("GET", f"{repo}/collaborators/{{login}}/permission", self._permission)
        self.route("POST", f"{repo}/statuses/{{sha}}", self._post_status)
        self.route("GET", f"{repo}/commits/{{sha}}/statuses", self._list_statuses)
        self.route("POST", f"{repo}/check-runs", self._post_check)
        self.route("GET", f"{repo}/check-runs/{{id}}", self._get_check)
        self.route("PATCH", f"{repo}/check-runs/{{id}}", self._edit_check)
        self.route("GET", f"{repo}/commits/{{sha}}/check-runs", self._list_checks)
        self.route("GET", f"{repo}/issues", self._list_issues)
        self.route("POST", f"{repo}/issues", self._post_issue)
        self.route("PATCH", f"{repo}/issues/{{number}}", self._edit_issue)

    def _paged(self, asked: Asked, items: list[Any]) -> Answer:
        some, numbers = self.page(asked, items)
        link = self.link(asked, numbers)
        return Answer(200, some, {"Link": link} if link else {})

    def _user(self, asked: Asked) -> Answer:
        if asked.user in self.apps:
            raise Refusal(403, {"message": "Resource not accessible by integration", "status": "403"})
        return Answer(200, {"login": asked.user, "type": "User"})

    def _graphql(self, asked: Asked) -> Answer:
        return Answer(200, {"data": {"viewer": {"login": asked.user}}})

    def _one(self, number: str) -> dict[str, Any]:
        if not number.isdigit() or int(number) not in self.pulls:
            raise Refusal(404, {"message": "Not Found", "status": "404"})
        return self.pulls[int(number)]

    def _get_pull(self, asked: Asked, number: str) -> Answer:
        return Answer(200, self._one(number))

    def _list_pulls(self, asked: Asked) -> Answer:
        state, head, base = asked.query.get("state", "open"), asked.query.get("head"), asked.query.get("base")
        found = [p for p in self.pulls.values() if state in ("all", p["state"])]
        found = [p for p in found if not base or p["base"]["ref"] == base]
        owner = self.project.partition("/")[0]
        found = [p for p in found if not head or head == f"{owner}:{p['head']['ref']}"]
        return self._paged(asked, found if asked.query.get("direction") == "asc" else found[::-1])

    def _open_pull(self, asked: Asked) -> Answer:
        body = asked.body
        if any(
            p["state"] == "open" and p["head"]["ref"] == body["head"] and p["base"]["ref"] == body["base"]
            for p in self.pulls.values()
        ):
            text = f"A pull request already exists for {self.project.partition('/')[0]}:{body['head']}."
            raise Refusal(
                422,
                {
                    "message": "Validation Failed",
                    "errors": [{"resource": "PullRequest", "code": "custom", "message": text}],
                },
            )
        number = self.pull(asked.user, "c" * 40, head=body["head"], base=body["base"], title=body["title"])
        self.pulls[number]["body"] = body["body"]
        return Answer(201, self.pulls[number])

    def _pulls_of(self, asked: Asked, sha: str) -> Answer:
        if sha not in self.brought:
            raise Refusal(422, {"message": f"No commit found for SHA: {sha}"})
        return self._paged(asked, [self.pulls[n] for n in dict.fromkeys(self.brought[sha])])

    def _list_reviews(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        return self._paged(asked, self.given[int(number)])

    def _add_comment(self, number: int, login: str, body: str) -> dict[str, Any]:
        made = {
            "id": self.new_id(),
            "user": {"login": login, "type": "User"},
            "body": body,
            "created_at": self.moment(),
            "number": number,
        }
        self.comments[number].append(made)
        return made

    def _check_body(self, text: str) -> None:
        if len(text) > LONGEST:
            problem = {
                "resource": "IssueComment",
                "code": "unprocessable",
                "field": "data",
                "message": "Body is too long (maximum is 65536 characters)",
            }
            raise Refusal(422, {"message": "Validation Failed", "errors": [problem]})

    def _list_comments(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        return self._paged(asked, self.comments[int(number)])

    def _post_comment(self, asked: Asked, number: str) -> Answer:
        self._one(number)
        self._check_body(asked.body["body"])
        return Answer(201, self._add_comment(int(number), asked.user, asked.body["body"]))

    def _comment(self, id: str) -> dict[str, Any]:
        for some in self.comments.values():
            for one in some:
                if str(one["id"]) == id:
                    return one
        raise Refusal(404, {"message": "Not Found", "status": "404"})

    def _edit_comment(self, asked: Asked, id: str) -> Answer:
        self._check_body(asked.body["body"])
        one = self._comment(id)
        one["body"] = asked.body["body"]
        return Answer(200, one)

    def _delete_comment(self, asked: Asked, id: str) -> Answer:
        one = self._comment(id)
        self.comments[one["number"]].remove(one)
        return Answer(204)

    def _permission(self, asked: Asked, login: str) -> Answer:
        known = {k.lower(): v for k, v in self.permissions.items()}
        if login.lower() not in known:
            raise Refusal(404, {"message": f"{login} is not a user", "status": "404"})
        return Answer(200, {"permission": known[login.lower()], "user": {"login": login}})

    def _post_status(self, asked: Asked, sha: str) -> Answer:
        body = asked.body
        problem = None
        if body["state"] not in ("error", "failure", "pending", "success"):
            problem = {
                "resource": "Status",
                "code": "custom",
                "field": "state",
                "message": "State is not included in the list",
            }
        elif len(body.get("description") or "") > 140:
            problem = {
                "resource": "Status",
                "code": "custom",
                "field": "description",
                "message": "description is too long (maximum is 140 characters)",
            }
        elif not str(body.get("target_url", "https://")).startswith(("http://", "https://")):
            problem = {
                "resource": "Status",
                "code": "custom",
                "field": "target_url",
                "message": "target_url must use http(s) scheme",
            }
        if problem:
            raise Refusal(422, {"message": "Validation Failed", "errors": [problem]})
        made = {"id": self.new_id(), "context": "default", "description": None, **body, "created_at": self.moment()}
        self.statuses.setdefault(sha, []).append(made)
        return Answer(201, made)

    def _list_statuses(self, asked: Asked, sha: str) -> Answer:
        return self._paged(asked, self.statuses.get(sha, [])[::-1])

    def _annotations(self, output: dict[str, Any]) -> list[Any]:
        found: list[Any] = output.get("annotations", [])
        if len(found) > 50:
            raise Refusal(
                422,
                {"message": f"Invalid request.\n\nNo more than 50 items are allowed; {len(found)} were supplied."},
            )
        for one in found:
            if (
                one["annotation_level"] not in ("notice", "warning", "failure")
                or one["start_line"] < 1
                or not one["message"]
            ):
                raise Refusal(422, {"message": "Invalid request.\n\nFor 'items/annotation_level', …"})
        if len(output.get("summary", "")) > 65_535:
            raise Refusal(
                422, {"message": "Invalid request.\n\nOnly 65535 characters are allowed; more were supplied."}
            )
        return found

    def _apps_only(self, asked: Asked) -> None:
        if asked.user not in self.apps:
            raise Refusal(403, {"message": "You must authenticate via a GitHub App.", "status": "403"})

    def _shown(self, check: dict[str, Any]) -> dict[str, Any]:
        return {**check, "output": {**check["output"], "annotations_count": len(check["output"]["annotations"])}}

    def _post_check(self, asked: Asked) -> Answer:
        self._apps_only(asked)
        found = self._annotations(asked.body["output"])
        made = {"id": self.new_id(), **asked.body, "output": {**asked.body["output"], "annotations": list(found)}}
        self.checks[made["id"]] = made
        return Answer(201, self._shown(made))

    def _get_check(self, asked: Asked, id: str) -> Answer:
        return Answer(200, self._shown(self.checks[int(id)]))

    def _edit_check(self, asked: Asked, id: str) -> Answer:
        self._apps_only(asked)
        one = self.checks[int(id)]
        one["output"]["annotations"] += self._annotations(asked.body["output"])
        return Answer(200, self._shown(one))

    def _list_checks(self, asked: Asked, sha: str) -> Answer:
        name = asked.query.get("check_name")
        found = [
            self._shown(c) for c in self.checks.values() if c["head_sha"] == sha and (not name or c["name"] == name)
        ]
        return Answer(200, {"total_count": len(found), "check_runs": found[::-1]})

    def _list_issues(self, asked: Asked) -> Answer:
        creator = asked.query.get("creator")
        issues = [i for i in self.issues.values() if i["state"] == asked.query.get("state", "open")]
        pulls = [{**p, "pull_request": {"url": p["html_url"]}} for p in self.pulls.values() if p["state"] == "open"]
        return self._paged(asked, [i for i in [*issues, *pulls] if not creator or i["user"]["login"] == creator][::-1])

    def _post_issue(self, asked: Asked) -> Answer:
        self._check_body(asked.body["body"])
        return Answer(201, self.issue(asked.user, asked.body["title"], asked.body["body"]))

    def issue(self, login: str, title: str, body: str = "") -> dict[str, Any]:
        """An issue of somebody."""
        number = len(self.pulls) + len(self.issues) + 1
        kind = "Bot" if login in self.apps else "User"
        self.issues[number] = {
            "number": number,
            "title": title,
            "body": body,
            "state": "open",
            "user": {"login": login, "type": kind},
            "html_url": f"https://github.example/{self.project}/issues/{number}",
        }
        return self.issues[number]

    def _edit_issue(self, asked: Asked, number: str) -> Answer:
        self.issues[int(number)] |= asked.body
        return Answer(200, self.issues[int(number)])
