"""`trueup apply` beside a hand-written Pulumi program of the same resources, and an apply that has nothing to do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trueup.apply.cli import ensure_cli

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
TRUEUP = Path(sys.executable).with_name("trueup")
HANDWRITTEN = Path(__file__).with_name("handwritten.py")

ENVIRONMENT = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {name: dev}\nspec: {target: local}\n"
WORKSPACE = "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata: {name: bench}\nspec: {}\n"
BUCKET = """\
apiVersion: trueup.dev/v1alpha1
kind: ObjectStore
metadata: {{name: bucket-{stack}-{number}, namespace: team-{stack}}}
spec: {{}}
"""


def repository(folder: Path, stacks: int, count: int) -> Path:
    """Specs of `stacks` namespaces with `count` buckets each, committed."""
    folder.mkdir(parents=True)
    (folder / "trueup.yaml").write_text(WORKSPACE)
    (folder / "environments.yaml").write_text(ENVIRONMENT)
    for stack in range(stacks):
        for number in range(count):
            (folder / f"bucket-{stack}-{number}.yaml").write_text(BUCKET.format(stack=stack, number=number))
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-q", "-m", "Begin"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def timed(command: list[str], folder: Path, variables: dict[str, str]) -> float:
    """Seconds that a command takes, from its start to its end."""
    kept = {k: v for k, v in os.environ.items() if k != "CI"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return seconds


def applied(folder: Path, stacks: int, count: int) -> tuple[float, float]:
    """Seconds of the first apply, and of one after it that has nothing to do."""
    specs = repository(folder / "specs", stacks, count)
    variables = {
        "XDG_STATE_HOME": str(folder / "state"),
        "GIT_AUTHOR_NAME": "b",
        "GIT_AUTHOR_EMAIL": "b@localhost",
        "GIT_COMMITTER_NAME": "b",
        "GIT_COMMITTER_EMAIL": "b@localhost",
    }
    command = [str(TRUEUP), "apply", "dev", "--yes"]
    return timed(command, specs, variables), timed(command, specs, variables)


def handwritten(folder: Path, stacks: int, count: int) -> float:
    """Seconds of the hand-written program."""
    home = folder / "home"
    home.mkdir(parents=True)
    cli = ensure_cli(lambda _line: None)
    path = os.pathsep.join([str(cli.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {
        "PATH": path,
        "TRUEUP_PROVIDER_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_HOME": str(home / "pulumi"),
    }
    return timed([sys.executable, str(HANDWRITTEN), str(home), str(stacks), str(count)], folder, variables)


def buckets(folder: Path) -> int:
    """How many there are, so that the same is compared with the same."""
    return sum(p.is_dir() for p in folder.rglob("bucket-*-*"))


def test_100_resources(tmp_path: Path) -> None:
    best = min(applied(tmp_path / f"t{n}", 1, 100)[0] for n in range(2))
    other = min(handwritten(tmp_path / f"h{n}", 1, 100) for n in range(2))
    assert [buckets(tmp_path / side) for side in ("t0", "t1", "h0", "h1")] == [100] * 4
    print(f"\napply, 100 resources: {best:.1f} s; by hand {other:.1f} s: {best / other:.2f} x (goal <= 1.1 x)")


def test_1000_resources_in_ten_stacks(tmp_path: Path) -> None:
    ours, nothing = applied(tmp_path / "t", 10, 100)
    split = handwritten(tmp_path / "h", 10, 100)
    whole = handwritten(tmp_path / "w", 1, 1000)
    assert [buckets(tmp_path / side) for side in ("t", "h", "w")] == [1000] * 3
    print(
        f"\napply, 1,000 resources in 10 stacks: {ours:.1f} s; by hand, the same split {split:.1f} s: {ours / split:.2f} x (goal <= 1.1 x)"
    )
    print(f"  by hand, one stack {whole:.1f} s: {ours / whole:.2f} x (goal <= 0.5 x)")
    print(f"  nothing changed: {nothing:.1f} s, no Pulumi process (proved by tests/acceptance)")
