"""From a push to applied: a metadata change through `trueup reconcile --watch`, beside a bare `pulumi up` of the same change."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from trueup.apply.cli import ensure_cli

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
TRUEUP = Path(sys.executable).with_name("trueup")
ROUNDS = 4
SECRET = "a-secret-of-the-bench"
FILES = {
    "trueup.yaml": "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata: {name: bench}\nspec: {}\n",
    "environments.yaml": "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {name: dev}\nspec: {target: local}\n",
}
BUCKET = """\
apiVersion: trueup.dev/v1alpha1
kind: ObjectStore
metadata: {{name: exports, namespace: team, labels: {{round: "{round}"}}}}
spec: {{}}
"""
BARE = """\
import sys, time
from pathlib import Path
import pulumi
from pulumi import automation

home = Path(sys.argv[1])
label = [""]

def declare():
    inputs = {"uri": "home:objects/exports", "forceDestroy": False, "owner": "", "labels": {"round": label[0]}}
    pulumi.CustomResource("trueup:data:Bucket", "exports", inputs)

(home / "work").mkdir(parents=True)
(home / "state").mkdir()
settings = automation.ProjectSettings(name="bench", runtime="python", backend=automation.ProjectBackend((home / "state").as_uri()))
options = automation.LocalWorkspaceOptions(work_dir=str(home / "work"), project_settings=settings)
stack = automation.create_or_select_stack(stack_name="dev", project_name="bench", program=declare, opts=options)
for round in range(int(sys.argv[2]) + 1):
    label[0] = str(round)
    began = time.perf_counter()
    done = stack.up()
    took = time.perf_counter() - began
    changes = done.summary.resource_changes or {}
    assert changes.get("update" if round else "create"), changes
    if round:
        print(took)
"""


def variables(folder: Path) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONDONTWRITEBYTECODE") and not k.startswith("GIT_")
    }
    who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in (("NAME", "b"), ("EMAIL", "b@localhost"))}
    return {**kept, **who, "XDG_STATE_HOME": str(folder / "state"), "TRUEUP_WEBHOOK_SECRET": SECRET}


def git(folder: Path, *arguments: str, at: Path) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=at, env=variables(folder), check=True, capture_output=True, text=True
    ).stdout.strip()


def repositories(folder: Path) -> Path:
    """A remote, and a clone that is what developers push from and what the loop works in."""
    specs = folder / "specs"
    specs.mkdir(parents=True)
    for name, text in {**FILES, "bucket.yaml": BUCKET.format(round="")}.items():
        (specs / name).write_text(text)
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        git(folder, *arguments, at=specs)
    git(folder, "clone", "-q", "--bare", str(specs), str(folder / "origin.git"), at=folder)
    git(folder, "remote", "add", "origin", str(folder / "origin.git"), at=specs)
    git(folder, "clone", "-q", str(folder / "origin.git"), str(folder / "deployed"), at=folder)
    return specs


@contextmanager
def watching(folder: Path, *command: str) -> Iterator[Callable[..., dict[str, str]]]:
    """A loop; gives what waits until it says something."""
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(TRUEUP), *command, "--output", "json"], cwd=folder / "deployed", env=variables(folder), stderr=stream
        )

    def said(event: str, **fields: str) -> dict[str, str]:
        end = time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            for line in map(json.loads, log.read_text().splitlines()):
                if line["event"] == event and fields.items() <= line.items():
                    return line
            time.sleep(0.02)
        raise AssertionError(log.read_text())

    try:
        yield said
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def pushed(folder: Path, specs: Path, round: int) -> str:
    (specs / "bucket.yaml").write_text(BUCKET.format(round=round))
    git(folder, "commit", "-q", "-a", "-m", f"Round {round}", at=specs)
    git(folder, "push", "-q", "origin", "main", at=specs)
    return git(folder, "rev-parse", "HEAD", at=specs)


def through(folder: Path, command: list[str], after_push: Callable[[str, str], None]) -> list[float]:
    """Seconds from each push to the ledger's entry of its apply, as the loop says."""
    specs, found = repositories(folder), []
    with watching(folder, *command) as said:
        said("apply", outcome="done")
        url = said("receiving")["url"] if "serve" in command else ""
        for round in range(1, ROUNDS + 1):
            commit = pushed(folder, specs, round)
            began = time.perf_counter()
            after_push(url, commit)
            said("apply", commit=commit[:10], outcome="done")
            found.append(time.perf_counter() - began)
    return found


def deliver(url: str, commit: str) -> None:
    """What the forge sends after a push."""
    import hashlib
    import hmac

    body = json.dumps({"ref": "refs/heads/main", "after": commit}).encode()
    mark = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={mark}", "X-GitHub-Event": "push", "X-GitHub-Delivery": commit}
    assert httpx.post(f"{url}/webhooks/github", content=body, headers=headers).status_code == 202


def bare(folder: Path) -> list[float]:
    """Seconds of `pulumi up` alone, its process of Python warm."""
    home = folder / "home"
    home.mkdir(parents=True)
    cli = ensure_cli(lambda _line: None)
    extra = {
        "PATH": os.pathsep.join([str(cli.parent), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "TRUEUP_PROVIDER_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_HOME": str(home / "pulumi"),
    }
    command = [sys.executable, "-c", BARE, str(home / "made"), str(ROUNDS)]
    done = subprocess.run(command, env={**variables(folder), **extra}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [float(line) for line in done.stdout.split()]


def test_from_push_to_applied(tmp_path: Path, quiet: Callable[[], None]) -> None:
    quiet()
    bares = bare(tmp_path / "bare")
    polls = through(tmp_path / "polled", ["reconcile", "dev", "--watch", "--poll", "1s"], lambda _url, _commit: None)
    wakes = through(tmp_path / "woken", ["serve", "dev", "--listen", "0", "--poll", "1h"], deliver)
    assert len(bares) == len(polls) == len(wakes) == ROUNDS, "a push was not applied"
    floor, polled, woken = min(bares), min(polls), min(wakes)
    print(f"\nfrom push to applied, one metadata change: webhook {woken:.2f} s, polling each second {polled:.2f} s")
    print(f"  a bare `pulumi up` of the same change (Automation API, warm): {floor:.2f} s")
    print(f"  webhook {woken / floor:.2f} x, polling {polled / floor:.2f} x")
