"""`trueup:run:Run`: a pipeline run, by its fingerprint. Called by `server` and `observe`.

Create submits or attaches and waits; a run that takes longer than `applyWaitSeconds` is "created but not ready", and the next apply
goes on waiting for the same one. Nothing is ever run twice for one fingerprint.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State
from trueup.run import folders, local
from trueup.run.parsing import InvalidRun, parse
from trueup.run.states import RunStatus

DEFAULT_WAIT = 1800.0


class Run:
    """A run. Its id is its fingerprint; the runner owns the run, not the resource."""

    token: ClassVar[str] = "trueup:run:Run"
    replace_on: ClassVar[frozenset[str]] = frozenset({"fingerprint"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors, as far as values are known."""
        try:
            parse(_known(inputs))
        except InvalidRun as error:
            return [Failure(path, text) for path, text in error.problems]
        return []

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The results, where the fingerprint was run before."""
        mark = inputs.get("fingerprint")
        if mark == UNKNOWN:
            return {}
        known: Properties = {"runId": mark, "holdout": folders.holdout_uri(str(mark))}
        if old is not None and old.outputs.get("runId") == mark:
            return {**old.outputs, **known}
        return known

    def create(self, context: Context, inputs: Properties) -> State:
        """Submits the run or attaches to it, and waits."""
        try:
            request = parse(inputs)
        except InvalidRun as error:
            raise ComponentError(str(error)) from error
        end = time.monotonic() + float(inputs.get("applyWaitSeconds") or DEFAULT_WAIT)
        try:
            local.started(context.home, request, end - time.monotonic(), context.cancelled, context.log)
        except (OSError, RuntimeError) as error:
            raise ComponentError(f"The run cannot be started: {error}") from error
        left = max(end - time.monotonic(), 0.0)
        found = local.wait(context.home, request.fingerprint, left, context.cancelled, context.log)
        return _state(request.fingerprint, found)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The run as it stands. A finished run whose folder was cleaned away is not gone: its results are recorded."""
        found = local.status(context.home, id)
        if found is None:
            return Live(inputs, outputs) if outputs.get("runId") == id else None
        if found.outcome == "failed":
            return Live(inputs, _outputs(id, found), _failed(id, found))
        state = _state(id, found)
        return Live(inputs, state.outputs, state.not_ready)

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Goes on waiting; a finished run stays as it is, whatever is said about it now."""
        if old_outputs.get("runId") == id and old_inputs.get("fingerprint") == inputs.get("fingerprint"):
            found = local.status(context.home, id)
            if found is None or found.outcome == "succeeded":
                return State(id, _outputs(id, found) if found else dict(old_outputs))
        return self.create(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Cancels a run that goes on, unless its successor lets it: one that waits for it or runs beside it. What a finished one left
        stays, as history."""
        found = local.status(context.home, id)
        if found is not None and found.outcome == "running" and local.beside(context.home, id, pending=True):
            context.log(f"the run {id[:12]} goes on beside its successor")
            return
        local.cancel(context.home, id)


def _known(inputs: Properties) -> Properties:
    """The inputs with a placeholder for what is not known yet, so that the rest can be judged."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: known(v) for k, v in value.items()}
        if isinstance(value, list):
            return [known(v) for v in value]
        return "0" if value == UNKNOWN else value

    needed = ("fingerprint", "pipeline")
    return {k: known(v) for k, v in inputs.items() if v != UNKNOWN or k in needed}


def _state(id: str, found: RunStatus | None) -> State:
    if found is None:
        raise ComponentError(f"The run {id[:12]} left no state behind; apply again to run it.")
    match found.outcome:
        case "succeeded":
            return State(id, _outputs(id, found))
        case "failed" | "cancelled":
            raise ComponentError(_failed(id, found))
    going = ", ".join(s.name for s in found.steps if s.phase == "running") or "nothing yet"
    if found.outcome == "pending":
        return State(id, _outputs(id, found), f"Waiting: the run {id[:12]} {found.reason}.")
    what = "was interrupted and goes on with the next apply" if found.outcome == "interrupted" else f"goes on ({going})"
    return State(id, _outputs(id, found), f"Waiting: the run {id[:12]} {what}.")


def _failed(id: str, found: RunStatus) -> str:
    verb = "was cancelled" if found.outcome == "cancelled" else found.outcome
    return f"The run {id[:12]} of {found.pipeline} {verb}: {found.reason}"


def _outputs(id: str, found: RunStatus) -> Properties:
    outputs: Properties = {"runId": id, "holdout": folders.holdout_uri(id)}
    if found.outcome == "succeeded":
        outputs |= {"metrics": found.metrics, "modelVersion": found.model_version, "modelUri": found.model_uri}
    return outputs
