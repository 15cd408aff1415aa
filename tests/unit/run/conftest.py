"""Runs made of commands and functions, in a home of their own, with nothing left behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trueup.run import folders, local, processes
from trueup.run.parsing import parse
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "trueup"))
    home = tmp_path / "home"
    home.mkdir()
    yield home
    for status in local.runs(home):
        local.cancel(home, status.fingerprint)
        local.wait(home, status.fingerprint, 10)
        processes.end_leftovers(folders.run_folder(home, status.fingerprint))


@pytest.fixture
def request_of() -> Callable[..., RunRequest]:
    """A request from steps as the compiler writes them."""

    def made(*steps: dict[str, Any], **more: Any) -> RunRequest:
        mark = more.pop("fingerprint", f"f{uuid.uuid4().hex}")
        return parse({"fingerprint": mark, "pipeline": "credit/training", "steps": list(steps), **more})

    return made


@pytest.fixture
def run(home: Path, request_of: Callable[..., RunRequest]) -> Callable[..., RunStatus]:
    """Submits and waits for the end."""

    def done(*steps: dict[str, Any], seconds: float = 60, **more: Any) -> RunStatus:
        request = request_of(*steps, **more)
        local.submit(home, request)
        found = local.wait(home, request.fingerprint, seconds)
        assert found is not None
        return found

    return done
