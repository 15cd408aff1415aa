"""What a job of GitHub Actions, Gitea Actions or GitLab CI finds in its environment. Used by surroundings.py. Reads the event's file only.

Gitea Actions sets GitHub's variables, and GITEA_ACTIONS beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

_NOTHING = "0" * 40
"""What a push event names as the commit before the first."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job's forge, and what it is about. Empty texts for what is not told."""

    kind: str
    api: str
    project: str
    pull_request: int | None
    base: str
    base_commit: str
    head_commit: str
    event: str
    url: str
    summary: str
    report: str


class _Ref(msgspec.Struct):
    ref: str = ""
    sha: str = ""


class _Pull(msgspec.Struct):
    number: int | None = None
    base: _Ref = msgspec.field(default_factory=_Ref)
    head: _Ref = msgspec.field(default_factory=_Ref)


class _Issue(msgspec.Struct):
    number: int | None = None
    pull_request: dict[str, object] | None = None


class _Event(msgspec.Struct):
    pull_request: _Pull | None = None
    issue: _Issue | None = None
    before: str | None = None
    after: str | None = None


def read(known: Mapping[str, str]) -> Job | None:
    """The job that these variables are of; None in a bare shell."""
    if known.get("GITEA_ACTIONS") == "true" or known.get("FORGEJO_ACTIONS") == "true":
        return _actions("gitea", known)
    if known.get("GITHUB_ACTIONS") == "true":
        return _actions("github", known)
    if known.get("GITLAB_CI") == "true":
        return _gitlab(known)
    return None


def _actions(kind: str, known: Mapping[str, str]) -> Job:
    event = _event(known.get("GITHUB_EVENT_PATH", ""))
    pull, issue = event.pull_request, event.issue
    number = pull.number if pull else issue.number if issue and issue.pull_request is not None else None
    server, project = known.get("GITHUB_SERVER_URL", "").rstrip("/"), known.get("GITHUB_REPOSITORY", "")
    before, after = event.before or "", event.after or ""
    default_api = "https://api.github.com" if kind == "github" else f"{server}/api/v1" if server else ""
    run = known.get("GITHUB_RUN_NUMBER" if kind == "gitea" else "GITHUB_RUN_ID", "")
    about_pull = number is not None
    return Job(
        kind=kind,
        api=known.get("GITHUB_API_URL", default_api),
        project=project,
        pull_request=number,
        base=pull.base.ref
        if pull
        else known.get("GITHUB_BASE_REF") or ("" if about_pull else known.get("GITHUB_REF_NAME", "")),
        base_commit=pull.base.sha if pull else "" if before == _NOTHING else before,
        # For a pull request GITHUB_SHA is a trial merge, or the base branch's tip: never its head.
        head_commit=pull.head.sha if pull else "" if about_pull else after or known.get("GITHUB_SHA", ""),
        event=known.get("GITHUB_EVENT_NAME", ""),
        url=f"{server}/{project}/actions/runs/{run}" if server and run else "",
        summary=known.get("GITHUB_STEP_SUMMARY", ""),
        report="",
    )


def _gitlab(known: Mapping[str, str]) -> Job:
    number = known.get("CI_MERGE_REQUEST_IID", "")
    before = known.get("CI_COMMIT_BEFORE_SHA", "")
    if number:
        base = known.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
        base_commit = known.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA") or known.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
        # In a pipeline of the merged result CI_COMMIT_SHA is a trial merge.
        head_commit = known.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or known.get("CI_COMMIT_SHA", "")
    else:
        base = known.get("CI_COMMIT_BRANCH", "")
        base_commit = "" if before == _NOTHING else before
        head_commit = known.get("CI_COMMIT_SHA", "")
    folder = known.get("CI_PROJECT_DIR", "")
    return Job(
        kind="gitlab",
        api=known.get("CI_API_V4_URL", ""),
        # A merge request of a fork is in the project that it is to be merged into.
        project=known.get("CI_MERGE_REQUEST_PROJECT_PATH") or known.get("CI_PROJECT_PATH", ""),
        pull_request=int(number) if number.isdecimal() else None,
        base=base,
        base_commit=base_commit,
        head_commit=head_commit,
        event=known.get("CI_PIPELINE_SOURCE", ""),
        url=known.get("CI_JOB_URL", ""),
        summary="",
        report=f"{folder}/gl-code-quality-report.json" if folder else "",
    )


def _event(path: str) -> _Event:
    """The event's file; an empty one where there is none that can be read."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=_Event) if path else _Event()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return _Event()
