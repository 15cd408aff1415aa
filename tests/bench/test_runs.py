"""Steps in the local runner beside bare subprocesses that do the same: what a step costs, and whether two go side by side."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trueup.run import folders, local, processes
from trueup.run.parsing import parse
from trueup.run.states import RunStatus

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
ROUNDS, STEPS, SECONDS = 3, 4, 1.0
WORK = """\
import hashlib
import os
from pathlib import Path

def work(result):
    Path(result).write_text(hashlib.pbkdf2_hmac("sha256", b"a", b"b", {rounds}).hex())

if __name__ == "__main__":
    work(os.environ["TRUEUP_OUTPUT_RESULT"])
"""
OUTPUT = {"result": {"type": "file", "path": "result.txt"}}
BARE = {
    "run": ["python", "work.py"],
    "uses": ["python", "-c", "import os, work; work.work(os.environ['TRUEUP_OUTPUT_RESULT'])"],
}
STEP: dict[str, dict[str, Any]] = {"run": {"run": "python work.py"}, "uses": {"uses": "work.py:work"}}


@pytest.fixture(scope="session")
def rounds() -> int:
    """How much work takes about a second of one core here."""
    begun = time.process_time()
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 1_000_000)
    return round(1_000_000 * SECONDS / (time.process_time() - begun))


@pytest.fixture
def home(tmp_path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace's home with the code of the steps, and with nothing left running."""
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "trueup"))
    home = tmp_path / "home"
    (home / "trees" / "code").mkdir(parents=True)
    (home / "trees" / "code" / "work.py").write_text(WORK.format(rounds=rounds))
    yield home
    for status in local.runs(home):
        local.cancel(home, status.fingerprint)
        processes.end_leftovers(folders.run_folder(home, status.fingerprint))


@dataclass(frozen=True)
class Took:
    """Seconds on the wall and of CPU, that of all processes that ended meanwhile counted."""

    wall: float
    cpu: float

    def __sub__(self, other: Took) -> Took:
        return Took(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, count: int) -> Took:
        return Took(self.wall / count, self.cpu / count)

    def __str__(self) -> str:
        return f"{1000 * self.wall:.0f} ms (CPU {1000 * self.cpu:.0f} ms)"


def timed(do: Callable[[], Any]) -> Took:
    before, begun = os.times(), time.perf_counter()
    do()
    wall, after = time.perf_counter() - begun, os.times()
    return Took(wall, sum(after[:4]) - sum(before[:4]))


def best(of: list[Took]) -> Took:
    """The least of each: what else the machine does only ever adds."""
    return Took(min(t.wall for t in of), min(t.cpu for t in of))


def started(home: Path, kind: str, number: int) -> subprocess.Popen[bytes]:
    """A bare subprocess that does what a step does."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "TRUEUP_OUTPUT_RESULT": str(home / f"result-{number}.txt")}
    return subprocess.Popen(BARE[kind], cwd=home / "trees" / "code", env=variables)


def one_by_one(home: Path, kind: str, count: int) -> None:
    for number in range(count):
        assert started(home, kind, number).wait() == 0


def side_by_side(home: Path, kind: str, count: int) -> None:
    assert [p.wait() for p in [started(home, kind, n) for n in range(count)]] == [0] * count


def run(home: Path, kind: str, count: int, chained: bool, concurrency: int) -> RunStatus:
    """A run from its submission to its end; parameters of their own keep its steps from results that were kept."""
    steps = [
        {"name": f"step-{n}", "with": {"number": n}, "outputs": OUTPUT, **STEP[kind]}
        | ({"needs": [f"step-{n - 1}"]} if chained and n else {})
        for n in range(count)
    ]
    mark = uuid.uuid4().hex
    more = {"params": {"mark": mark}, "code": {"uri": "home:trees/code", "tree": "code"}, "concurrency": concurrency}
    local.submit(home, parse({"fingerprint": mark, "pipeline": "bench/work", "steps": steps, **more}))
    found = local.wait(home, mark, 120)
    assert found is not None and found.outcome == "succeeded" and found.runner is not None, found
    assert {s.phase for s in found.steps} == {"succeeded"}, found
    return found


def to_the_end(status: RunStatus) -> None:
    """Waits for the runner, a child of this process, so that its CPU and that of its steps is counted."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(status.runner.pid, 0)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", list(STEP))
def test_overhead_of_a_step(home: Path, kind: str, quiet: Callable[[], None]) -> None:
    one_by_one(home, kind, 1)
    assert len(run(home, kind, STEPS, True, 1).steps) == STEPS  # and byte code and files are in memory for both
    bare, ours, single = [], [], []
    for _ in range(ROUNDS):
        quiet()
        bare.append(timed(lambda: one_by_one(home, kind, STEPS)))
        ours.append(timed(lambda: to_the_end(run(home, kind, STEPS, True, 1))))
        single.append(timed(lambda: to_the_end(run(home, kind, 1, True, 1))))
    chain, other, one = best(ours), best(bare), best(single)
    print(
        f"\nrun of {STEPS} steps (`{kind}`) of a second: {chain.wall:.2f} s, by bare subprocesses {other.wall:.2f} s: "
        f"{chain.wall / other.wall:.2f} x (goal <= 1.2 x); CPU {chain.cpu / other.cpu:.2f} x"
    )
    step = (chain - one) / (STEPS - 1) - other / STEPS
    start = one - other / STEPS - step
    print(f"  added by a step: {step}; by the start and end of a run: {start}")
    print(f"  run of one such step: {one.wall:.2f} s, bare {other.wall / STEPS:.2f} s")


@pytest.mark.parametrize("kind", list(STEP))
def test_two_steps_side_by_side(home: Path, kind: str, quiet: Callable[[], None]) -> None:
    run(home, kind, 1, True, 1)
    apart, together, whole, machine, alone = [], [], [], [], []
    for _ in range(ROUNDS):
        quiet()
        one = run(home, kind, 2, False, 1)
        apart.append(sum((s.ended or 0) - (s.started or 0) for s in one.steps))
        begun = time.perf_counter()
        both = run(home, kind, 2, False, 2)
        whole.append(time.perf_counter() - begun)
        begins, ends = [s.started or 0 for s in both.steps], [s.ended or 0 for s in both.steps]
        assert max(begins) < min(ends), "one step waited for the other"
        together.append(max(ends) - min(begins))
        alone.append(timed(lambda: one_by_one(home, kind, 2)).wall)
        machine.append(timed(lambda: side_by_side(home, kind, 2)).wall)
    total = min(apart)
    print(
        f"\ntwo independent steps (`{kind}`): {min(together):.2f} s, their sum one after the other {total:.2f} s: "
        f"{min(together) / total:.2f} x (goal <= 0.6 x)"
    )
    print(
        f"  bare subprocesses on this machine: {min(machine) / min(alone):.2f} x; with start and end of the run {min(whole):.2f} s"
    )
