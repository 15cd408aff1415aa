"""A run outlives whoever submitted it, survives the kill of its runner, and is one run however often it is submitted."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from trueup.run import local, processes, requests
from trueup.run.requests import RunRequest

SUBMIT = """
import sys
from pathlib import Path
from trueup.run import local, requests
local.submit(Path(sys.argv[1]), requests.read(Path(sys.argv[2])))
"""


def until(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def marks(*paths: Path) -> list[int]:
    return [p.read_text().count("x") if p.exists() else 0 for p in paths]


@pytest.fixture
def three(request_of: Callable[..., RunRequest], tmp_path: Path) -> tuple[RunRequest, list[Path]]:
    """Three steps one after the other; the second is slow. Each leaves an x when it begins."""
    left = [tmp_path / n for n in "abc"]
    steps = [
        {"name": "a", "run": f"echo x >> {left[0]}", "cache": False},
        {"name": "b", "run": f"echo x >> {left[1]}; sleep 3", "needs": ["a"], "cache": False},
        {"name": "c", "run": f"echo x >> {left[2]}", "needs": ["b"], "cache": False},
    ]
    return request_of(*steps), left


def test_a_run_outlives_its_submitter(home: Path, tmp_path: Path, three: tuple[RunRequest, list[Path]]) -> None:
    request, left = three
    requests.write(request, tmp_path / "request.json")
    submitter = subprocess.Popen(
        [sys.executable, "-c", SUBMIT, str(home), str(tmp_path / "request.json")], start_new_session=True
    )
    assert until(lambda: marks(left[1]) == [1])
    submitter.wait(20)
    processes.signal_group(submitter.pid, signal.SIGKILL)
    assert local.wait(home, request.fingerprint, 30).outcome == "succeeded"
    assert marks(*left) == [1, 1, 1]


def test_a_killed_runner_is_seen_and_goes_on_without_doing_a_step_twice(
    home: Path, three: tuple[RunRequest, list[Path]]
) -> None:
    request, left = three
    runner = local.submit(home, request).runner
    assert until(lambda: marks(left[1]) == [1])
    os.kill(runner.pid, signal.SIGKILL)
    assert until(lambda: local.status(home, request.fingerprint).outcome == "interrupted")
    assert local.submit(home, request).outcome == "running"
    assert local.wait(home, request.fingerprint, 30).outcome == "succeeded"
    assert marks(*left) == [1, 2, 1], "a is not run again; b was not done and is"


def test_submitting_twice_attaches(home: Path, three: tuple[RunRequest, list[Path]]) -> None:
    request, left = three
    first = local.submit(home, request)
    assert local.submit(home, request).runner == first.runner
    assert local.wait(home, request.fingerprint, 30).outcome == "succeeded"
    assert local.submit(home, request).outcome == "succeeded"
    assert marks(*left) == [1, 1, 1]


def test_several_submitters_at_once_make_one_run(
    home: Path, tmp_path: Path, three: tuple[RunRequest, list[Path]]
) -> None:
    request, left = three
    requests.write(request, tmp_path / "request.json")
    command = [sys.executable, "-c", SUBMIT, str(home), str(tmp_path / "request.json")]
    assert [p.wait(60) for p in [subprocess.Popen(command) for _ in range(4)]] == [0, 0, 0, 0]
    assert local.wait(home, request.fingerprint, 30).outcome == "succeeded"
    assert marks(*left) == [1, 1, 1]


def test_a_cancelled_run_ends_and_can_go_on(home: Path, three: tuple[RunRequest, list[Path]]) -> None:
    request, left = three
    local.submit(home, request)
    assert until(lambda: marks(left[1]) == [1])
    assert local.cancel(home, request.fingerprint)
    assert until(lambda: local.status(home, request.fingerprint).finished)
    assert local.status(home, request.fingerprint).outcome == "cancelled"
    assert marks(left[2]) == [0]
    assert not local.cancel(home, request.fingerprint)
    local.submit(home, request)
    assert local.wait(home, request.fingerprint, 30).outcome == "succeeded"
    assert marks(*left) == [1, 2, 1]


def test_a_clock_that_is_set_anew_takes_no_runner_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = processes.identity(os.getpid())
    linux = pytest.importorskip("psutil._pslinux", reason="elsewhere psutil keeps no time of the boot")
    # As a process that began after the clock was set reads it.
    monkeypatch.setattr(linux, "BOOT_TIME", psutil.boot_time() + 60)
    assert processes.alive(recorded)
    assert not processes.alive(dataclasses.replace(recorded, started="1"))
