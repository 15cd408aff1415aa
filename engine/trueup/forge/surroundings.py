"""Where a job runs: which forge, project, pull request, commits, and which variable holds the token. Read by workspace/ for `trueup ci`.

`find` reads the environment of GitHub Actions, Gitea Actions, GitLab CI or a bare shell; `connect` gives the client. TRUEUP_FORGE,
TRUEUP_FORGE_URL, TRUEUP_PROJECT, TRUEUP_PULL_REQUEST and TRUEUP_FORGE_TOKEN say it in a bare shell and override what a job says. Without
any of them the remote `origin` tells, where it is on a host that is known by name: a token is never sent to a host that only a clone's
settings name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from trueup.forge import jobs
from trueup.forge.values import Forge, ForgeError
from trueup.load import git

KINDS = ("github", "gitlab", "gitea")
TOKEN = "TRUEUP_FORGE_TOKEN"
_OWN_TOKENS = {"github": ("GITHUB_TOKEN", "GH_TOKEN"), "gitlab": ("GITLAB_TOKEN",), "gitea": ("GITEA_TOKEN",)}
_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "gitea.com": "gitea", "codeberg.org": "gitea"}
_HEADERS = {"github": {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}}


class SurroundingsError(ForgeError):
    """What a job needs to know of its forge is not there."""


class UnknownForge(SurroundingsError):
    """No forge is named and none can be recognised."""


class MissingToken(SurroundingsError):
    """There is no token for the forge."""


class MissingPullRequest(SurroundingsError):
    """The job is not about a pull request."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a job runs. Holds no secret: the token is named by its variable."""

    kind: str
    """`github`, `gitlab` or `gitea`."""
    api: str
    """The API's URL."""
    project: str
    """`owner/name`; on GitLab the path with all its groups."""
    token_variable: str = ""
    """The variable that holds the token; empty where none does."""
    pull_request: int | None = None
    base: str = ""
    """The branch that is merged into, or that was pushed to."""
    base_commit: str = ""
    """The base branch's commit as the job's event knows it; empty where it does not. The tip may be further by now."""
    head_commit: str = ""
    """The head of the pull request, or what was pushed; never a trial merge."""
    event: str = ""
    """The forge's own word: `pull_request_target`, `push`, `merge_request_event`, …; empty in a shell."""
    job_url: str = ""
    summary: Path | None = None
    """The file whose Markdown the forge shows as the job's summary."""
    report: Path | None = None
    """The file that GitLab reads remarks at lines from."""

    def require_pull_request(self) -> int:
        """The pull request's number. Raises MissingPullRequest."""
        if self.pull_request is None:
            raise MissingPullRequest(
                f"This job{f' ({self.event})' if self.event else ''} is not about a pull request."
                " Run it for one, or name it with TRUEUP_PULL_REQUEST."
            )
        return self.pull_request


def find(environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Surroundings:
    """What the environment says, with the repository around `folder` for what it does not. Raises UnknownForge, SurroundingsError."""
    known = {k: v for k, v in (os.environ if environ is None else environ).items() if v.strip()}
    job = jobs.read(known)
    wanted = known.get("TRUEUP_FORGE", "").strip().lower()
    if wanted and wanted not in KINDS:
        raise UnknownForge(
            f"TRUEUP_FORGE is {wanted!r}, which is no forge that Trueup knows. Set it to one of {', '.join(KINDS)}."
        )
    in_job = job is not None and wanted in ("", job.kind)
    found = _of(job) if job is not None and in_job else _of_shell(wanted, known, folder)
    url = known.get("TRUEUP_FORGE_URL", "").strip()
    own_address = not url or (bool(found.api) and _host(api_of(found.kind, url)) == _host(found.api))
    number = _number(known.get("TRUEUP_PULL_REQUEST", ""))
    if number is not None and number != found.pull_request:
        # Another one than the job's: what the event says of commits is not about it.
        found = replace(found, pull_request=number, base="", base_commit="", head_commit="")
    project = known.get("TRUEUP_PROJECT", "").strip().strip("/") or found.project
    found = replace(found, api=api_of(found.kind, url) if url else found.api, project=project)
    if not found.api:
        raise UnknownForge(
            f"The address of the {found.kind} forge is not known. Set TRUEUP_FORGE_URL to it, such as https://forge.example.com."
        )
    if not found.project:
        raise UnknownForge("The project on the forge is not known. Set TRUEUP_PROJECT to it, such as owner/name.")
    return replace(found, token_variable=_token_variable(found, known, job, own_address))


def connect(surroundings: Surroundings, environ: Mapping[str, str] | None = None) -> Forge:
    """The client. Raises MissingToken; asks the forge nothing yet."""
    from trueup.forge.gitea import Gitea
    from trueup.forge.github import GitHub
    from trueup.forge.gitlab import GitLab
    from trueup.forge.http import Door

    kind, variable = surroundings.kind, surroundings.token_variable
    token = (os.environ if environ is None else environ).get(variable, "").strip() if variable else ""
    if not token:
        raise MissingToken(_how_to_give(surroundings))
    door = Door(kind, surroundings.api, token, variable, headers=_HEADERS.get(kind))
    if kind == "github":
        return GitHub(door, surroundings.project)
    if kind == "gitlab":
        return GitLab(door, surroundings.project, surroundings.report)
    return Gitea(door, surroundings.project)


def api_of(kind: str, url: str) -> str:
    """The API's URL of a forge's address; an address that is the API's already stays."""
    url = url.rstrip("/")
    parts = urlsplit(url)
    if re.search(r"/api/v\d+$", parts.path) or parts.hostname == "api.github.com":
        return url
    if kind == "github":
        return "https://api.github.com" if parts.hostname in ("github.com", "www.github.com") else f"{url}/api/v3"
    return f"{url}/api/v4" if kind == "gitlab" else f"{url}/api/v1"


def _of(job: jobs.Job) -> Surroundings:
    return Surroundings(
        kind=job.kind,
        api=job.api.rstrip("/"),
        project=job.project,
        pull_request=job.pull_request,
        base=job.base,
        base_commit=job.base_commit,
        head_commit=job.head_commit,
        event=job.event,
        job_url=job.url,
        summary=Path(job.summary) if job.summary else None,
        report=Path(job.report) if job.report else None,
    )


def _of_shell(wanted: str, known: Mapping[str, str], folder: Path) -> Surroundings:
    """Outside a job: the named forge, and the remote `origin` for address and project."""
    server, project = remote(_origin(folder))
    host = urlsplit(server).hostname or ""
    kind = wanted or _HOSTS.get(host, "")
    if not kind:
        seen = f" The remote `origin` is at {host}, which is not known by name." if host else ""
        raise UnknownForge(
            f"This is no job of GitHub Actions, GitLab CI or Gitea Actions, and no forge is named.{seen}"
            f" Set TRUEUP_FORGE to one of {', '.join(KINDS)}, and TRUEUP_FORGE_URL to its address."
        )
    return Surroundings(
        kind=kind, api=api_of(kind, server) if server and _HOSTS.get(host) == kind else "", project=project
    )


def _origin(folder: Path) -> str:
    try:
        return git.run(folder, "config", "--get", "remote.origin.url", codes=(0, 1)).decode("utf-8", "replace").strip()
    except git.GitError:
        return ""


def remote(url: str) -> tuple[str, str]:
    """The server's address and the project of a remote's URL, in any of Git's forms; empty where it is none."""
    scp = re.fullmatch(r"(?:[^@/\s]+@)?([\w.-]+):(?!/)([^\s]+)", url)
    if scp and "://" not in url:
        host, path, scheme = scp[1], scp[2], "https"
    else:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "ssh", "git") or not parts.hostname:
            return "", ""
        plain = parts.scheme == "http"
        scheme = "http" if plain else "https"
        host = f"{parts.hostname}:{parts.port}" if parts.port and parts.scheme in ("http", "https") else parts.hostname
        path = parts.path
    return f"{scheme}://{host.lower()}", path.strip("/").removesuffix(".git")


def _token_variable(found: Surroundings, known: Mapping[str, str], job: jobs.Job | None, own_address: bool) -> str:
    """TRUEUP_FORGE_TOKEN, or the forge's own variable where the address is the job's or one that is known by name."""
    if TOKEN in known:
        return TOKEN
    host = urlsplit(found.api).hostname or ""
    by_name = _HOSTS.get(host.removeprefix("api."), "") == found.kind
    of_job = job is not None and job.kind == found.kind
    if not ((of_job and own_address) or by_name):
        return ""
    names = _OWN_TOKENS[found.kind] + (("GITHUB_TOKEN",) if of_job and found.kind == "gitea" else ())
    return next((name for name in names if name in known), "")


def _how_to_give(surroundings: Surroundings) -> str:
    """Which variable is to be set, and to what."""
    where = f"There is no token for {surroundings.kind} at {urlsplit(surroundings.api).netloc}."
    if surroundings.kind == "github":
        return f"{where} Set GITHUB_TOKEN in the step's `env:` to ${{{{ github.token }}}}, or {TOKEN} to a token of your own."
    if surroundings.kind == "gitlab":
        return (
            f"{where} Set {TOKEN} to a project access token with the scope `api` and the role Developer, as a masked variable of the"
            " project: CI_JOB_TOKEN may not write comments."
        )
    return (
        f"{where} Set {TOKEN} to an access token with `write:repository`, `write:issue` and `read:user`; in Gitea Actions"
        " GITHUB_TOKEN in the step's `env:` to ${{ github.token }} does."
    )


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _number(text: str) -> int | None:
    text = text.strip().lstrip("#!")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SurroundingsError(
            f"TRUEUP_PULL_REQUEST is {text!r}, which is no number of a pull request. Set it to one such as 12."
        )
    return int(text)
