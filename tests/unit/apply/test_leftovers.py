"""What killed processes leave: when they count as gone, and a lock that is written with the last call of one."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trueup.apply import processes, recovery
from trueup.apply.locks import LockedError
from trueup.apply.recovery import Held
from trueup.kernel import ending, started_at
from trueup_stacks.core.resources import Secret, Stack, StackId

STACK = StackId("dev", "churn", "model")
EXIT_OF_A_THREAD = {"x86_64": 60, "aarch64": 93}
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def none(reference: Secret) -> str:
    raise AssertionError(f"no secret was expected, and {reference} was asked for")


@contextmanager
def running(*command: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def await_(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def status(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def of(pid: int) -> Held:
    return Held("someone", processes.host(), pid, datetime.now(UTC))


@linux
def test_a_lock_of_a_process_that_was_not_waited_for_is_stale() -> None:
    with running("sleep", "60") as process:
        assert not of(process.pid).stale(None)
        process.kill()
        await_(lambda: status(process.pid) == "Z")
        assert of(process.pid).stale(None)


@linux
@pytest.mark.skipif(platform.machine() not in EXIT_OF_A_THREAD, reason="the number of the call is not known here")
def test_a_process_whose_first_thread_has_ended_still_runs() -> None:
    program = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        f"print(flush=True); ctypes.CDLL(None).syscall({EXIT_OF_A_THREAD.get(platform.machine())}, 0)"
    )
    with running(sys.executable, "-c", program) as process:
        before = started_at(process.pid)
        await_(lambda: status(process.pid) == "Z")
        assert before is not None and started_at(process.pid) == before and ending(process.pid)
        process.kill()
        await_(lambda: started_at(process.pid) is None)
        assert not ending(process.pid)


@linux
def test_what_is_about_to_become_the_cli_is_ended_with_an_operation(tmp_path: Path) -> None:
    beginning = Path(shutil.copy(shutil.which("sleep") or "", tmp_path / "setpriv"))
    with (
        running(str(beginning), "60", environment={processes.MARK: "ours"}) as ours,
        running(str(beginning), "60", environment={processes.MARK: "theirs"}) as theirs,
        running("sleep", "60", environment={processes.MARK: "ours"}) as outlives,
    ):
        await_(lambda: Path(f"/proc/{ours.pid}/comm").read_text().strip() == "setpriv")
        assert processes.end_operation("ours", None) == (ours.pid,)
        assert started_at(ours.pid) is None and ours.wait() == -signal.SIGKILL
        assert theirs.poll() is None and outlives.poll() is None


@linux
def test_a_cli_that_something_else_kills_is_waited_for() -> None:
    with running("sleep", "0.6") as process:
        began = time.monotonic()
        assert processes.end_operation("ours", processes.identify(process.pid)) == ()
        assert started_at(process.pid) is None and time.monotonic() - began > 0.3


def leave(home: Path, pid: int) -> Path:
    """Writes a lock as Pulumi does, of a process of this machine."""
    path = home / "state/.pulumi/locks/organization/demo" / str(STACK) / "0d7f2b5e-0000-4000-8000-000000000000.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "pid": pid,
        "username": "someone",
        "hostname": processes.host(),
        "timestamp": datetime.now(UTC).isoformat(),
    }
    path.write_text(json.dumps(found))
    return path


@pytest.mark.slow
def test_a_lock_that_recovery_did_not_see_is_cleared_where_its_owner_is_gone(
    driver: Any, home: Path, thing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Stack(STACK, (thing("first", 2),))
    assert driver.up(Stack(STACK, (thing("first", 1),)), {}, none).ok
    monkeypatch.setattr(recovery, "locks_in", lambda *_: [])
    with running("sleep", "60") as living:
        lock = leave(home, living.pid)
        with pytest.raises(LockedError, match=f"process {living.pid}.*pulumi cancel"):
            driver.up(wanted, {}, none)
        assert lock.exists()
    said: list[str] = []
    result = driver.up(wanted, {}, none, lambda event: said.append(event.message))
    assert result.ok, result.error
    assert f"Pulumi's own lock of someone@{processes.host()} (process {living.pid})" in result.recovered[0]
    assert result.recovered[0] in said
    assert not lock.exists() and [s.action for s in result.changed] == ["update"]
    assert driver.up(wanted, {}, none).recovered == ()
