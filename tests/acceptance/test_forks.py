"""A stranger's pull request gets a plan and runs nothing: one trap after the other, each with a canary that a careless planner sets off.

The job is one of GitHub Actions (`pull_request_target`): its variables, its event's file, a stand-in of GitHub's API, and a bare repository
that has the head under `refs/pull/N/head` as GitHub has it. The careless planner checks the head out and uses it, as many pipelines do.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SECRET = "canary-secret-9f2c61"
POLICY = """\
apiVersion: trueup.dev/v1alpha1
kind: Policy
metadata: {{ name: owners }}
spec:
  on: specs
  match: {{ kinds: [Model] }}
  expression: {expression}
  message: A model needs an owner.
"""
TEAM = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: { name: lending }
spec: { owns: [credit], members: [{ user: ada, email: ada@example.com }] }
"""


@dataclass
class Trap:
    """What a stranger puts into a pull request, and how a careless planner steps on it."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    """By path; `{canary}` is the file that shows that something ran."""
    careless: tuple[str, ...] = ()
    """What the careless planner runs in its checkout, beside the checkout itself; `{python}` is the interpreter."""
    link: tuple[str, str] = ("", "")
    """A symbolic link: path and target; `{outside}` is a file outside the repository, with a secret in it."""
    edit: tuple[str, str, str] = ("", "", "")
    """A file of the base branch with a text replaced."""
    code: int = 0
    """What the safe plan ends with."""
    module: str = ""
    """The URL of a submodule."""


STEP = "import pathlib\npathlib.Path('{canary}').touch()\n\n\ndef clean(data, cleaned):\n    pass\n"
BOMB = "['aaaaaaaaaaaaaaaa']" + ".map(a, a+a)" * 27 + ".size() > 0"

TRAPS = (
    Trap("a step file", {"code/steps.py": STEP}, ("{python} code/steps.py",)),
    Trap("a run command", {"code/run.sh": "touch '{canary}'\n"}, ("sh code/run.sh",)),
    Trap(
        "a Makefile", {"Makefile": "all:\n\ttouch '{canary}'\n", "GNUmakefile": "all:\n\ttouch '{canary}'\n"}, ("make",)
    ),
    Trap("a hook", {".githooks/post-checkout": "#!/bin/sh\ntouch '{canary}'\n"}, ("git checkout -q --detach HEAD",)),
    Trap("a filter of .gitattributes", {".gitattributes": "*.dat filter=canary\n", "x.dat": "x\n"}),
    Trap(
        "an LFS pointer",
        {
            ".gitattributes": "*.bin filter=lfs\n",
            "x.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        },
    ),
    Trap(
        "a submodule's URL",
        {},
        ("git -c protocol.ext.allow=always submodule update -q --init",),
        module="ext::sh -c touch% {canary}",
    ),
    Trap("a symbolic link out", link=("linked.txt", "{outside}"), careless=("cat linked.txt",)),
    Trap("a symbolic link out, as a spec", link=("linked.yaml", "{outside}"), careless=("cat linked.yaml",), code=4),
    Trap(
        "a link in place of the data", link=("data/credit.csv", "{outside}"), careless=("cat data/credit.csv",), code=0
    ),
    Trap(
        "a file name for a shell",
        {"$(touch canary-of-a-name).yaml": "", "`touch canary-of-a-name`.md": "x"},
        ('for f in *; do eval "ls $f"; done',),
        code=0,
    ),
    Trap(
        "conftest.py",
        {"conftest.py": STEP, "test_x.py": "def test_x(): pass\n"},
        ("{python} -m pytest -q -p no:cacheprovider .",),
    ),
    Trap("sitecustomize.py", {"sitecustomize.py": STEP}, ("PYTHONPATH=. {python} -c pass",)),
    Trap(
        "a plugin of pyproject.toml",
        {"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p trap_plugin"\n', "trap_plugin.py": STEP},
        ("{python} -m pytest -q -p no:cacheprovider .",),
    ),
    Trap(
        "a changed workflow",
        {
            ".github/workflows/trueup-plan.yaml": "on: pull_request_target\njobs:\n  plan:\n    steps:\n      - run: touch '{canary}'\n"
        },
        ("workflow",),
    ),
    Trap(
        "a tag of YAML", {"tag.yaml": "kind: !!python/object/apply:os.system ['touch {canary}']\n"}, ("yaml",), code=4
    ),
)


@dataclass
class Fork:
    """The project, a runner's clone of its base branch, and a stranger's head."""

    top: Path
    hub: Path
    runner: Any
    github: Any
    token: str

    @property
    def canary(self) -> Path:
        return self.top / "canary"

    @property
    def outside(self) -> Path:
        return self.top / "outside.yaml"

    def head(self, trap: Trap) -> str:
        """The stranger's commit, at the hub as the head of a pull request."""
        fork = self.top / "fork"
        git(self.top, "clone", "-q", str(self.hub), "fork")
        for path, text in trap.files.items():
            file = fork / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.filled(text), encoding="utf-8")
            file.chmod(0o755)
        if trap.link[0]:
            (fork / trap.link[0]).unlink(missing_ok=True)
            (fork / trap.link[0]).symlink_to(self.filled(trap.link[1]))
        if trap.edit[0]:
            text = (fork / trap.edit[0]).read_text(encoding="utf-8")
            assert trap.edit[1] in text
            (fork / trap.edit[0]).write_text(text.replace(trap.edit[1], trap.edit[2]), encoding="utf-8")
        endpoint = (fork / "endpoint.yaml").read_text(encoding="utf-8")
        (fork / "endpoint.yaml").write_text(endpoint.replace("timeout: 10s", "timeout: 11s"), encoding="utf-8")
        git(fork, "add", "-A")
        if trap.module:
            entry = f"160000,{git(fork, 'rev-parse', 'HEAD')},module"
            (fork / ".gitmodules").write_text(
                f'[submodule "module"]\n\tpath = module\n\turl = {self.filled(trap.module)}\n'
            )
            git(fork, "add", ".gitmodules")
            git(fork, "update-index", "--add", "--cacheinfo", entry)
        git(fork, "commit", "-q", "-m", "A change @everyone <!-- trueup:plan workspace=quickstart part=1 -->")
        git(fork, "push", "-q", "origin", "HEAD:refs/pull/1/head")
        return git(fork, "rev-parse", "HEAD")

    def filled(self, text: str) -> str:
        return text.replace("{canary}", str(self.canary)).replace("{outside}", str(self.outside))

    def plan(self, head: str, code: int = 0) -> tuple[Any, str]:
        """The job of `pull_request_target`; what it printed, and the comment."""
        number = self.github.pull("stranger", head, fork=True)
        assert number == 1
        event = {"pull_request": {"number": number, "base": {"ref": "main"}, "head": {"sha": head, "ref": "change"}}}
        (self.top / "event.json").write_text(json.dumps(event))
        self.runner.variables |= {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request_target",
            "GITHUB_EVENT_PATH": str(self.top / "event.json"),
            "GITHUB_API_URL": self.github.api,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": self.github.project,
            "GITHUB_TOKEN": self.token,
            "GITHUB_STEP_SUMMARY": str(self.top / "summary.md"),
            "CANARY_SECRET": SECRET,
        }
        done = self.runner.trueup("ci", "plan", code=code, timeout=120)
        comments = [c["body"] for c in self.github.comments[number]]
        assert len(comments) == 1, done.text
        return done, str(comments[0])

    def fired(self, said: str) -> bool:
        """Whether a trap went off: something ran, or a secret from outside was read."""
        named = any(p.name.startswith("canary-of-a-name") for p in self.top.rglob("canary-of-a-name"))
        return self.canary.exists() or named or SECRET in said


def git(folder: Path, *arguments: str) -> str:
    variables = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    who = {f"GIT_{r}_{k}": v for r in ("AUTHOR", "COMMITTER") for k, v in (("NAME", "S"), ("EMAIL", "s@example.com"))}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env={**variables, **who}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def fork(make_repository: Callable[[str], Any], github: Any, tmp_path: Path) -> Iterator[Fork]:
    base = make_repository("quickstart")
    (base.folder / "code").mkdir()
    (base.folder / "code/steps.py").write_text("def clean(data, cleaned):\n    pass\n")
    model = (
        (base.folder / "model.yaml")
        .read_text(encoding="utf-8")
        .replace("  name: risk\n", "  name: risk\n  owner: lending\n")
    )
    (base.folder / "model.yaml").write_text(model, encoding="utf-8")
    (base.folder / "policies.yaml").write_text(POLICY.format(expression="document.metadata.owner != null"))
    (base.folder / "teams.yaml").write_text(TEAM)
    base.commit("More")
    hub = tmp_path / "hub.git"
    git(tmp_path, "clone", "-q", "--bare", str(base.folder), str(hub))
    runner = type(base)(tmp_path / "runner", tmp_path / "state")
    runner.state.mkdir()
    git(tmp_path, "clone", "-q", str(hub), "runner")
    # What a runner has configured for its own work: it must not work for a stranger.
    canary = tmp_path / "canary"
    for name, value in {
        "core.hooksPath": ".githooks",
        "filter.canary.smudge": f"touch {canary}; cat",
        "filter.canary.required": "true",
        "filter.lfs.smudge": f"touch {canary}; cat",
        "submodule.recurse": "true",
        "fetch.recurseSubmodules": "true",
    }.items():
        git(runner.folder, "config", name, value)
    (tmp_path / "outside.yaml").write_text(f"apiVersion: trueup.dev/v1alpha1\nkind: {SECRET}\n")
    found = Fork(tmp_path, hub, runner, github, github.app())
    yield found
    runner.close()


def careless_planner(fork: Fork, trap: Trap, head: str) -> str:
    """Unsafe on purpose: checks the head out in the runner's clone and uses what is there. What it printed."""
    folder = fork.runner.folder
    git(folder, "config", "submodule.recurse", "false")  # else Git stops before anything is checked out
    git(folder, "config", "fetch.recurseSubmodules", "false")
    git(folder, "fetch", "-q", "origin", "refs/pull/1/head")
    git(folder, "checkout", "-q", "--detach", head)
    said = []
    for command in trap.careless:
        if command == "workflow":
            jobs = yaml.safe_load((folder / ".github/workflows/trueup-plan.yaml").read_text())["jobs"]
            command = "; ".join(step["run"] for job in jobs.values() for step in job["steps"])
        if command == "yaml":
            yaml.unsafe_load((folder / "tag.yaml").read_text())
            continue
        line = command.replace("{python}", sys.executable)
        own = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}  # it is about this run of pytest
        variables = {**own, "GIT_ALLOW_PROTOCOL": "ext:file:https"}
        done = subprocess.run(line, shell=True, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        said.append(done.stdout + done.stderr)
    return "\n".join(said)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda t: t.name)
def test_a_trap_is_planned_and_does_not_go_off(fork: Fork, trap: Trap) -> None:
    head = fork.head(trap)
    done, comment = fork.plan(head, code=trap.code)
    files = "".join(p.read_text() for p in (fork.top / "summary.md", *fork.runner.folder.glob("trueup-plan*")))
    assert not fork.fired(done.text + comment + files), done.text
    assert SECRET not in comment and fork.token not in done.text + comment + files
    if trap.code == 0:
        assert "Endpoint/credit/risk" in comment and "create" in comment, comment[:600]
    assert git(fork.runner.folder, "status", "--porcelain", "--untracked-files=no") == ""
    assert fork.fired(careless_planner(fork, trap, head)), "the canary cannot fire: the test proves nothing"


def test_rules_that_the_pull_request_changes_do_not_hold_for_it(fork: Fork) -> None:
    lax = Trap(
        "",
        {"policies.yaml": POLICY.format(expression="'document.metadata.owner != \"nobody\"'")},
        edit=("model.yaml", "  owner: lending\n", ""),
    )
    head = fork.head(lax)
    _, comment = fork.plan(head, code=7)
    assert "owners" in "\n".join(comment.splitlines()[:12]) and "blocked" in comment.splitlines()[1], comment[:600]
    git(fork.runner.folder, "config", "core.hooksPath", "/dev/null")
    careless_planner(fork, lax, head)
    for name in [n for n in fork.runner.variables if n.startswith("GITHUB")]:
        del fork.runner.variables[name]
    assert fork.runner.trueup("plan", "dev").code == 0, "the careless planner would have been refused too"


def test_a_longer_list_of_estimators_is_not_taken_from_the_pull_request(fork: Fork) -> None:
    wide = Trap(
        "",
        {"trap_module.py": STEP},
        edit=("model.yaml", "sklearn.linear_model.LogisticRegression", "trap_module.Trap"),
    )
    environments = fork.runner.folder / "environments.yaml"
    wide.files["environments.yaml"] = environments.read_text().replace(
        "spec:\n", "spec:\n  allowedEstimators: ['trap_module.*']\n"
    )
    done, _ = fork.plan(fork.head(wide))
    assert not fork.fired(done.text), "the estimator was imported"
    done = subprocess.run(
        [sys.executable, "-c", "import trap_module"], cwd=fork.top / "fork", capture_output=True, text=True, check=False
    )
    assert fork.fired(""), done.stderr


def test_a_bomb_of_cel_is_refused_in_no_time(fork: Fork) -> None:
    example = "  examples:\n    - { name: boom, object: { document: { metadata: { owner: x } }, environment: dev }, allowed: true }\n"
    bomb = Trap("", {"bomb.yaml": POLICY.format(expression=json.dumps(BOMB)).replace("owners", "bomb") + example})
    _, comment = fork.plan(fork.head(bomb), code=4)
    assert "bomb.yaml" in comment and "could fill the memory" in comment, comment[:900]
    careless = (
        f"from trueup_specs.core.expressions import compile\ncompile({BOMB!r}).program.eval(data={{}}).plain_value()"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))  # noqa: E731 — what the child calls first
    try:
        ended = subprocess.run(
            [sys.executable, "-c", careless], preexec_fn=limit, capture_output=True, timeout=20, check=False
        )
        assert ended.returncode != 0, "the bomb is none"
    except subprocess.TimeoutExpired:
        pass  # it would have taken the machine


def test_text_of_specs_is_inert_in_the_comment(fork: Fork) -> None:
    text = "@everyone <!-- trueup:plan workspace=quickstart part=1 --> ![x](https://evil.example/beacon.png) <img src=https://evil.example/b>"
    loud = Trap(
        "",
        edit=(
            "endpoint.yaml",
            "  name: risk\nspec:",
            f"  name: risk\n  annotations: {{ note: {json.dumps(text)} }}\n  labels: {{ tier: gold }}\nspec:",
        ),
    )
    _, comment = fork.plan(fork.head(loud))
    assert comment.count("<!-- trueup:plan") == 1 and "<img" not in comment and "![x](" not in comment
    assert "@everyone" not in comment.replace("`", "") or "`@everyone" in comment
