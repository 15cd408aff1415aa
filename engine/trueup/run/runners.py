"""What runs pipelines, behind one protocol: this machine (`local`), Jobs of a cluster (`jobs`), Argo Workflows (`argo`), Ray (`rayjobs`).

Called by the workspace for `trueup run`, `runs` and `logs`; one conformance suite holds for all (tests/unit/run). A runner is about one
pipeline; its runs have ids of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trueup.run import local, logs
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus

LOOK_SECONDS = 0.5


class RunnerError(RuntimeError):
    """A run cannot be made as things stand; a full sentence."""


class Runner(Protocol):
    """What runs one pipeline."""

    def submit(self) -> RunStatus:
        """Starts a run. Raises RunnerError where that cannot be."""
        ...

    def status(self, run: str) -> RunStatus | None:
        """How a run stands; None where there is none."""
        ...

    def runs(self) -> list[RunStatus]:
        """All runs that are still known, newest first."""
        ...

    def cancel(self, run: str) -> bool:
        """Asks a run to end; whether there was one that goes on."""
        ...

    def logs(self, run: str) -> Iterator[str]:
        """The lines that the steps printed, step by step, with secrets masked."""
        ...


@dataclass(frozen=True)
class Local:
    """Runs of one request on this machine."""

    home: Path
    request: RunRequest

    def submit(self) -> RunStatus:
        """Starts the run, or attaches to it."""
        try:
            return local.submit(self.home, self.request)
        except (OSError, RuntimeError) as error:
            raise RunnerError(f"The run cannot be started: {error}") from error

    def status(self, run: str) -> RunStatus | None:
        """How the run stands."""
        return local.status(self.home, run)

    def runs(self) -> list[RunStatus]:
        """The runs of the pipeline."""
        return [s for s in local.runs(self.home) if s.pipeline == self.request.pipeline]

    def cancel(self, run: str) -> bool:
        """Asks it to end."""
        return local.cancel(self.home, run)

    def logs(self, run: str) -> Iterator[str]:
        """What its steps printed; the values of `env` were masked when they did."""
        return local.logs(self.home, run)


def wait(
    runner: Runner,
    run: str,
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
    said: Callable[[str], None] = lambda _line: None,
    look: float = LOOK_SECONDS,
) -> RunStatus | None:
    """The state once the run ended, or after `seconds`, or once `cancelled` says so: the run itself goes on."""
    end, last = time.monotonic() + seconds, ""
    while True:
        found = runner.status(run)
        if found is None or found.finished or time.monotonic() >= end or cancelled():
            return found
        line = ", ".join(s.name for s in found.steps if s.phase == "running")
        if line and line != last:
            said(f"running {line}")
            last = line
        time.sleep(look)


def make_way(runner: Runner, pipeline: str, known: Iterable[RunStatus], policy: str) -> None:
    """What a pipeline's `concurrencyPolicy` asks for before another run begins. Raises RunnerError where it may not begin."""
    going = [s for s in known if not s.finished]
    if going and policy == "Forbid":
        raise RunnerError(
            f"The run {going[0].fingerprint} of {pipeline} goes on (concurrencyPolicy: Forbid). Wait for it, or cancel it."
        )
    for other in going if policy == "Replace" else ():
        runner.cancel(other.fingerprint)


class Api(Protocol):
    """The API of a cluster, as far as runs take it. Both raise an error with a `code`, the HTTP status."""

    def request(self, method: str, path: str, body: Any = None, content: str = ..., query: Any = ...) -> Any:
        """The answer's JSON."""
        ...

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The answer's text."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a pipeline's objects are on a cluster."""

    api: Api
    namespace: str
    name: str
    """Of the objects that it became: `NAME-pipeline`."""
    pipeline: str
    """As the specs name it, `namespace/name`."""
    refused: type[Exception]
    """What the API's methods raise."""

    def core(self, rest: str) -> str:
        """A path in the namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{rest}"

    def found(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The answer to a GET; None where there is no such thing."""
        try:
            return self.api.request("GET", path, query=query)
        except self.refused as error:
            if getattr(error, "code", 0) == 404:
                return None
            raise

    def applied(self, path: str) -> Any:
        """What runs are made from. Raises RunnerError where it is not there."""
        found = self.found(path)
        if found is None:
            raise RunnerError(f"The pipeline {self.pipeline} is not on the cluster yet. Apply it first.")
        return found

    def merge(self, path: str, body: Any) -> None:
        """Changes fields of an object."""
        self.api.request("PATCH", path, body, "application/merge-patch+json")

    def pods(self, selector: str) -> list[Any]:
        """The pods of a run, oldest first."""
        listed = self.api.request("GET", self.core("pods"), query={"labelSelector": selector})["items"]
        return sorted(listed, key=lambda p: str(p["metadata"]["creationTimestamp"]))

    def log(self, pod: Any, container: str) -> str:
        """What a container printed, masked; empty where it did not begin."""
        try:
            said = self.api.text(self.core(f"pods/{pod['metadata']['name']}/log"), {"container": container})
        except self.refused as error:
            if getattr(error, "code", 0) in (400, 404):
                return ""
            raise
        return logs.masked(said, self.secrets())

    def secrets(self) -> Iterable[str]:
        """The values that steps got as secrets, as far as who asks may read them: who may not, reads no pod's log without them either."""
        import base64

        try:
            found = self.found(self.core(f"secrets/{self.name}")) or {}
        except self.refused as error:
            if getattr(error, "code", 0) == 403:
                return ()
            raise
        return [base64.b64decode(v).decode("utf-8", "replace") for v in (found.get("data") or {}).values()]
