"""`kill -9` at any moment: the next `up` converges by itself, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import trueup_test_apply as apply

from trueup.apply import checkpoints, processes, recovery
from trueup.provider import journal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200 if os.environ.get("TRUEUP_SOAK") else 900)]

TRIALS = 200 if os.environ.get("TRUEUP_SOAK") else 20
SEED = int(os.environ.get("TRUEUP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
NAMES = ("a", "b", "c", "d", "e", "f")


def begin(home: Path, cli: Path, wanted: apply.Wanted, kill: str = "", outlived: bool = False) -> subprocess.Popen[str]:
    script = str(Path(apply.__file__))
    return subprocess.Popen(
        [sys.executable, script, str(home), str(cli), json.dumps(wanted)],
        env={**os.environ, "TRUEUP_TEST_KILL": kill, "TRUEUP_TEST_OUTLIVED": "yes" if outlived else ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def up(home: Path, cli: Path, wanted: apply.Wanted) -> Any:
    return apply.driver_of(home, cli).up(apply.stack_of(wanted), {}, apply.no_secret)


def real(home: Path) -> dict[str, list[dict[str, Any]]]:
    """What is there, by name: a list, since nothing may be there twice."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in (home / "things").glob("*.json"):
        document = json.loads(path.read_text())
        found.setdefault(document["urn"].split("::")[-1], []).append(document["inputs"])
    return found


def inputs_of(wanted: apply.Wanted) -> dict[str, list[dict[str, Any]]]:
    return {n: [{k: v for k, v in i.items() if k not in ("type", "after")}] for n, i in wanted.items()}


def require_converged(home: Path, cli: Path, wanted: apply.Wanted, about: str) -> None:
    """Reality, the state and what is wanted are the same; no lock, no pending operation and no process is left over."""
    assert real(home) == inputs_of(wanted), about
    path = checkpoints.locate(home / "state", "demo", apply.STACK)
    assert path is not None
    state = checkpoints.read(path)
    assert {a.name for a in state.by_address()} == set(wanted) and len(state.resources) == len(wanted), about
    assert not state.pending and not recovery.locks_in(home / "state", "demo", apply.STACK), about
    assert not [p for p in psutil.process_iter() if _of(p, home)], about
    again = up(home, cli, wanted)
    assert again.ok and not again.changed and not again.recovered, (about, again)


def _of(process: psutil.Process, home: Path) -> bool:
    try:
        environ = process.environ()
    except psutil.Error:
        return False
    return processes.MARK in environ and environ.get("TRUEUP_PROVIDER_HOME") == str(home)


BEFORE: apply.Wanted = {"a": {"value": 1, "type": "Stamped"}, "b": {"value": 1}, "c": {"value": 1, "type": "Stamped"}}
AFTER: apply.Wanted = {
    "a": {"value": 2, "type": "Stamped"},
    "b": {"value": 2},
    "d": {"value": 1, "type": "Stamped", "after": "a"},
}


@pytest.mark.parametrize("then", [AFTER, BEFORE], ids=["again", "taken-back"])
@pytest.mark.parametrize("effect", ["create:1", "update:1", "update:2", "delete:1"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_around_a_providers_effect_loses_and_doubles_nothing(
    home: Path, pulumi_cli: Path, moment: str, effect: str, then: apply.Wanted
) -> None:
    assert up(home, pulumi_cli, BEFORE).ok
    killed = begin(home, pulumi_cli, AFTER, f"{moment}:{effect}")
    said, _ = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, said
    result = up(home, pulumi_cli, then)
    assert result.ok, result.error
    assert "was interrupted" in result.recovered[0]
    require_converged(home, pulumi_cli, then, f"{moment} {effect}")


KEYED: dict[str, apply.Wanted] = {
    key: {"b": {"value": 1, "key": key, "type": "Keyed"}, "c": {"value": 1, "after": "b", "type": "Stamped"}}
    for key in ("first", "second", "third")
}


@pytest.mark.parametrize("then", ["second", "first", "third", "nothing"])
@pytest.mark.parametrize("moment", ["before:create:1", "after:create:1", "before:delete:1", "after:delete:1"])
def test_a_kill_within_a_replacement_leaves_neither_thing_behind(
    home: Path, pulumi_cli: Path, moment: str, then: str
) -> None:
    assert up(home, pulumi_cli, KEYED["first"]).ok
    killed = begin(home, pulumi_cli, KEYED["second"], moment)
    said, _ = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, said
    if then == "nothing":
        assert apply.driver_of(home, pulumi_cli).destroy(apply.STACK).ok
        assert not real(home)
        return
    result = up(home, pulumi_cli, KEYED[then])
    assert result.ok, result.error
    require_converged(home, pulumi_cli, KEYED[then], f"{moment}, then {then}")


RECOVERS = pytest.mark.capability("infrastructure/recovery-automation", by="trueup.apply.recovery:_adopt")


@pytest.mark.parametrize("moment", ["before", pytest.param("after", marks=RECOVERS)])
def test_a_kill_within_a_creation_of_another_identity_leaves_nothing_behind(
    home: Path, pulumi_cli: Path, moment: str
) -> None:
    killed = begin(home, pulumi_cli, KEYED["first"], f"{moment}:create:1")
    said, _ = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, said
    result = up(home, pulumi_cli, KEYED["second"])
    assert result.ok, result.error
    require_converged(home, pulumi_cli, KEYED["second"], moment)


def wait_for_the_end(home: Path) -> None:
    end = time.monotonic() + 60
    while [p for p in psutil.process_iter() if _of(p, home)]:
        assert time.monotonic() < end, "the Pulumi CLI goes on without its driver"
        time.sleep(0.1)


@pytest.fixture
def lasting(pulumi_cli: Path, tmp_path: Path) -> Path:
    """The CLI, which does not end when nobody reads any more what it says of an update."""
    script = tmp_path / "pulumi"
    script.write_text(f"""#!/bin/sh
case " $* " in *" up "*) exec {pulumi_cli} "$@" > {tmp_path}/said 2>&1;; esac
exec {pulumi_cli} "$@"
""")
    script.chmod(0o755)
    return script


def noted(home: Path) -> list[str]:
    """The creations in the provider's journal, by name."""
    return [c.urn.split("::")[-1] for c in journal.left(home, "demo", str(apply.STACK))]


@pytest.mark.parametrize(("moment", "then"), [("before", "first"), ("after", "second"), ("after", "nothing")])
def test_what_pulumi_forgets_when_only_the_apply_is_killed_is_not_left_behind(
    home: Path, pulumi_cli: Path, lasting: Path, moment: str, then: str
) -> None:
    killed = begin(home, lasting, KEYED["first"], f"{moment}:create:1", outlived=True)
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    wait_for_the_end(home)
    state = apply.driver_of(home, pulumi_cli).state(apply.STACK)
    assert state is not None and not state.resources and not state.pending, "Pulumi has forgotten what had begun"
    assert len(real(home)) == (moment == "after") and noted(home) == ["b"]
    wanted = KEYED.get(then, {})
    result = up(home, pulumi_cli, wanted)
    assert result.ok, result.error
    require_converged(home, pulumi_cli, wanted, f"{moment}, then {then}")
    assert not noted(home)


def test_a_replacement_that_pulumi_forgets_leaves_neither_thing_behind(
    home: Path, pulumi_cli: Path, lasting: Path
) -> None:
    assert up(home, pulumi_cli, KEYED["first"]).ok
    assert not noted(home)
    killed = begin(home, lasting, KEYED["second"], "after:create:1", outlived=True)
    killed.communicate(timeout=300)
    wait_for_the_end(home)
    assert {i["key"] for i in real(home)["b"]} == {"second"} and noted(home) == ["b"]
    result = up(home, pulumi_cli, KEYED["third"])
    assert result.ok, result.error
    require_converged(home, pulumi_cli, KEYED["third"], "a forgotten replacement")
    assert not noted(home)


def version(chance: random.Random) -> apply.Wanted:
    """Some of the things, with some values; some depend on the one before."""
    wanted: apply.Wanted = {}
    for name in chance.sample(NAMES, chance.randint(1, len(NAMES))):
        inputs: dict[str, Any] = {"value": chance.randint(0, 2), "slow": chance.choice([0, 0.1, 0.3])}
        kind = {"a": "Keyed", "b": "Keyed"}.get(name, "Stamped")
        if kind == "Keyed":
            inputs["key"] = f"{name}-{chance.randint(0, 2)}"
        if wanted and chance.random() < 0.5:
            inputs["after"] = next(reversed(wanted))
        wanted[name] = {**inputs, "type": kind}
    return wanted


def kill(process: subprocess.Popen[str], victims: str) -> None:
    """Kills the CLI with its children, the driver, or both, the CLI first."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in children if victims != "driver" else []:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    if victims != "cli":
        process.kill()


def test_a_kill_at_a_random_moment_loses_and_doubles_nothing(home: Path, pulumi_cli: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    interrupted = 0
    for trial in range(TRIALS):
        wanted, then = version(chance), version(chance)
        then = wanted if chance.random() < 0.5 else then
        victims, delay = chance.choice(["driver", "cli", "both"]), chance.uniform(0, 1.6)
        about = f"TRUEUP_SEED={SEED}, trial {trial}: {victims} killed after {delay:.3f} s, from {wanted} to {then}"
        process = begin(home, pulumi_cli, wanted)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        kill(process, victims)
        process.communicate(timeout=300)
        result = up(home, pulumi_cli, then)
        assert result.ok, (about, result.error)
        interrupted += bool(result.recovered)
        require_converged(home, pulumi_cli, then, about)
    assert interrupted > TRIALS / 10, "Hardly any kill hit an operation: choose other moments."
