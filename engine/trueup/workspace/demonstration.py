"""`trueup demo`: the whole loop in a repository of its own, by the commands that a user would type. Called by the CLI."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trueup import places
from trueup.workspace import beginning
from trueup.workspace.opening import WorkspaceError, open_workspace
from trueup.workspace.operating import urls

ENVIRONMENT, ENDPOINT, DATA = "dev", "Endpoint/credit/risk", "data/credit.csv"
NUMBERS = ("INT", "UINT", "FP")


def demonstrate(folder: Path | None, keep: bool, emit: Callable[[str], None]) -> int:
    """Makes the quickstart, applies it, asks it for a prediction and shows the ledger; the exit code of what failed, else 0."""
    top = Path(tempfile.mkdtemp(prefix="trueup-demo-")) if folder is None else folder.resolve()
    place = top / "credit" if folder is None else top
    began = time.monotonic()
    emit(f"$ trueup init {place}")
    made = beginning.begin(place, "credit")
    home = places.home(made.name, made.folder)
    try:
        code = _loop(place, emit)
    finally:
        if not keep:
            _tidy(place, home, top if folder is None else place)
    emit(f"The demo took {time.monotonic() - began:.0f} s." + _left(place, keep))
    return code


def _loop(place: Path, emit: Callable[[str], None]) -> int:
    for arguments in (["validate"], ["plan", ENVIRONMENT], ["apply", ENVIRONMENT, "--yes"], ["status", ENVIRONMENT]):
        if code := _command(place, arguments, emit):
            return code
    _predict(place, emit)
    _command(place, ["plan", ENVIRONMENT], emit)
    return _command(place, ["audit", "log"], emit) or _command(place, ["audit", "verify"], emit)


def _command(place: Path, arguments: list[str], emit: Callable[[str], None]) -> int:
    """Runs a command as a user would, with its output on the user's terminal."""
    emit(f"\n$ trueup {' '.join(arguments)}")
    program = [sys.executable, "-c", "from trueup.cli.main import run; run()", *arguments]
    return subprocess.run(program, cwd=place, check=False, env=_variables()).returncode


def _variables() -> dict[str, str]:
    """The process's own, but not CI's mark: this state is meant to go with the demo."""
    import os

    return {k: v for k, v in os.environ.items() if k != "CI"}


def _predict(place: Path, emit: Callable[[str], None]) -> None:
    """Asks the endpoint, through the gateway, about the first rows of the data."""
    workspace = open_workspace(place)
    base = urls(workspace.ledger.recorded(), ENVIRONMENT).get(ENDPOINT)
    if base is None:
        raise WorkspaceError(f"{ENDPOINT} answers nowhere: see `trueup status {ENVIRONMENT}`.")
    address = f"{base}/v2/models/risk"
    described = _asked(address, None)
    with (place / DATA).open(encoding="utf-8", newline="") as stream:
        rows = [row for row, _ in zip(csv.DictReader(stream), range(3), strict=False)]
    body = {"inputs": [_tensor(field, rows) for field in described["inputs"]]}
    emit(f"\n$ curl -d @rows.json {address}/infer")
    answer = _asked(f"{address}/infer", body)
    for output in answer["outputs"]:
        emit(f"  {output['name']}: {output['data']}")


def _tensor(field: Mapping[str, Any], rows: list[dict[str, str]]) -> dict[str, Any]:
    """A column of the rows as the Open Inference Protocol takes it."""
    numeric = str(field["datatype"]).startswith(NUMBERS)
    data = [_value(row[field["name"]], numeric) for row in rows]
    return {"name": field["name"], "datatype": field["datatype"], "shape": [len(rows)], "data": data}


def _value(text: str, numeric: bool) -> Any:
    return (float(text) if text else None) if numeric else (text or None)


def _asked(url: str, body: Mapping[str, Any] | None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def _tidy(place: Path, home: Path, top: Path) -> None:
    """Stops the servers, and removes the repository and its state."""
    if (place / ".git").exists():
        program = [sys.executable, "-c", "from trueup.cli.main import run; run()", "down", ENVIRONMENT]
        subprocess.run(program, cwd=place, check=False, capture_output=True, env=_variables())
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(top, ignore_errors=True)


def _left(place: Path, keep: bool) -> str:
    if not keep:
        return " Its servers are stopped and its files removed; `trueup demo --keep` leaves them, `trueup init` makes your own."
    return f" It goes on in {place}: cd there, change C in model.yaml, commit, and type `trueup plan {ENVIRONMENT}`."
