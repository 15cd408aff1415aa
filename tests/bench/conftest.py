"""What benchmarks share: a generated repository of specs, and processes that are measured."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

GROUPS_OF_A_NAMESPACE = 20

DATA_SOURCE = """\
apiVersion: trueup.dev/v1alpha1
kind: DataSource
metadata:
  name: source-{n}
  namespace: {ns}
  owner: {ns}
  labels: {{ domain: sales, tier: raw }}
spec:
  description: Orders of region {n}, delivered by the shop every night.
  file:
    url: data/orders-{n}.csv
    format: csv
"""
DATASET = """\
apiVersion: trueup.dev/v1alpha1
kind: Dataset
metadata:
  name: orders-{n}
  namespace: {ns}
  owner: {ns}
spec:
  description: One row an order, with how it turned out.
  source: source-{n}
  schema:
    properties:
      - {{ name: status, logicalType: string, required: true, description: "`bad` or `good`" }}
      - {{ name: age, logicalType: integer, required: true, logicalTypeOptions: {{ minimum: 18, maximum: 100 }} }}
      - {{ name: income, logicalType: integer }}
      - name: amount
        logicalType: number
        required: true
        logicalTypeOptions:
          minimum: 0
  quality:
    - {{ metric: rowCount, mustBeGreaterThan: {rows} }}
"""
PIPELINE = """\
apiVersion: trueup.dev/v1alpha1
kind: Pipeline
metadata:
  name: training-{n}
  namespace: {ns}
  owner: {ns}
spec:
  seed: {n}
  params:
    C: {{ type: number, default: 1.0, description: Inverse strength of the regularisation. }}
  steps:
    - name: load
      uses: load
      with: {{ dataset: orders-{n} }}
    - name: split
      uses: split
      with: {{ testSize: 0.25, stratify: status }}
      inputs: {{ data: load.data }}
    - name: train
      uses: train
      timeout: 30m
      resources:
        cpu: 500m
        memory: 1Gi
      with:
        estimator: sklearn.linear_model.LogisticRegression
        params: {{ C: "${{{{ params.C }}}}", max_iter: 1000 }}
      inputs: {{ train: split.train }}
    - name: evaluate
      uses: evaluate
      inputs: {{ model: train.model, test: split.test }}
    - name: register
      uses: register
      needs: [evaluate]
      inputs: {{ model: train.model }}
"""
MODEL = """\
apiVersion: trueup.dev/v1alpha1
kind: Model
metadata:
  name: risk-{n}
  namespace: {ns}
  owner: {ns}
spec:
  description: The probability that an order of region {n} turns out bad.
  pipeline: training-{n}
  task: classification
  label: status
  positiveClass: bad
  train:
    in: dev
  params:
    C: 0.5
"""
ENDPOINT = """\
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata:
  name: risk-{n}
  namespace: {ns}
  owner: {ns}
spec:
  model:
    name: risk-{n}
  predictor:
    minReplicas: 1
    timeout: 10s
    resources:
      cpu: 250m
      memory: 512Mi
  route:
    path: /risk-{n}
"""
KINDS = {"data": DATA_SOURCE, "table": DATASET, "pipeline": PIPELINE, "model": MODEL, "endpoint": ENDPOINT}
WORKSPACE = "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata:\n  name: generated\nspec: {}\n"
ENVIRONMENT = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata:\n  name: dev\nspec:\n  target: local\n"
TEAM = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata:
  name: {ns}
spec:
  members:
    - user: someone
  owns: [{ns}]
"""


def git(folder: Path, *arguments: str) -> str:
    """The output of a git command."""
    who = (
        "-c",
        "user.name=Bench",
        "-c",
        "user.email=bench@example.com",
        "-c",
        "gc.auto=0",
        "-c",
        "commit.gpgsign=false",
    )
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, files: int) -> None:
    """A workspace of `files` one-document files of five kinds, beside its settings, environment and teams."""
    folder.mkdir(parents=True)
    (folder / "trueup.yaml").write_text(WORKSPACE)
    (folder / "environments.yaml").write_text(ENVIRONMENT)
    (folder / "teams").mkdir()
    groups = files // len(KINDS)
    for n in range(groups):
        ns = f"area-{n // GROUPS_OF_A_NAMESPACE:03}"
        place = folder / ns / f"group-{n}"
        place.mkdir(parents=True)
        for name, text in KINDS.items():
            (place / f"{name}.yaml").write_text(text.format(n=n, ns=ns, rows=1000 + n))
        (folder / "teams" / f"{ns}.yaml").write_text(TEAM.format(ns=ns))
    (folder / "data").mkdir()
    for n in range(groups):
        (folder / "data" / f"orders-{n}.csv").write_text(f"status,age,income,amount\ngood,{18 + n % 80},1,2\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Bench")
    git(folder, "config", "user.email", "bench@example.com")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "generated")
    git(folder, "repack", "-a", "-d", "-q")  # as in a clone


@dataclass(frozen=True)
class Measured:
    """What a process took, its children counted: seconds on the wall, seconds of CPU, and what it said."""

    wall: float
    cpu: float
    code: int
    stdout: str
    stderr: str


def measure(command: list[str], folder: Path, home: Path | None = None, **variables: str) -> Measured:
    """Runs a command to its end in `folder`, with Trueup's home at `home`."""
    environment = dict(os.environ) | variables | ({"TRUEUP_HOME": str(home)} if home else {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody's installation compiles all of it at each start
    before, begun = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Measured(wall, cpu, done.returncode, done.stdout, done.stderr)


def best(runs: int, run: Callable[[], Measured]) -> Measured:
    """The quickest of some runs by wall time: what else the machine does only ever adds."""
    return min((run() for _ in range(runs)), key=lambda m: m.wall)


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Path]]:
    """Generated repositories by their number of files, each made once."""
    made: dict[int, Path] = {}

    def of(files: int) -> Path:
        if files not in made:
            made[files] = tmp_path_factory.mktemp("generated") / f"specs-{files}"
            write(made[files], files)
        return made[files]

    yield of


@pytest.fixture(scope="session")
def measured() -> Callable[..., Measured]:
    """Runs and measures a command."""
    return measure


@pytest.fixture(scope="session")
def quickest() -> Callable[..., Measured]:
    """The quickest of some runs."""
    return best


@pytest.fixture(name="git", scope="session")
def git_of() -> Callable[..., str]:
    """Runs Git."""
    return git


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """Records what a repository's main branch plans as applied, in a real ledger, as two finished applies leave it: of everything, and of a
    change of one file after it."""

    def record(repository: Path, home: Path) -> None:
        monkeypatch.setenv("TRUEUP_HOME", str(home))
        apply(repository)
        file = max(repository.glob("area-*/group-*/pipeline.yaml"))
        file.write_text(file.read_text().replace("cpu: 500m", "cpu: 750m"))
        git(repository, "commit", "-q", "-am", "More CPU")
        apply(repository)

    return record


def apply(repository: Path) -> None:
    """Records what a finished apply of the working tree leaves in the ledger; nothing is made."""
    from dataclasses import replace

    from trueup.compile.compilation import COMPILER_VERSION
    from trueup.load.trees import WorkingTree
    from trueup.record.events import Event, EventKind
    from trueup.record.outcomes import described
    from trueup.record.updates import StackUpdate
    from trueup.workspace import quiet
    from trueup.workspace.opening import open_workspace
    from trueup.workspace.planning import prepare

    workspace = open_workspace(repository)
    prepared = prepare(workspace, "dev", WorkingTree(repository, ""))
    commit = git(repository, "rev-parse", "HEAD").strip()
    touched = {step.address.stack for step in prepared.plan.steps}
    stacks = [
        StackUpdate(
            i,
            tuple(replace(described(r), id=r.address.name) for r in s.resources),
            (),
            commit,
            s.digest,
            COMPILER_VERSION,
        )
        for i, s in prepared.compilation.stacks.items()
        if i in touched
    ]
    workspace.ledger.append(Event(EventKind.STEP, "dev", commit), *stacks)
    details = {"documents": [], "tree": prepared.plan.tree, quiet.DETAIL: quiet.detail(prepared)}
    workspace.ledger.append(Event(EventKind.APPLIED, "dev", commit, details=details))


def idle(seconds: float) -> float:
    """The share of all cores that did nothing for a while."""

    def looked() -> tuple[int, int]:
        counts = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return counts[3] + counts[4], sum(counts)

    before = looked()
    time.sleep(seconds)
    after = looked()
    return (after[0] - before[0]) / max(1, after[1] - before[1])


@pytest.fixture(scope="session")
def quiet() -> Callable[[], None]:
    """Waits until the machine does nothing else, for 15 seconds at most."""

    def wait() -> None:
        end = time.monotonic() + 15
        while time.monotonic() < end and idle(0.3) < 0.9:
            continue

    return wait
