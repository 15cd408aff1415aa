"""Black-box tests: the installed `trueup`, in a repository of its own, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TRUEUP = Path(sys.executable).with_name("trueup")


@dataclass
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both outputs, for messages."""
        return f"[{self.code}]\n{self.out}\n{self.err}"

    @property
    def json(self) -> Any:
        """The standard output as JSON."""
        return json.loads(self.out)


@dataclass
class Repository:
    """A spec repository in a temporary folder, with a state of its own."""

    folder: Path
    state: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The variables of commands here: state is apart, CI's mark and the caller's Git settings are away."""
        kept = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("GIT_")}
        identity = {
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", "Tomas"), ("EMAIL", "tomas@example.com"))
        }
        return {**kept, **identity, "XDG_STATE_HOME": str(self.state), "COLUMNS": "200", **self.variables}

    def trueup(self, *arguments: str, code: int | None = 0, timeout: float = 400) -> Done:
        """Runs a command; asserts its exit code unless `code` is None."""
        found = subprocess.run(
            [str(TRUEUP), *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        done = Done(found.returncode, found.stdout, found.stderr)
        assert code is None or done.code == code, f"trueup {' '.join(arguments)} {done.text}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command in a process group of its own, as a terminal does: Ctrl-C ends it also where the tests run in the background."""
        return subprocess.Popen(
            [str(TRUEUP), *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def git(self, *arguments: str) -> str:
        """Runs git."""
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, env=self.environment(), check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, message: str = "Change") -> str:
        """Commits everything; the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def edit(self, file: str, old: str, new: str) -> None:
        """Replaces a text that stands in a file exactly once."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def steps(self, environment: str, *arguments: str) -> dict[str, str]:
        """The plan's steps: `type name` → action."""
        plan = self.trueup("plan", environment, "--output", "json", *arguments).json
        return {f"{' '.join(s['resource'].split('::')[1:])}": s["action"] for s in plan["steps"]}

    @property
    def home(self) -> Path:
        """The workspace's home below the state."""
        (found,) = (p for p in (self.state / "trueup").iterdir() if p.is_dir())
        return found

    def url(self, environment: str, endpoint: str) -> str:
        """Where an endpoint answers."""
        return str(self.trueup("status", environment, "--output", "json").json["urls"][endpoint])

    def close(self) -> None:
        """Stops every process that commands here left, whoever started it."""
        import psutil

        mark = str(self.state)
        left = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and (
                    mark in " ".join(process.cmdline()) or process.environ().get("XDG_STATE_HOME") == mark
                ):
                    process.kill()
                    left.append(process)
            except psutil.Error:
                continue
        psutil.wait_procs(left, timeout=10)


def ask(url: str, body: Mapping[str, Any] | None = None, timeout: float = 30) -> Any:
    """A GET, or a POST of JSON; the answer's JSON. Raises HTTPError and URLError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)


@pytest.fixture(scope="session")
def http() -> Callable[..., Any]:
    """`ask`, for tests."""
    return ask


@pytest.fixture(scope="session", autouse=True)
def pulumi_cli() -> Path:
    """The Pulumi CLI, installed or built where there is none: an apply needs it, and a test must not skip for want of it."""
    from trueup.apply.cli import ensure_cli

    return ensure_cli(lambda line: print(line, file=sys.stderr))


@pytest.fixture(scope="module")
def make_repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Repository]]:
    """Makes a repository from an example; its processes are stopped at the end of the module."""
    made: list[Repository] = []

    def make(example: str) -> Repository:
        top = tmp_path_factory.mktemp(example)
        repository = Repository(top / example, top / "state")
        if example == "empty":
            repository.folder.mkdir()
        else:
            shutil.copytree(EXAMPLES / example, repository.folder)
        repository.state.mkdir()
        repository.git("init", "-q", "-b", "main")
        repository.commit("Begin")
        made.append(repository)
        return repository

    yield make
    for repository in made:
        repository.close()


ELASTIC = f"""\
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata:
  name: elastic
  owner: growth
  environments: [cluster]
spec:
  model: {{ name: churn }}
  route: {{ gateway: edge, path: /elastic }}
  predictor:
    image: example.com/server@sha256:{"0" * 64}
    minReplicas: 2
    maxReplicas: 5
    scaleMetric: cpu
    scaleTarget: 70
    resources: {{ cpu: 1.5, memory: 1024Mi, memoryLimit: 1Gi }}
    env:
      LOG_LEVEL: info
"""


@pytest.fixture(scope="module")
def churn_on_cluster(
    make_repository: Callable[[str], Repository], cluster: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Repository]:
    """Applies examples/churn with an autoscaled endpoint beside its own to the test cluster, from a registry that has a first version.

    Namespaces get a `prefix`; `changes` are replacements in cluster.yaml, `env` lines more of the endpoint's, `variables` for Trueup.
    """
    if not cluster.install_crds("gateway-api"):
        pytest.skip("the CustomResourceDefinitions are not there")

    def apply(prefix: str, *changes: tuple[str, str], env: str = "", **variables: str) -> Repository:
        from mlflow import MlflowClient

        uri = f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.create_registered_model("churn.churn")
        client.create_model_version("churn.churn", "file:///models/churn")
        found = make_repository("churn")
        place = f"context: trueup-tests\n    kubeconfig: {cluster.kubeconfig}\n    namespacePrefix: {prefix}"
        for old, new in (
            ("http://mlflow.example.com:5000", uri),
            ("context: churn", place),
            ("promotion: { path: [dev, cluster], mode: auto }", "version: 1"),
            *changes,
        ):
            found.edit("cluster.yaml", old, new)
        (found.folder / "elastic.yaml").write_text(ELASTIC + env)
        found.commit("A cluster")
        found.variables |= {
            "PATH": os.pathsep.join([str(ROOT / "tests" / "providers"), os.environ["PATH"]]),
            **variables,
        }
        found.trueup("apply", "cluster", "--yes")
        return found

    return apply


BACKED_UP = f"""\
apiVersion: trueup.dev/v1alpha1
kind: Workspace
metadata: {{ name: backups }}
spec: {{ defaultNamespace: shop }}
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: prod }}
spec:
  target: kubernetes
  runner: {{ type: jobs }}
  cluster:
    context: trueup-tests
    kubeconfig: KUBECONFIG
    namespacePrefix: PREFIX
    components: [velero]
    velero: {{ namespace: VELERO }}
---
apiVersion: trueup.dev/v1alpha1
kind: Pipeline
metadata: {{ name: report }}
spec:
  image: example.com/report@sha256:{"0" * 64}
  steps: [{{ name: all, run: [report] }}]
"""


@pytest.fixture(scope="module")
def make_backed_up(make_repository: Callable[[str], Repository], cluster: Any) -> Callable[[str, str, str], Repository]:
    """Applies a pipeline on the test cluster with what `specs` says of its backups.

    Namespaces get a `prefix`; `velero` is Velero's own.
    """

    def apply(prefix: str, velero: str, specs: str) -> Repository:
        found = make_repository("empty")
        place = BACKED_UP.replace("PREFIX", prefix).replace("VELERO", velero)
        (found.folder / "trueup.yaml").write_text(place.replace("KUBECONFIG", str(cluster.kubeconfig)))
        (found.folder / "backups.yaml").write_text(specs)
        found.commit("Backups")
        found.variables["PATH"] = os.pathsep.join([str(ROOT / "tests" / "providers"), os.environ["PATH"]])
        found.trueup("apply", "prod", "--yes")
        return found

    return apply
