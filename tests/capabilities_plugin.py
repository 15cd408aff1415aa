"""The pytest plugin of `tests/capabilities.py`: writes claims at collection and outcomes as tests end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_outcomes: dict[str, dict[str, Any]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Writes every `capability` mark to the file that `TRUEUP_CLAIMS` names; tests that are chosen run in the order of their file."""
    items.sort(key=lambda item: (item.location[0], item.location[1] or 0))
    if not (target := os.environ.get("TRUEUP_CLAIMS")):
        return
    found: dict[tuple[str, str, str], None] = {}
    for item in items:
        for mark in item.iter_markers("capability"):
            found[(str(mark.args[0]), str(mark.kwargs["by"]), item.nodeid)] = None
    once: dict[tuple[str, str], str] = {}
    for id, by, test in found:
        once.setdefault((id, by), test)
    claims = [{"id": id, "by": by, "test": test} for (id, by), test in sorted(once.items())]
    Path(target).write_text(json.dumps(claims))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Notes how a test ended, and whether by an assertion in the test's own folder."""
    result = yield
    report = result.get_result()
    if not (target := os.environ.get("TRUEUP_OUTCOMES")):
        return
    if report.when == "call" or report.outcome != "passed":
        error = call.excinfo
        text = "" if error is None else f"{error.typename}: {error.value}"
        outcome = (
            report.outcome
            if report.when == "call" or report.outcome == "skipped"
            else f"{report.when} {report.outcome}"
        )
        asserted = error is not None and (
            error.errisinstance(AssertionError) or (error.typename == "Failed" and "DID NOT RAISE" in str(error.value))
        )
        if "Timeout" in text:
            outcome = "timed out"
        _outcomes.setdefault(item.nodeid, {"outcome": outcome, "assertion": asserted, "text": text[:600]})
        Path(target).write_text(json.dumps(_outcomes))
