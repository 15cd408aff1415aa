"""One step as a process: its folder, environment, limits, and what it came to. Called by the executor, in a thread for each step."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup import places, tracking
from trueup.run import cores, environments, folders, logs
from trueup.run.parameters import text, variable
from trueup.run.processes import MARK, identity, resident, signal_group
from trueup.run.requests import RunRequest, Step
from trueup.run.states import Identity

PASSED_ON = (
    *(
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""Variables of the runner that a step sees; never credentials of apply, state or forge."""
LOOK_SECONDS = 0.25
GRACE_SECONDS = 5.0
TAIL = 15
FINAL = 3


@dataclass(frozen=True)
class Ended:
    """What a try came to: `reason` is empty for success."""

    reason: str = ""
    final: bool = False
    exit_code: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    cancelled: bool = False


def context(request: RunRequest, step: Step, run: Path, home: Path, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """The step's context as JSON: `home:` URIs resolved, no secret."""
    folder = folders.step_folder(run, step.name)

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: resolved(v) for k, v in value.items()}
        return places.resolve(home, value) if isinstance(value, str) and value.startswith(places.SCHEME) else value

    uri = request.tracking_uri or ""
    return {
        "name": step.name,
        "parameters": step.parameters,
        "inputs": {n: str(p) for n, p in inputs.items()},
        "outputs": {n: str(folder / o.path) for n, o in step.outputs.items()},
        "params": request.params,
        "seed": request.seed,
        "fingerprint": request.fingerprint,
        "pipeline": request.pipeline,
        "project": request.project,
        "environment": request.environment,
        "commit": request.commit,
        "code_tree": request.code.tree if request.code else "",
        "lock_digest": request.lock.digest if request.lock else "",
        "lock_file": places.resolve(home, request.lock.uri) if request.lock else None,
        "datasets": {n: resolved(d) for n, d in request.datasets.items()},
        "features": resolved(request.features) if request.features else None,
        "model": request.model,
        "tracking_uri": tracking.tracking_uri(home, uri) if uri else "",
        "artifact_root": tracking.artifact_root(home, uri) if uri else "",
        "allowed_estimators": list(request.allowed_estimators),
        "holdout": str(run / folders.HOLDOUT),
    }


def attempt(
    request: RunRequest,
    step: Step,
    run: Path,
    inputs: Mapping[str, Path],
    python: Path,
    cancelled: Callable[[], bool],
    started: Callable[[Identity | None], None],
) -> Ended:
    """Runs a step once in a process group of its own, within its time and memory."""
    home = folders.home_of(run)
    folder = folders.step_folder(run, step.name)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".trueup" / "home").mkdir(parents=True)
    code = Path(places.resolve(home, request.code.uri)) if request.code else folder
    described = {
        "kind": step.kind,
        "uses": step.uses,
        "code": str(code),
        "context": context(request, step, run, home, inputs),
    }
    (folder / ".trueup" / "step.json").write_text(json.dumps(described), encoding="utf-8")
    for output in step.outputs.values():
        (folder / output.path).parent.mkdir(parents=True, exist_ok=True)
    if step.kind == "command" and request.code:
        _lay_out(code, folder, step)
    log = folders.step_log(run, step.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream, cores.given(step.limits.cpu_limit) as allowed:
        process = subprocess.Popen(
            _command(step, python),
            cwd=folder,
            env=_variables(request, step, run, inputs, python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if step.env else stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if allowed is not None:
            _confine(process.pid, allowed)
        masking = logs.Masking(process.stdout, stream, step.env.values()) if process.stdout is not None else None
        started(identity(process.pid))
        stopped = _watch(process, step, cancelled)
        if masking is not None:
            masking.finish()
    return stopped or _result(process.returncode, step, folder, log)


def _lay_out(code: Path, folder: Path, step: Step) -> None:
    """Shows a command the code where it runs, by links: what it writes beside it lands in its own folder, not in the code."""
    taken = {Path(o.path).parts[0] for o in step.outputs.values()} | {".trueup"}
    for entry in code.iterdir():
        if entry.name not in taken:
            (folder / entry.name).symlink_to(entry)


def _confine(pid: int, allowed: frozenset[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.sched_setaffinity(pid, allowed)


def _command(step: Step, python: Path) -> list[str]:
    if step.kind != "command":
        return [str(python), "-m", "trueup.steps.main"]
    return ["sh", "-e", "-c", step.run] if isinstance(step.run, str) else list(step.run)


def _variables(request: RunRequest, step: Step, run: Path, inputs: Mapping[str, Path], python: Path) -> dict[str, str]:
    folder = folders.step_folder(run, step.name)
    found = {k: os.environ[k] for k in PASSED_ON if k in os.environ}
    threads = max(1, round(step.limits.cpu_limit or step.limits.cpu or 1))
    found |= {
        "PATH": f"{python.parent}{os.pathsep}{found.get('PATH', os.defpath)}",
        "HOME": str(folder / ".trueup" / "home"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": str(threads),
        "TRUEUP_STEP": step.name,
        MARK: str(run),
        **{variable(n): text(v) for n, v in request.params.items()},
        **{_name("INPUT", n): str(p) for n, p in inputs.items()},
        **{_name("OUTPUT", n): str(folder / o.path) for n, o in step.outputs.items()},
        **step.env,
    }
    if step.kind == "command":
        # Bytecode goes to a folder of its own: the code that a command sees is shared. Libraries start several times faster with it.
        found["PYTHONPYCACHEPREFIX"] = str(places.cache() / "bytecode")
    if path := environments.search_path():
        found["PYTHONPATH"] = path
    found["TRUEUP_METRICS"] = str(folder / ".trueup" / "metrics.json")
    return found


def _name(prefix: str, name: str) -> str:
    return f"TRUEUP_{prefix}_" + "".join(c if c.isalnum() else "_" for c in name).upper()


def _watch(process: subprocess.Popen[bytes], step: Step, cancelled: Callable[[], bool]) -> Ended | None:
    """Waits for the process; ends it where it may not go on, and says why."""
    deadline = time.monotonic() + step.timeout
    handle = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    try:
        while not poll.poll(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())) * 1000):
            if reason := _too_much(process, step, deadline, cancelled):
                _end(process)
                return reason
        process.wait()
        return None
    finally:
        os.close(handle)
        signal_group(process.pid, signal.SIGKILL)


def _too_much(
    process: subprocess.Popen[bytes], step: Step, deadline: float, cancelled: Callable[[], bool]
) -> Ended | None:
    if cancelled():
        return Ended("It was cancelled.", final=True, cancelled=True)
    if time.monotonic() >= deadline:
        return Ended(f"It took longer than its timeout of {step.timeout:g} s.")
    limit = step.limits.memory_limit
    if limit is not None and (used := resident(process.pid)) > limit:
        return Ended(f"It used {used / 2**20:.0f} MiB of memory; its limit is {limit / 2**20:.0f} MiB.", final=True)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _result(code: int, step: Step, folder: Path, log: Path) -> Ended:
    path = folder / ".trueup" / ("result.json" if step.kind != "command" else "metrics.json")
    _mask(path, step)
    found = _read(path) if step.kind != "command" else {"metrics": _read(path)}
    if code != 0:
        said = str(found.get("error") or f"It ended with code {code}.")
        reason = said if step.kind == "builtin" else f"{said} {tail(log)}".strip()
        return Ended(reason, final=code == FINAL, exit_code=code)
    metrics, wrong = _metrics(found.get("metrics") or {})
    if wrong:
        return Ended(wrong, final=True)
    absent = [m for m in step.metrics if m not in metrics]
    if absent:
        return Ended(f"It did not report its metric {', '.join(absent)}.", final=True)
    return Ended(metrics=metrics)


def _metrics(reported: Any) -> tuple[dict[str, float], str]:
    """The metrics as numbers, or what is wrong with them."""
    if not isinstance(reported, dict):
        return {}, "Its metrics must be a JSON object of names and numbers."
    for name, value in reported.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            return {}, f"Its metric {name} is {value!r:.80}; a metric must be a finite number."
    return {str(k): float(v) for k, v in reported.items()}, ""


def _mask(path: Path, step: Step) -> None:
    """Takes the values of `env` out of what the step wrote about itself: an error may quote one."""
    if step.env and path.exists():
        text = path.read_text(encoding="utf-8", errors="replace")
        path.write_text(logs.masked(text, step.env.values()), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def tail(log: Path) -> str:
    """The last lines that a step printed."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    except OSError:
        return ""
    return "It said last:\n" + "\n".join(f"    {line}" for line in lines) if lines else ""
