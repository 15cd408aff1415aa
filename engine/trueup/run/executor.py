"""The steps of a run in their order, side by side where they may. Runs in the runner's own process; the state file says how far it is."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trueup import waiting
from trueup.run import execution, folders, graph, results, states
from trueup.run.execution import Ended
from trueup.run.requests import RunRequest, Step
from trueup.run.states import DONE, RunStatus, StepStatus
from trueup_specs.core import expressions
from trueup_specs.core.expressions import ExpressionError
from trueup_specs.core.steps import BUILTIN


class Executor:
    """One run. `cancelled` is asked often; `status` is what the state file holds."""

    def __init__(
        self, request: RunRequest, run: Path, python: Path, status: RunStatus, cancelled: Callable[[], bool]
    ) -> None:
        self.request, self.run, self.python = request, run, python
        self.status = status
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._failed = threading.Event()

    def execute(self) -> RunStatus:
        """Runs what is not done yet; the status at the end."""
        sorter = graph.sorter(self.request.steps)
        running: dict[Future[bool], str] = {}
        with ThreadPoolExecutor(max(1, self.request.concurrency), thread_name_prefix="step") as pool:
            while sorter.is_active():
                for name in sorter.get_ready():
                    running[pool.submit(self._step, self.request.step(name))] = name
                if not running:
                    break
                for future in waiting.first_ended(running):
                    if future.result():
                        sorter.done(running[future])
                    del running[future]
        return self._ended()

    def _ended(self) -> RunStatus:
        if self._cancelled():
            outcome, reason = "cancelled", "It was cancelled."
        elif failed := [s for s in self.status.steps if s.phase == "failed"]:
            outcome, reason = "failed", "; ".join(f"The step {s.name!r} failed: {s.reason}" for s in failed)
        else:
            outcome, reason = "succeeded", ""
        version, uri, tracked = self._registered() if outcome == "succeeded" else (None, "", "")
        self._set(
            outcome=outcome,
            reason=reason,
            ended=time.time(),
            model_version=version,
            model_uri=uri,
            tracking_run=tracked,
        )
        return self.status

    def _registered(self) -> tuple[int | None, str, str]:
        """The model version that a `register` step made."""
        for step in self.request.steps:
            path = folders.step_folder(self.run, step.name) / "version.json"
            if step.uses == "register" and path.exists():
                found = json.loads(path.read_text(encoding="utf-8"))
                return int(found["version"]), str(found["uri"]), str(found["runId"])
        return None, "", ""

    def _step(self, step: Step) -> bool:
        """One step, however often it takes; whether what comes after may begin."""
        if self._failed.is_set() or self._cancelled():
            return False
        before = self.status.step(step.name)
        if before.phase in DONE and self._intact(step, before):
            return True
        try:
            if (skip := self._skipped(step)) is not None:
                self._mark(step, phase="skipped", reason=skip, started=time.time(), ended=time.time())
                return True
            return self._cached(step) or self._tried(step)
        except ExpressionError as error:
            return self._broken(step, f"Its condition has no answer: {error}")
        except OSError as error:
            return self._broken(step, f"It cannot be run: {error}")
        except Exception as error:  # noqa: BLE001 — whatever goes wrong is said in the state, or the run would end without a word
            traceback.print_exc()
            return self._broken(step, f"This is a bug of Trueup's runner: {type(error).__name__}: {error}")

    def _broken(self, step: Step, reason: str) -> bool:
        self._mark(step, phase="failed", ended=time.time(), reason=reason, process=None)
        self._failed.set()
        return False

    def _intact(self, step: Step, before: StepStatus) -> bool:
        if before.phase == "skipped":
            return True
        folder = folders.step_folder(self.run, step.name)
        return all((folder / o.path).exists() for o in step.outputs.values())

    def _skipped(self, step: Step) -> str | None:
        """Why a step is not run; None where it is. Raises ExpressionError where its condition has no answer."""
        sources = {s for s, _ in step.inputs.values()}
        if gone := sorted(s for s in sources if self.status.step(s).phase == "skipped"):
            return f"The step {gone[0]!r}, whose output it takes, was skipped."
        if step.when is None:
            return None
        known = {s.name: {"metrics": s.metrics, "phase": s.phase} for s in self.status.steps}
        condition = expressions.compile(step.when, ("params", "steps"))
        holds = condition.holds({"params": self.request.params, "steps": known})
        return None if holds else f"Its condition {step.when!r} is false."

    def _inputs(self, step: Step) -> dict[str, Path]:
        found = {}
        for name, (source, output) in step.inputs.items():
            found[name] = folders.step_folder(self.run, source) / self.request.step(source).outputs[output].path
        return found

    def _key(self, step: Step) -> str | None:
        builtin = BUILTIN.get(step.uses) if step.kind == "builtin" else None
        if not step.cache or step.env or (builtin is not None and not builtin.cacheable):
            return None
        digests = {n: self.status.step(s).digests.get(o, "") for n, (s, o) in step.inputs.items()}
        return results.key(self.request, step, digests)

    def _holdout(self, step: Step) -> Path | None:
        return self.run / folders.HOLDOUT if step.uses == "split" else None

    def _cached(self, step: Step) -> bool:
        mark = self._key(step)
        folder = folders.step_folder(self.run, step.name)
        began = time.time()
        metrics = results.restore(folders.home_of(self.run), mark, step, folder, self._holdout(step)) if mark else None
        if metrics is None:
            return False
        self._mark(
            step,
            phase="cached",
            started=began,
            ended=time.time(),
            metrics=metrics,
            digests=results.digests(step, folder),
            reason="",
        )
        return True

    def _tried(self, step: Step) -> bool:
        for number in range(1, step.retry.limit + 2):
            self._mark(step, phase="running", attempts=number, started=time.time(), ended=None, reason="")
            ended = self._attempt(step)
            if not ended.reason:
                return True
            if ended.final or number > step.retry.limit:
                break
            pause = step.retry.wait(number)
            self._mark(step, reason=f"Try {number} failed and it is tried again in {pause:g} s: {ended.reason}")
            if self._paused(pause):
                break
        self._mark(
            step, phase="failed", ended=time.time(), reason=ended.reason, exit_code=ended.exit_code, process=None
        )
        self._failed.set()
        return False

    def _paused(self, seconds: float) -> bool:
        """Waits; whether it was cancelled meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._cancelled() or self._failed.is_set():
                return True
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))
        return False

    def _attempt(self, step: Step) -> Ended:
        def started(process: Any) -> None:
            self._mark(step, process=process)

        stop = self._cancelled
        ended = execution.attempt(self.request, step, self.run, self._inputs(step), self.python, stop, started)
        if ended.reason:
            return ended
        folder = folders.step_folder(self.run, step.name)
        try:
            digests = results.digests(step, folder)
        except FileNotFoundError as absent:
            return Ended(f"It did not write its output {absent} ({step.outputs[str(absent)].path}).", final=True)
        self._mark(
            step,
            phase="succeeded",
            ended=time.time(),
            metrics=ended.metrics,
            digests=digests,
            exit_code=0,
            process=None,
            reason="",
        )
        if mark := self._key(step):
            results.store(folders.home_of(self.run), mark, step, folder, ended.metrics, self._holdout(step))
        return ended

    def _mark(self, step: Step, **changes: Any) -> None:
        with self._lock:
            steps = tuple(dataclasses.replace(s, **changes) if s.name == step.name else s for s in self.status.steps)
            self.status = dataclasses.replace(self.status, steps=steps)
            states.write(self.run, self.status)

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self.status = dataclasses.replace(self.status, **changes)
            states.write(self.run, self.status)
