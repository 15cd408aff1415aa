"""A real Gitea on a loopback port: built once with Go from its pinned module, headless, SQLite, gone with the test session.

Tests get it as the fixture `gitea` (tests/forges/README.md). It runs as whoever runs the tests; root has to say that this is meant.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from gotools import Module

GITEA = Module("code.gitea.io/gitea", "v1.24.6", {"gitea": "code.gitea.io/gitea"}, tags="sqlite sqlite_unlock_notify")
PASSWORD = "correct-horse-battery"

SETTINGS = """\
APP_NAME = Gitea of the tests
RUN_MODE = prod
WORK_PATH = {data}
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = {url}/
DOMAIN = 127.0.0.1
DISABLE_SSH = true
OFFLINE_MODE = true
STATIC_ROOT_PATH = {static}
[database]
DB_TYPE = sqlite3
PATH = {data}/gitea.db
SQLITE_JOURNAL_MODE = WAL
[repository]
ROOT = {data}/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
INTERNAL_TOKEN = {internal}
PASSWORD_COMPLEXITY = off
[service]
DISABLE_REGISTRATION = true
[session]
PROVIDER = memory
[log]
MODE = file
LEVEL = Warn
ROOT_PATH = {data}/log
[indexer]
ISSUE_INDEXER_TYPE = db
[queue]
TYPE = channel
[webhook]
ALLOWED_HOST_LIST = loopback
[actions]
ENABLED = false
[packages]
ENABLED = false
[oauth2]
ENABLED = false
JWT_SECRET = {jwt}
[mailer]
ENABLED = false
[cron.update_checker]
ENABLED = false
[cron.cleanup_hook_task_table]
ENABLED = false
"""


class GiteaError(Exception):
    """Gitea answered with an error; the text has the code and its message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


@dataclass(frozen=True)
class User:
    """Somebody with an account."""

    name: str
    token: str
    email: str


@dataclass
class Gitea:
    """The running server."""

    binary: Path
    static: Path
    data: Path
    port: int
    admin: User = field(init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """Where its API answers, as jobs find it in GITHUB_API_URL."""
        return f"{self.url}/api/v1"

    # --- the process ---

    def begin(self) -> None:
        """Makes the database and the administrator, and starts to serve."""
        self.data.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS.format(
            data=self.data,
            port=self.port,
            url=self.url,
            static=self.static,
            secret=secrets.token_hex(32),
            jwt=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
            internal=self._run("generate", "secret", "INTERNAL_TOKEN").strip(),
        )
        self._settings.write_text(settings)
        self._run("migrate", "--config", str(self._settings))
        made = self._run(
            *("admin", "user", "create", "--config", str(self._settings), "--admin", "--username", "chief"),
            *("--password", PASSWORD, "--email", "chief@example.com", "--must-change-password=false"),
            *("--access-token", "--access-token-name", "tests", "--access-token-scopes", "all"),
        )
        found = re.search(r"\b[0-9a-f]{40}\b", made)
        assert found, made
        self.admin = User("chief", found[0], "chief@example.com")
        self.start()

    def start(self) -> None:
        """Serves; waits until it answers."""
        with (self.data / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "web", "--config", str(self._settings)],
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.api_url}/version", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise AssertionError(f"Gitea did not start:\n{(self.data / 'server.log').read_text()[-3000:]}")

    def stop(self) -> None:
        """The forge is away, until `start`."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    @property
    def _settings(self) -> Path:
        return self.data / "app.ini"

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITEA_"))}
        root = {"GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true"} if os.getuid() == 0 else {}
        return {**kept, **root, "GITEA_WORK_DIR": str(self.data), "HOME": str(self.data), "USER": _whoami()}

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.binary), *arguments], env=self._environment(), capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, f"gitea {arguments[0]}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    # --- what people do ---

    def call(self, method: str, path: str, body: Any = None, user: User | None = None, basic: str = "") -> Any:
        """A request of the API as `user` (by default the administrator); the answer's JSON. Raises GiteaError."""
        header = (
            f"Basic {base64.b64encode(basic.encode()).decode()}" if basic else f"token {(user or self.admin).token}"
        )
        request = urllib.request.Request(
            f"{self.api_url}/{path.lstrip('/')}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": header},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise GiteaError(error.code, error.read().decode("utf-8", "replace")) from None
        return json.loads(text) if text else None

    def user(self, name: str) -> User:
        """A new account, with a token for everything that it may."""
        email = f"{name}@example.com"
        account = {"username": name, "email": email, "password": PASSWORD, "must_change_password": False}
        self.call("POST", "admin/users", account)
        return User(name, self.token(name), email)

    def token(self, name: str, scopes: tuple[str, ...] = ("all",)) -> str:
        """A new token of an account."""
        wanted = {"name": secrets.token_hex(6), "scopes": list(scopes)}
        return str(self.call("POST", f"users/{name}/tokens", wanted, basic=f"{name}:{PASSWORD}")["sha1"])

    def repository(self, owner: User, name: str, private: bool = False) -> str:
        """A new repository with a first commit on `main`; `owner/name`."""
        wanted = {"name": name, "private": private, "auto_init": True, "default_branch": "main"}
        return str(self.call("POST", "user/repos", wanted, owner)["full_name"])

    def fork(self, repository: str, user: User) -> str:
        """A user's fork; `owner/name`."""
        return str(self.call("POST", f"repos/{repository}/forks", {}, user)["full_name"])

    def member(self, repository: str, user: User, permission: str = "write") -> None:
        """Lets a user in: `read`, `write` or `admin`."""
        self.call("PUT", f"repos/{repository}/collaborators/{user.name}", {"permission": permission})

    def remove(self, repository: str, user: User) -> None:
        """Takes a member out."""
        self.call("DELETE", f"repos/{repository}/collaborators/{user.name}")

    def protect(self, repository: str, branch: str = "main", **options: Any) -> None:
        """Protects a branch, with the fields of Gitea's branch protection."""
        self.call("POST", f"repos/{repository}/branch_protections", {"rule_name": branch, **options})

    def remote(self, repository: str, user: User) -> str:
        """The URL that a user clones and pushes with."""
        return f"http://{user.name}:{user.token}@127.0.0.1:{self.port}/{repository}.git"

    def write(self, repository: str, branch: str, file: str, text: str, user: User, base: str = "main") -> str:
        """Commits a file on a branch, which begins at `base` where there is none; the commit's id. For tests that need no clone."""
        content = {"content": base64.b64encode(text.encode()).decode(), "message": f"Write {file}"}
        known = {b["name"] for b in self.call("GET", f"repos/{repository}/branches?limit=50", user=user)}
        where = {"branch": branch} if branch in known else {"branch": base, "new_branch": branch}
        try:
            found = self.call("GET", f"repos/{repository}/contents/{file}?ref={where['branch']}", user=user)
        except GiteaError as error:
            if error.code != 404:
                raise
            made = self.call("POST", f"repos/{repository}/contents/{file}", {**content, **where}, user)
        else:
            made = self.call(
                "PUT", f"repos/{repository}/contents/{file}", {**content, **where, "sha": found["sha"]}, user
            )
        return str(made["commit"]["sha"])

    def pull_request(self, repository: str, head: str, user: User, base: str = "main", title: str = "A change") -> int:
        """Opens a pull request (`head` may be `owner:branch` of a fork); its number."""
        wanted = {"head": head, "base": base, "title": title}
        return int(self.call("POST", f"repos/{repository}/pulls", wanted, user)["number"])

    def review(self, repository: str, number: int, user: User, event: str = "APPROVED", commit: str = "") -> int:
        """A review: APPROVED, REQUEST_CHANGES or COMMENT, of the head or a named commit; its id."""
        wanted = {"event": event, "body": "Read it." if event != "APPROVED" else "", "commit_id": commit}
        return int(self.call("POST", f"repos/{repository}/pulls/{number}/reviews", wanted, user)["id"])

    def merge(self, repository: str, number: int, user: User, style: str = "merge") -> str:
        """Merges (`merge`, `squash`, `rebase`, `fast-forward-only`) as soon as Gitea knows that it can; the commit on the base branch."""
        end = time.monotonic() + 30
        while True:
            try:
                self.call("POST", f"repos/{repository}/pulls/{number}/merge", {"Do": style}, user)
                break
            except GiteaError as error:  # 405: still checking for conflicts
                if error.code != 405 or "try again" not in str(error).lower() or time.monotonic() > end:
                    raise
                time.sleep(0.2)
        return str(self.call("GET", f"repos/{repository}/pulls/{number}", user=user)["merge_commit_sha"])


def _whoami() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def build() -> tuple[Path, Path]:
    """The server and its static files, built where they are not (some minutes, once). Raises FileNotFoundError without Go."""
    GITEA.build()
    binary = GITEA.binary()
    static = binary.with_name(f"{binary.name}-static")
    with FileLock(f"{static}.lock"):
        if not static.is_dir():
            _copy(GITEA.source(), static)
    return binary, static


def _copy(source: Path, static: Path) -> None:
    """What the server reads of its module's files, which Go keeps read-only."""
    copy = Path(f"{static}.part")
    shutil.rmtree(copy, ignore_errors=True)
    for name in ("templates", "options"):
        shutil.copytree(source / name, copy / name, copy_function=shutil.copyfile)
        for path in [copy / name, *(copy / name).rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    copy.rename(static)
