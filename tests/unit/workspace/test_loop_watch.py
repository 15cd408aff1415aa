"""The loop as a service, as it is run: a real remote, real Pulumi stacks, real drift, kills, an absent forge, a broken commit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

World = Any
Line = dict[str, Any]
TRUEUP = Path(sys.executable).with_name("trueup")
PATIENCE = 150.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BUCKET = """\
apiVersion: trueup.dev/v1alpha1
kind: ObjectStore
metadata:
  name: exports
  labels: { tier: raw }
spec: {}
"""


class Service:
    """A `trueup reconcile --watch` and what it says."""

    def __init__(self, folder: Path, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [str(TRUEUP), "reconcile", "dev", "--watch", "--poll", "300ms", "--output", "json", *arguments],
                cwd=folder,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, event: str | tuple[str, ...], after: int = 0, **fields: Any) -> Line:
        """Waits until it says something (of several), not counting the first `after` lines."""
        events = (event,) if isinstance(event, str) else event
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in self.lines()[after:]:
                if line["event"] in events and fields.items() <= line.items():
                    return line
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(f"{event} {fields} was not said:\n{self.log.read_text()}")

    def count(self) -> int:
        return len(self.lines())

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def deployed(world: World, pulumi_cli: Path, tmp_path: Path) -> World:
    """A workspace of data only with a remote, whose drift is healed."""
    for name in ("model.yaml", "endpoint.yaml"):
        (world.folder / name).unlink()
    world.write("bucket.yaml", BUCKET)
    world.edit("environments.yaml", "  target: local", "  target: local\n  drift: { interval: 10s, action: heal }")
    world.commit("Data only")
    world.git("clone", "--quiet", "--bare", str(world.folder), str(tmp_path / "origin.git"))
    world.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    world.git("fetch", "--quiet", "origin")
    return world


@pytest.fixture
def start(deployed: World, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def begin(*arguments: str) -> Service:
        made.append(Service(deployed.folder, tmp_path / f"log-{len(made)}", *arguments))
        return made[-1]

    yield begin
    for service in made:
        if service.process.poll() is None:
            service.kill()
    for process in psutil.process_iter():
        try:
            if process.environ().get("TRUEUP_HOME") == str(tmp_path / "home") and process.pid != os.getpid():
                process.kill()
        except psutil.Error:
            continue


def table(world: World) -> Path:
    return Path(world.workspace.home / "dev" / "tables" / "credit" / "applications")


def rows(world: World) -> int:
    from deltalake import DeltaTable

    return len(DeltaTable(str(table(world))).to_pyarrow_table())


def drift(world: World) -> None:
    """Somebody appends five rows by hand."""
    from deltalake import DeltaTable, write_deltalake

    some = DeltaTable(str(table(world))).to_pyarrow_table().slice(0, 5)
    write_deltalake(str(table(world)), some, mode="append")


def push(world: World, message: str, old: str, new: str, file: str = "bucket.yaml") -> str:
    world.edit(file, old, new)
    commit: str = world.commit(message)
    world.git("push", "--quiet", "origin", "main")
    return commit


@pytest.mark.capability("model-development/environment-management", by="trueup.workspace.looping:Reconciler.turn")
def test_it_keeps_reality_in_line_whatever_happens(
    deployed: World, start: Callable[..., Service], tmp_path: Path
) -> None:
    world, origin = deployed, tmp_path / "origin.git"
    service = start("--listen", "0")
    service.said("apply", outcome="done")
    whole = rows(world)
    url = service.said("listening")["url"]

    at = service.count()
    drift(world)
    assert rows(world) == whole + 5
    healed = service.said("heal", at, outcome="done")
    assert "applications" in healed["reason"]
    assert rows(world) == whole, "drift made while it runs is healed"
    assert httpx.get(f"{url}/readyz").json()["environments"]["dev"] in ("nothing", "heal")
    assert (
        'trueup_loop_acts_total{action="heal",environment="dev",outcome="done"} 1.0' in httpx.get(f"{url}/metrics").text
    )

    at = service.count()
    push(world, "Metadata", "tier: raw", "tier: clean")
    service.said("progress", at)
    service.kill()  # in the middle of an apply
    service = start()
    service.said("apply", outcome="done")
    assert world.workspace.ledger.last("dev", applied()).event.outcome == "done"

    origin.rename(tmp_path / "away.git")
    service.said("fetch-failed")
    at = service.count()
    drift(world)
    service.said("heal", at, outcome="done")
    assert rows(world) == whole, "the forge's absence does not stop healing"
    (tmp_path / "away.git").rename(origin)
    service.said("fetched-again", at)

    good = world.git("rev-parse", "HEAD")
    at = service.count()
    bad = push(world, "Broken", "spec: {}", "spec: { bucker: x }")
    said = service.said("broken", at, commit=bad[:10])
    assert good[:10] in said["reason"] and "bucker" in said["reason"], "it says what stays, and what is wrong"
    drift(world)
    service.said("heal", at, outcome="done")
    assert rows(world) == whole, "the last good commit is what is healed to"

    at = service.count()
    mended = push(world, "Mended", "spec: { bucker: x }\n", "spec: {}\n# mended\n")
    push(world, "More", "tier: clean", "tier: gold")
    service.said("apply", at, outcome="done")
    service.said("nothing", at)
    assert (
        world.git("merge-base", "--is-ancestor", mended, world.workspace.ledger.last("dev", applied()).event.commit)
        == ""
    )
    assert service.stop() == 0
    assert service.lines()[-1]["event"] == "stopped"

    from trueup.record import verification

    assert verification.verify(world.workspace.ledger).ok
    there = world.git("--git-dir", str(origin), "rev-parse", "trueup/ledger")
    assert world.git("merge-base", "--is-ancestor", there, "trueup/ledger") == "", "the remote has no other history"


def test_of_two_only_one_acts(deployed: World, start: Callable[..., Service]) -> None:
    world = deployed
    one = start()
    one.said("leading")
    two = start()
    two.said("standby")
    one.said("apply", outcome="done")
    commit = push(world, "Metadata", "tier: raw", "tier: clean")
    one.said("apply", commit=commit[:10], outcome="done")
    time.sleep(2)
    assert not [line for line in two.lines() if line["event"] in ("apply", "heal", "progress", "nothing")]
    entries = [e.event.commit for e in world.workspace.ledger.entries() if e.event.kind == "applied"]
    assert entries.count(commit) == 1, "one apply for one commit"
    one.kill()
    two.said("leading")
    at = two.count()
    push(world, "More", "tier: clean", "tier: gold")
    two.said("apply", at, outcome="done")
    assert two.stop() == 0


def test_a_stop_lets_the_apply_in_hand_end(deployed: World, start: Callable[..., Service]) -> None:
    world = deployed
    service = start()
    service.said("progress", text="reading the source")
    assert service.stop() == 0
    said = [line for line in service.lines() if line["event"] == "apply"]
    assert said and said[-1]["outcome"] in ("done", "interrupted"), service.lines()
    again = start()
    again.said(("nothing", "apply"))
    assert rows(world) > 1000
    assert again.stop() == 0


def test_drift_that_is_only_reported_stays(deployed: World, start: Callable[..., Service]) -> None:
    from trueup.record.events import EventKind

    world = deployed
    push(world, "Report", "action: heal", "action: report", "environments.yaml")
    done = once(world)
    assert done.returncode == 0, done.stderr
    whole = rows(world)
    drift(world)
    first, second = once(world, "--output", "json"), once(world)
    assert (first.returncode, second.returncode) == (2, 2), "there is drift, told before or not"
    (turn,) = json.loads(first.stdout)
    assert turn["action"] == "report" and "applications" in turn["drifted"][0]
    assert rows(world) == whole + 5
    events = [e.event for e in world.workspace.ledger.entries() if e.event.kind is EventKind.DRIFT]
    assert len(events) == 1, "the same drift is recorded once"
    push(world, "Metadata", "tier: raw", "tier: clean")
    assert once(world).returncode in (0, 2)
    assert rows(world) == whole + 5, "an apply of something else does not heal what is only reported"
    push(world, "Heal", "action: report", "action: heal", "environments.yaml")
    assert once(world).returncode == 0
    assert rows(world) == whole


def test_drift_becomes_an_issue_where_the_environment_asks_for_one(deployed: World, github: Any) -> None:
    from trueup.forge.github import GitHub
    from trueup.forge.http import Door
    from trueup.forge.surroundings import Surroundings
    from trueup.workspace.asking import Asking
    from trueup.workspace.following import Branch
    from trueup.workspace.joining import Joined
    from trueup.workspace.looping import Reconciler

    world = deployed
    push(world, "Issue", "action: heal", "action: issue", "environments.yaml")
    assert once(world).returncode == 0
    drift(world)
    door = Door("github", github.api, github.app(), "GITHUB_TOKEN", sleep=lambda _seconds: None, timeout=5.0)
    joined = Joined(GitHub(door, github.project), Surroundings("github", github.api, github.project))
    workspace = world.workspace
    reconciler = Reconciler(workspace, "dev", Branch(workspace), forge=Asking(workspace, joined))
    away = github.trouble(status=503, times=100)
    turn = reconciler.turn(look=True)
    assert turn.drifted and "could be opened" in turn.error
    assert github.issues == {}
    away.times = 0
    assert reconciler.turn(look=True).error == ""
    assert reconciler.turn(look=True).error == ""
    (issue,) = github.issues.values()
    assert issue["title"] == "Trueup: drift in dev" and "applications" in issue["body"]
    assert [e.event.kind for e in workspace.ledger.entries()].count("drift") == 1


def once(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(TRUEUP), "reconcile", "dev", *arguments]
    return subprocess.run(command, cwd=world.folder, capture_output=True, text=True, timeout=300, check=False)


def applied() -> Any:
    from trueup.record.events import EventKind

    return EventKind.APPLIED
