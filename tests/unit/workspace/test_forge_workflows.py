"""`trueup init --ci`: workflows right by their forges' schemas, with pinned actions and few rights; no head is checked out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from trueup.workspace.automating import FORGES, automate, workflows
from trueup.workspace.opening import WorkspaceError

World = Any


def parsed(text: str) -> dict[Any, Any]:
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def jobs(text: str) -> list[dict[str, Any]]:
    found = parsed(text)
    return list(found["jobs"].values()) if "jobs" in found else [v for k, v in found.items() if "script" in v]


@pytest.mark.parametrize("forge", FORGES)
def test_each_command_of_a_workflow_is_one_that_the_installed_trueup_has(churn: World, forge: str) -> None:
    from typer.main import get_command

    from trueup.cli.application import app

    called = []
    for text in workflows(churn.workspace, forge).values():
        called += re.findall(r"trueup (ci \w+)((?: (?:--[a-z-]+|\"[^\"]*\"|[\w.$/-]+))*)", "\n".join(lines_of(text)))
    assert {c for c, _ in called} == {"ci plan", "ci apply"}
    for command, arguments in called:
        found = get_command(app)
        for name in command.split():
            found = found.commands[name]  # type: ignore[attr-defined]
        options = {o for p in found.params for o in p.opts}
        assert set(re.findall(r"--[a-z-]+", arguments)) <= options, (command, arguments)


def lines_of(text: str) -> list[str]:
    """What the jobs run."""
    found = []
    for job in jobs(text):
        found += [s["run"] for s in job.get("steps", ()) if "run" in s] + list(job.get("script", ()))
    assert found
    return found


@pytest.mark.parametrize("forge", ["github", "gitea"])
def test_the_plan_runs_the_base_branch_s_workflow_and_never_checks_the_head_out(churn: World, forge: str) -> None:
    text = workflows(churn.workspace, forge)[FORGES[forge][f"{forge}-plan"]]
    found = parsed(text)
    assert set(found[True]) == {"pull_request_target"}  # YAML 1.1 reads `on` as true
    (job,) = found["jobs"].values()
    (checkout,) = (s for s in job["steps"] if str(s.get("uses", "")).startswith("actions/checkout@"))
    assert (
        checkout["with"]["ref"] == "${{ github.event.pull_request.base.ref }}" and checkout["with"]["fetch-depth"] == 0
    )
    assert "head." not in re.sub(r"(?m)#.*$", "", text) and "github.head_ref" not in text
    assert not any("${{" in line for line in lines_of(text)), "an expression in a command is a way in"


def test_github_s_jobs_have_the_least_rights_and_the_plan_has_no_way_to_the_cloud(churn: World) -> None:
    plan, apply = (parsed(t) for t in workflows(churn.workspace, "github").values())
    assert plan["permissions"] == apply["permissions"] == {}
    assert plan["jobs"]["plan"]["permissions"] == {
        "contents": "read",
        "pull-requests": "write",
        "statuses": "write",
        "checks": "write",
    }
    assert apply["jobs"]["apply"]["permissions"]["id-token"] == "write"
    assert apply["jobs"]["apply"]["strategy"]["matrix"]["environment"] == ["cluster", "dev", "prod"]
    assert apply["jobs"]["apply"]["concurrency"] == {
        "group": "trueup-apply-${{ matrix.environment }}",
        "cancel-in-progress": False,
    }


@pytest.mark.parametrize("forge", FORGES)
def test_whatever_is_not_ours_is_pinned(churn: World, forge: str) -> None:
    for text in workflows(churn.workspace, forge).values():
        for use in re.findall(r"\buses: (\S+)", text):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", use), use
        for image in re.findall(r"image: (\S+)", text):
            assert re.search(r"@sha256:[0-9a-f]{64}$", image), image
        assert "@BASE@" not in text and "trueup==" in text


def test_gitlab_plans_on_the_base_branch_only_and_applies_one_at_a_time(churn: World) -> None:
    (text,) = workflows(churn.workspace, "gitlab").values()
    found = parsed(text)
    for name in ("trueup-plan", "trueup-apply"):
        assert all('$CI_COMMIT_BRANCH == "main"' in rule["if"] for rule in found[name]["rules"])
        assert "merge_request" not in str(found[name])
    assert found["trueup-apply"]["resource_group"] == "trueup-apply-$TRUEUP_ENVIRONMENT"
    assert found["trueup-apply"]["id_tokens"]


@pytest.mark.parametrize(
    ("forge", "schema"), [("github", "github-workflows"), ("gitea", "github-workflows"), ("gitlab", "gitlab-ci")]
)
def test_they_are_right_by_the_forge_s_own_schema(churn: World, forge: str, schema: str) -> None:
    import jsonschema
    from check_jsonschema import builtin_schemas

    texts = workflows(churn.workspace, forge)
    assert set(texts) == set(FORGES[forge].values())
    for text in texts.values():
        found = {("on" if k is True else k): v for k, v in parsed(text).items()}
        jsonschema.validate(found, builtin_schemas.get_builtin_schema(f"vendor.{schema}"))


def test_they_are_written_once_into_the_repository_s_top(churn: World) -> None:
    assert automate(churn.workspace, "gitea") == tuple(FORGES["gitea"].values())
    assert (Path(churn.folder) / ".gitea/workflows/trueup-plan.yaml").is_file()
    with pytest.raises(WorkspaceError, match="already has") as error:
        automate(churn.workspace, "gitea")
    assert error.value.code == 64
    assert not churn.prepare("dev").forbidden, "a workflow is no spec"


def test_a_name_that_a_shell_could_run_is_refused(churn: World) -> None:
    churn.git("checkout", "-q", "-b", "$(touch${IFS}x)")
    with pytest.raises(WorkspaceError, match="cannot hold safely"):
        workflows(churn.workspace, "github")
