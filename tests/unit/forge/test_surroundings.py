"""Where a job runs, from the variables that each forge's jobs have, and which token goes where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.forge import surroundings
from trueup.forge.surroundings import (
    MissingPullRequest,
    MissingToken,
    SurroundingsError,
    UnknownForge,
    connect,
    find,
    remote,
)

HEAD, BASE, TRIAL = "a" * 40, "b" * 40, "c" * 40
TOKEN = "canary-token-0123456789"


@pytest.fixture
def event(tmp_path: Path) -> Any:
    def write(content: Any) -> str:
        path = tmp_path / "event.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


PULL = {
    "action": "synchronize",
    "number": 12,
    "pull_request": {
        "number": 12,
        "base": {"ref": "main", "sha": BASE, "repo": {"full_name": "acme/specs"}},
        "head": {"ref": "change", "sha": HEAD, "repo": {"full_name": "eve/specs"}},
    },
}


def actions(name: str, path: str, **more: str) -> dict[str, str]:
    """What GitHub Actions sets."""
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/specs",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": path,
        "GITHUB_SHA": TRIAL,
        "GITHUB_REF_NAME": "main",
        "GITHUB_RUN_ID": "99",
        "GITHUB_RUN_NUMBER": "7",
        "GITHUB_STEP_SUMMARY": "/tmp/summary.md",
        **more,
    }


GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_API_V4_URL": "https://gitlab.acme.example/api/v4",
    "CI_PROJECT_PATH": "acme/platform/specs",
    "CI_PROJECT_DIR": "/builds/acme/specs",
    "CI_COMMIT_SHA": TRIAL,
    "CI_JOB_URL": "https://gitlab.acme.example/acme/platform/specs/-/jobs/1",
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
}


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_a_pull_request_on_github(event: Any, name: str) -> None:
    found = find(actions(name, event(PULL), GITHUB_TOKEN=TOKEN))
    assert (found.kind, found.api, found.project) == ("github", "https://api.github.com", "acme/specs")
    assert (found.require_pull_request(), found.base, found.base_commit, found.head_commit) == (12, "main", BASE, HEAD)
    assert (found.event, found.job_url) == (name, "https://github.com/acme/specs/actions/runs/99")
    assert (found.summary, found.token_variable) == (Path("/tmp/summary.md"), "GITHUB_TOKEN")


def test_a_push_on_github(event: Any) -> None:
    found = find(actions("push", event({"before": BASE, "after": HEAD})))
    assert (found.pull_request, found.base, found.base_commit, found.head_commit) == (None, "main", BASE, HEAD)
    with pytest.raises(
        MissingPullRequest, match=r"This job \(push\) is not about a pull request\..*TRUEUP_PULL_REQUEST"
    ):
        found.require_pull_request()
    assert find(actions("push", event({"before": "0" * 40, "after": HEAD}))).base_commit == ""


def test_a_comment_on_a_pull_request_names_it_and_no_commit(event: Any) -> None:
    """GITHUB_SHA is main's tip there: it must not be taken for the head."""
    found = find(
        actions("issue_comment", event({"issue": {"number": 12, "pull_request": {"url": "x"}}, "comment": {}}))
    )
    assert (found.pull_request, found.head_commit) == (12, "")
    assert find(actions("issue_comment", event({"issue": {"number": 13}}))).pull_request is None


@pytest.mark.parametrize("content", ["", "not JSON", "[]", "{}"])
def test_an_event_that_cannot_be_read_is_none(event: Any, content: str) -> None:
    found = find(actions("schedule", event(content)))
    assert (found.pull_request, found.head_commit, found.base) == (None, TRIAL, "main")


def test_gitea_actions_are_not_taken_for_github(event: Any) -> None:
    found = find(
        actions(
            "pull_request_target",
            event(PULL),
            GITEA_ACTIONS="true",
            GITHUB_API_URL="https://git.acme.example/api/v1",
            GITHUB_SERVER_URL="https://git.acme.example",
            GITHUB_TOKEN=TOKEN,
        )
    )
    assert (found.kind, found.api, found.pull_request, found.head_commit) == (
        "gitea",
        "https://git.acme.example/api/v1",
        12,
        HEAD,
    )
    assert found.token_variable == "GITHUB_TOKEN"
    assert found.job_url == "https://git.acme.example/acme/specs/actions/runs/7"


def test_a_merge_request_on_gitlab() -> None:
    found = find({**GITLAB, "TRUEUP_FORGE_TOKEN": TOKEN, "CI_JOB_TOKEN": "x"})
    assert (found.kind, found.api, found.project) == (
        "gitlab",
        "https://gitlab.acme.example/api/v4",
        "acme/platform/specs",
    )
    assert (found.pull_request, found.base, found.base_commit, found.head_commit) == (12, "main", BASE, TRIAL)
    assert (found.event, found.token_variable) == ("merge_request_event", "TRUEUP_FORGE_TOKEN")
    assert found.report == Path("/builds/acme/specs/gl-code-quality-report.json")


def test_in_a_pipeline_of_the_merged_result_head_is_the_source_branch() -> None:
    found = find({**GITLAB, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "d" * 40})
    assert (found.head_commit, found.base_commit) == (HEAD, "d" * 40)


def test_a_merge_request_of_a_fork_is_in_the_target_project() -> None:
    found = find({**GITLAB, "CI_PROJECT_PATH": "eve/specs", "CI_MERGE_REQUEST_PROJECT_PATH": "acme/platform/specs"})
    assert found.project == "acme/platform/specs"


def test_a_push_on_gitlab() -> None:
    known = {k: v for k, v in GITLAB.items() if "MERGE_REQUEST" not in k}
    known |= {
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_BEFORE_SHA": BASE,
        "CI_COMMIT_SHA": HEAD,
    }
    found = find(known)
    assert (found.pull_request, found.base, found.base_commit, found.head_commit) == (None, "main", BASE, HEAD)


SHELL = {
    "TRUEUP_FORGE": "gitea",
    "TRUEUP_FORGE_URL": "http://127.0.0.1:3000",
    "TRUEUP_PROJECT": "acme/specs",
    "TRUEUP_PULL_REQUEST": "12",
    "TRUEUP_FORGE_TOKEN": TOKEN,
}


def test_a_bare_shell(tmp_path: Path) -> None:
    found = find(SHELL, tmp_path)
    assert (found.kind, found.api, found.project, found.pull_request) == (
        "gitea",
        "http://127.0.0.1:3000/api/v1",
        "acme/specs",
        12,
    )
    assert (found.event, found.job_url, found.summary) == ("", "", None)


def test_another_pull_request_than_the_jobs_has_none_of_its_commits(event: Any) -> None:
    found = find(actions("pull_request_target", event(PULL), TRUEUP_PULL_REQUEST="#77"))
    assert (found.pull_request, found.base, found.base_commit, found.head_commit) == (77, "", "", "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"TRUEUP_FORGE": "bitbucket"}, "TRUEUP_FORGE is 'bitbucket'.*github, gitlab, gitea"),
        ({"TRUEUP_FORGE_URL": ""}, "address of the gitea forge is not known. Set TRUEUP_FORGE_URL"),
        ({"TRUEUP_PROJECT": ""}, "The project on the forge is not known. Set TRUEUP_PROJECT"),
        ({"TRUEUP_FORGE": ""}, "This is no job of .* Set TRUEUP_FORGE to one of"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, change: dict[str, str], says: str) -> None:
    with pytest.raises(UnknownForge, match=says):
        find({**SHELL, **change}, tmp_path)


@pytest.mark.parametrize("number", ["abc", "0", "-1", "1.5", "12; rm"])
def test_what_is_no_number_is_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(SurroundingsError, match="TRUEUP_PULL_REQUEST"):
        find({**SHELL, "TRUEUP_PULL_REQUEST": number}, tmp_path)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/specs"},
            r"Set GITHUB_TOKEN in the step's `env:` to \$\{\{ github.token \}\}",
        ),
        (GITLAB, "Set TRUEUP_FORGE_TOKEN to a project access token .*CI_JOB_TOKEN may not write comments"),
        ({**SHELL, "TRUEUP_FORGE_TOKEN": ""}, "There is no token for gitea at 127.0.0.1:3000. Set TRUEUP_FORGE_TOKEN"),
    ],
)
def test_a_missing_token_is_an_error_of_its_own(tmp_path: Path, known: dict[str, str], says: str) -> None:
    found = find(known, tmp_path)
    with pytest.raises(MissingToken, match=says):
        connect(found, known)


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_the_client_of_each_forge(tmp_path: Path, kind: str) -> None:
    known = {**SHELL, "TRUEUP_FORGE": kind}
    forge = connect(find(known, tmp_path), known)
    assert forge.name == kind
    assert forge.longest >= 65_536
    assert TOKEN not in repr(forge) + repr(find(known, tmp_path))


# --- which token goes where ---


def test_a_jobs_token_stays_with_the_jobs_forge(event: Any) -> None:
    """An address that somebody sets does not get the job's own token, only the one that was put there for it."""
    known = actions("push", event({}), GITHUB_TOKEN=TOKEN, TRUEUP_FORGE_URL="https://evil.example")
    assert find(known).token_variable == ""
    with pytest.raises(MissingToken):
        connect(find(known), known)
    assert find({**known, "TRUEUP_FORGE_TOKEN": "x"}).token_variable == "TRUEUP_FORGE_TOKEN"


def test_a_job_of_one_forge_gives_no_token_to_another(event: Any) -> None:
    known = actions(
        "push",
        event({}),
        GITHUB_TOKEN=TOKEN,
        TRUEUP_FORGE="gitea",
        TRUEUP_FORGE_URL="https://evil.example",
        TRUEUP_PROJECT="a/b",
    )
    assert find(known).token_variable == ""


def clone(folder: Path, url: str) -> Path:
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "remote", "add", "origin", url], cwd=folder, check=True)
    return folder


def test_a_clone_of_a_host_that_is_known_by_name(tmp_path: Path) -> None:
    found = find({"GITHUB_TOKEN": TOKEN, "TRUEUP_PULL_REQUEST": "3"}, clone(tmp_path, "git@github.com:acme/specs.git"))
    assert (found.kind, found.api, found.project) == ("github", "https://api.github.com", "acme/specs")
    assert (found.pull_request, found.token_variable) == (3, "GITHUB_TOKEN")


def test_a_clone_of_another_host_gets_no_token(tmp_path: Path) -> None:
    """What a clone's settings name is no reason to send a token there."""
    folder = clone(tmp_path, "https://gitlab.evil.example/acme/specs.git")
    known = {"GITLAB_TOKEN": TOKEN, "GITHUB_TOKEN": TOKEN, "TRUEUP_FORGE_TOKEN": TOKEN}
    with pytest.raises(UnknownForge, match=r"`origin` is at gitlab\.evil\.example, which is not known by name\."):
        find(known, folder)
    with pytest.raises(UnknownForge, match="Set TRUEUP_FORGE_URL"):
        find({**known, "TRUEUP_FORGE": "gitlab"}, folder)
    found = find({**known, "TRUEUP_FORGE": "gitlab", "TRUEUP_FORGE_URL": "https://gitlab.acme.example"}, folder)
    assert (found.api, found.project) == ("https://gitlab.acme.example/api/v4", "acme/specs")


@pytest.mark.parametrize(
    ("url", "server", "project"),
    [
        ("https://github.com/acme/specs.git", "https://github.com", "acme/specs"),
        ("https://ana:secret@github.com/acme/specs", "https://github.com", "acme/specs"),
        ("git@gitlab.com:acme/platform/specs.git", "https://gitlab.com", "acme/platform/specs"),
        ("ssh://git@git.acme.example:2222/acme/specs.git", "https://git.acme.example", "acme/specs"),
        ("http://127.0.0.1:3000/acme/specs.git", "http://127.0.0.1:3000", "acme/specs"),
        ("/srv/git/specs.git", "", ""),
        ("file:///srv/git/specs.git", "", ""),
        ("", "", ""),
    ],
)
def test_addresses_of_remotes(url: str, server: str, project: str) -> None:
    assert remote(url) == (server, project)


@given(st.text(max_size=60))
def test_no_remote_breaks_it(url: str) -> None:
    server, project = remote(url)
    assert bool(server) or not project


@pytest.mark.parametrize(
    ("kind", "url", "api"),
    [
        ("github", "https://github.com", "https://api.github.com"),
        ("github", "https://ghe.acme.example/", "https://ghe.acme.example/api/v3"),
        ("github", "https://api.github.com", "https://api.github.com"),
        ("gitlab", "https://acme.example/gitlab", "https://acme.example/gitlab/api/v4"),
        ("gitlab", "https://gitlab.com/api/v4/", "https://gitlab.com/api/v4"),
        ("gitea", "http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v1"),
    ],
)
def test_addresses_of_apis(kind: str, url: str, api: str) -> None:
    assert surroundings.api_of(kind, url) == api


def test_who_only_looks_where_it_is_pays_for_no_http() -> None:
    code = "import sys, trueup.forge.surroundings; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
