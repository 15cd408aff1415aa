"""The loop of one environment, turn by turn, over real specs and a real ledger; no Pulumi but where a test says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trueup.forge.github import GitHub
from trueup.forge.http import Door
from trueup.forge.surroundings import Surroundings
from trueup.reconcile import backoff
from trueup.reconcile.values import Action, Line, Memory, Trouble
from trueup.record.events import Event, EventKind
from trueup.workspace import leading, memories, metering, operating, viewing, watching
from trueup.workspace.asking import Asking
from trueup.workspace.following import Branch
from trueup.workspace.joining import Joined
from trueup.workspace.looping import Reconciler
from trueup.workspace.opening import WorkspaceError

World = Any


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def loop(world: World, clock: Callable[[], float] | None = None) -> Reconciler:
    workspace = world.workspace
    return Reconciler(workspace, "dev", Branch(workspace), clock=clock or Clock())


def forge_of(world: World, github: Any) -> Asking:
    """The stand-in of GitHub as the loop's forge; it waits for nobody."""
    door = Door("github", github.api, github.app(), "GITHUB_TOKEN", sleep=lambda _seconds: None, timeout=5.0)
    around = Surroundings("github", github.api, github.project, base="main")
    return Asking(world.workspace, Joined(GitHub(door, github.project), around))


def kinds(world: World, kind: EventKind) -> list[Any]:
    return [e.event for e in world.workspace.ledger.entries(newest_first=False) if e.event.kind is kind]


def test_nothing_to_do_is_nothing_done(world: World) -> None:
    world.apply()
    before = world.workspace.ledger.head()
    turn = loop(world).turn(look=True)
    assert (turn.decision.action, turn.outcome) == (Action.NOTHING, "")
    assert turn.commit == turn.applied == world.git("rev-parse", "HEAD")
    assert world.workspace.ledger.head() == before, "and nothing is written"


def test_a_working_tree_is_not_followed(world: World) -> None:
    world.apply()
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    assert loop(world).turn().decision.action is Action.NOTHING


def test_a_paused_environment_stays_paused(world: World) -> None:
    world.apply()
    world.edit("environments.yaml", "  target: local", "  target: local\n  paused: true")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    turn = loop(world).turn(look=True)
    assert turn.decision.action is Action.PAUSED
    assert turn.decision.reasons == ("dev is paused (`spec.paused`).",)
    assert len(kinds(world, EventKind.APPLIED)) == 1


def test_a_broken_commit_is_told_once_and_the_last_good_one_stays(world: World) -> None:
    world.apply()
    good = world.git("rev-parse", "HEAD")
    world.edit("endpoint.yaml", "minReplicas: 1", "minReplica: 1")
    bad = world.commit()
    reconciler = loop(world)
    turns = [reconciler.turn(look=True) for _ in range(3)]
    assert {t.decision.action for t in turns} == {Action.BROKEN}
    assert (turns[0].commit, turns[0].applied) == (bad, good)
    assert "endpoint.yaml:9" in turns[0].decision.reasons[0] and "minReplica" in turns[0].decision.reasons[0]
    (event,) = kinds(world, EventKind.DENIED)
    assert (event.outcome, event.commit) == ("invalid", bad)
    world.edit("endpoint.yaml", "minReplica: 1", "minReplicas: 1")
    world.commit("Mend")
    assert reconciler.turn().decision.action is Action.NOTHING


def test_what_is_not_approved_is_refused_and_told_once(world: World) -> None:
    world.edit("environments.yaml", "  target: local", "  target: local\n  approvals: {required: 1, teams: [risk]}")
    world.write("teams.yaml", TEAM)
    world.commit("Approvals")
    world.apply()
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    commit = world.commit()
    reconciler = loop(world)
    turns = [reconciler.turn() for _ in range(3)]
    assert {t.decision.action for t in turns} == {Action.REFUSED}
    assert any("approv" in reason.lower() for reason in turns[0].decision.reasons), turns[0]
    (event,) = kinds(world, EventKind.DENIED)
    assert (event.outcome, event.commit) == ("denied", commit)
    assert len(kinds(world, EventKind.APPLIED)) == 1
    restarted = loop(world)
    restarted.turn()
    assert len(kinds(world, EventKind.DENIED)) == 1, "a restart does not tell it again"


def test_a_review_on_the_forge_is_an_approval_and_the_forges_absence_is_none(world: World, github: Any) -> None:
    world.edit("environments.yaml", "  target: local", "  target: local\n  approvals: {required: 1, teams: [risk]}")
    world.write("teams.yaml", TEAM)
    world.commit("Approvals")
    world.apply()
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    commit = world.commit()
    github.permissions |= {"grace": "write", "alan": "write"}
    number = github.pull("ada", commit)
    github.merge(number, commit)
    reconciler = loop(world)
    reconciler.forge = forge_of(world, github)
    assert reconciler.turn().decision.action is Action.REFUSED, "merged is not approved"
    github.review(number, "alan")
    turn = reconciler.turn()
    assert any("review of alan" in reason and "does not count" in reason for reason in turn.decision.reasons)
    github.review(number, "grace")
    away = github.trouble(status=503, times=100)
    turn = reconciler.turn()
    assert turn.decision.action is Action.REFUSED
    assert any("cannot be read from github now" in reason for reason in turn.decision.reasons)
    away.times = 0
    turn = reconciler.turn()
    assert turn.decision.action is Action.APPLY, turn.decision.reasons
    assert "An apply would make them a second time" in turn.error, (
        "what stops it is that this ledger is of no real apply"
    )


def test_a_branch_that_went_back_is_not_followed(world: World) -> None:
    old = world.git("rev-parse", "HEAD")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    world.apply()
    world.git("reset", "--quiet", "--hard", old)
    turn = loop(world).turn()
    assert turn.decision.action is Action.REFUSED
    assert any("is older than" in reason and "rollback" in reason for reason in turn.decision.reasons)


def test_reality_is_looked_at_by_the_interval_and_when_a_schedule_fires(world: World) -> None:
    clock = Clock()
    world.apply()
    reconciler = loop(world, clock)
    assert not reconciler.turn().looked and reconciler.look_again == 0, "by default only on request"
    world.edit("model.yaml", "  seed: 7", "  seed: 7\n  triggers: [{schedule: {cron: '0 * * * *'}}]")
    world.commit("Hourly")
    assert not reconciler.turn().looked
    fires = reconciler.look_again
    assert fires % 3600 == 0 and 0 < fires - clock.now <= 3600
    clock.now = fires + 1
    assert reconciler.turn().looked, "the data is looked at when the schedule fires"
    assert reconciler.look_again == fires + 3600
    world.edit("environments.yaml", "  target: local", "  target: local\n  drift: {interval: 30s}")
    world.commit("Often")
    reconciler.turn()
    assert reconciler.look_again == reconciler.memory.looked + 30
    clock.now += 30
    assert reconciler.turn().looked


def test_what_was_stopped_on_purpose_is_no_drift(world: World) -> None:
    world.apply()
    assert loop(world).turn(look=True).decision.reasons == (f"dev is as {world.git('rev-parse', 'HEAD')[:10]} says.",)
    ledger = world.workspace.ledger
    ledger.append(Event(EventKind.DOWN, "dev"))
    asleep = loop(world).turn(look=True)
    assert asleep.decision.action is Action.NOTHING
    assert "stopped with `trueup down`" in asleep.decision.reasons[1]
    ledger.append(Event(EventKind.UP, "dev"))
    assert len(loop(world).turn(look=True).decision.reasons) == 1


def test_what_fails_is_tried_later_and_later_and_a_kill_forgets_none_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEUP_PULUMI", "/nonexistent/pulumi")
    clock, waits = Clock(), []
    for number in range(1, backoff.BREAKS + 2):
        turn = loop(world, clock).turn()  # a new process each time
        assert (turn.decision.action, turn.outcome) == (Action.APPLY, "failed")
        assert turn.error
        waiting = loop(world, clock).turn()
        assert waiting.decision.action is Action.WAIT and waiting.outcome == ""
        assert loop(world, clock).memory.failures[turn.decision.key].count == number
        waits.append(waiting.decision.again - clock.now)
        clock.now = waiting.decision.again + 0.01
    assert waits[0] < waits[1] < waits[2] < waits[3]
    assert waits[-1] >= backoff.REST * (1 - backoff.JITTER), "the circuit is open"
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    assert loop(world, clock).turn().decision.action is Action.APPLY, "another commit is tried at once"


def test_a_killed_attempt_counts_as_a_failed_one(world: World) -> None:
    reconciler = loop(world)
    memories.save(reconciler._file, replace(Memory(), begun="apply:abc"))
    again = loop(world)
    assert again.memory.failures["apply:abc"] == Trouble(1, again.clock(), "The process that tried it was killed.")


def test_a_memory_that_cannot_be_read_is_empty(world: World) -> None:
    reconciler = loop(world)
    full = Memory({"apply:x": Trouble(3, 5.5, "é")}, {"d": Trouble(1)}, "", 7.25, "r", "t", "a" * 40, "i")
    memories.save(reconciler._file, full)
    assert memories.load(reconciler._file) == full
    for damage in (b"", b"{", b'{"version": 2, "memory": {}}', b"\x00" * 40, b"[]"):
        reconciler._file.write_bytes(damage)
        assert loop(world).memory == Memory()


def test_a_pin_holds_until_the_branch_says_the_same(world: World) -> None:
    world.apply()
    old = world.git("rev-parse", "HEAD")
    world.edit("endpoint.yaml", "timeout: 10s", "timeout: 20s")
    world.commit()
    operating.pin(world.workspace, "dev", old, "error rate")
    reconciler = loop(world)
    turn = reconciler.turn()
    assert (turn.decision.action, turn.commit) == (Action.NOTHING, old), "what was rolled back is not applied again"
    world.edit("endpoint.yaml", "timeout: 20s", "timeout: 10s")
    world.commit("Revert")
    assert reconciler.turn().decision.action is Action.NOTHING
    assert world.workspace.ledger.recorded().pins == {}, "the branch says the same, so the pin is lifted"


def test_one_leads_and_the_next_takes_over(world: World) -> None:
    world.commit()
    one, two = loop(world), loop(world)
    first = leading.lease(one.workspace, "dev", one.branch.tip())
    second = leading.lease(two.workspace, "dev", two.branch.tip())
    assert first.held() and first.held()
    assert not second.held() and "leads since" in second.other
    (standing,) = watching.once([two], two.branch, lambda _line: None)
    assert standing.other == second.other
    first.release()
    assert second.held() and second.other == ""
    second.release()
    with pytest.raises(WorkspaceError, match="There is no environment 'prod'"):
        leading.lease(one.workspace, "prod", one.branch.tip())


def test_the_remote_is_what_is_followed(world: World, tmp_path: Path) -> None:
    world.git("clone", "--quiet", "--bare", str(world.folder), str(tmp_path / "origin.git"))
    world.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    branch = Branch(world.workspace)
    assert branch.fetch() == ""
    pushed = branch.tip().commit
    assert world.commit("Not pushed") != pushed
    assert branch.tip().commit == pushed
    world.git("push", "--quiet", "origin", "main")
    assert branch.fetch() == ""
    assert branch.tip().commit == world.git("rev-parse", "HEAD")
    (tmp_path / "origin.git").rename(tmp_path / "away.git")
    assert "does not" in branch.fetch()
    assert branch.tip().commit == world.git("rev-parse", "HEAD"), "what is known stays followed"
    with pytest.raises(WorkspaceError, match="--revision"):
        Branch(world.workspace, "no-such-branch").tip()


def test_approvals_and_what_was_done_travel_with_the_branch(world: World, tmp_path: Path) -> None:
    world.apply()
    world.git("clone", "--quiet", "--bare", str(world.folder), str(tmp_path / "origin.git"))
    world.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    operating.pin(world.workspace, "dev", "a" * 40, "")
    assert Branch(world.workspace).fetch() == ""
    there = world.git("--git-dir", str(tmp_path / "origin.git"), "rev-parse", "trueup/ledger")
    assert there == world.workspace.ledger.head()


@pytest.fixture
def watch(world: World) -> Iterator[tuple[watching.Watch, list[Line]]]:
    """A service over the world, in a thread."""
    world.apply()
    lines: list[Line] = []
    made = watching.Watch(Branch(world.workspace), 0.2, lines.append)
    made.add(loop(world, time.time))
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made, lines
    made.stop()
    thread.join(30)
    assert not thread.is_alive()


def until(lines: list[Line], event: str, after: int = 0) -> Line:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for line in lines[after:]:
            if line.event == event:
                return line
        time.sleep(0.05)
    raise AssertionError(f"{event} was not said: {lines}")


def test_a_bug_in_a_turn_does_not_end_the_service(
    world: World, watch: tuple[watching.Watch, list[Line]], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, lines = watch
    until(lines, "nothing")
    (standing,) = service.standings()
    assert standing.leads and standing.turns == 1 and service.healthy() and service.ready()
    with monkeypatch.context() as patched:
        patched.setattr(viewing, "view", lambda *_given: 1 / 0)
        world.commit("Something")
        said = until(lines, "error")
        time.sleep(1)
    assert "ZeroDivisionError" in str(said.fields["reason"]) and "Traceback" in str(said.fields["trace"])
    assert [line.event for line in lines].count("error") == 1, "it is said once, and tried again later"
    assert service.healthy() and service.standings()[0].error
    at = len(lines)
    world.commit("Something else")
    until(lines, "nothing", at)
    assert service.standings()[0].error == ""
    metrics = metering.exposition(service).decode()
    assert 'trueup_loop_in_sync{environment="dev"} 1.0' in metrics
    assert 'trueup_loop_action{action="nothing",environment="dev"} 1.0' in metrics


def test_a_service_that_waits_uses_no_turn_for_nothing(world: World, watch: tuple[watching.Watch, list[Line]]) -> None:
    service, lines = watch
    until(lines, "nothing")
    time.sleep(1.5)
    assert service.standings()[0].turns == 1, "where nothing changed, no plan is made"
    world.edit("endpoint.yaml", "minReplicas: 1", "minReplica: 1")
    world.commit("Broken")
    at = len(lines)
    service.wake()
    assert "minReplica" in str(until(lines, "broken", at).fields["reason"])


TEAM = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata:
  name: risk
spec:
  members:
    - user: grace
      email: grace@example.com
    - user: alan
  owns: [credit]
"""


def test_a_branch_is_called_as_the_forge_calls_it(world: World) -> None:
    for ref in ("release", "HEAD"):
        world.git("update-ref", f"refs/remotes/origin/{ref}", "HEAD")
    called = {r: Branch(world.workspace, r).name for r in ("", "HEAD", "release", "origin/release", "other")}
    assert called == {"": "", "HEAD": "", "release": "release", "origin/release": "release", "other": ""}
    assert Branch(world.workspace, world.git("rev-parse", "HEAD")).name == ""
