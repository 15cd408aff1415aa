"""Looking at a run while it goes on: which step runs, what it says, which numbers there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trueup.run import local
from trueup.run.requests import RunRequest


@pytest.mark.capability("model-development/training-monitoring", by="trueup.run.local:wait")
def test_a_run_is_watched_while_it_goes_on(home: Path, request_of: Callable[..., RunRequest]) -> None:
    request = request_of(
        {"name": "quick", "run": 'echo \'{"rows": 12}\' > "$TRUEUP_METRICS"', "cache": False},
        {"name": "slow", "run": "echo epoch 1; sleep 3; echo epoch 2", "needs": ["quick"], "cache": False},
    )
    local.submit(home, request)
    said: list[str] = []
    end = time.monotonic() + 30
    while "epoch 1" not in (lines := list(local.logs(home, request.fingerprint))) and time.monotonic() < end:
        time.sleep(0.05)
    going = local.wait(home, request.fingerprint, 0.5, said=said.append)
    assert going is not None and going.outcome == "running"
    assert going.metrics == {"quick.rows": 12.0}
    assert lines == ["== quick: succeeded", "== slow: running", "epoch 1"]
    done = local.wait(home, request.fingerprint, 20, said=said.append)
    assert done is not None and done.outcome == "succeeded"
    assert "running slow" in said
    assert list(local.logs(home, request.fingerprint))[-1] == "epoch 2"
    assert [r.fingerprint for r in local.runs(home)] == [request.fingerprint]
