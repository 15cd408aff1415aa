"""What a run is asked to do, as a value. Made by `provider.run` and the CLI from `trueup:run:Run`'s inputs, read by the runner.

The value is written to `request.json` with the values of `env` left out: any of them may be a secret. They travel to the
runner over a pipe (`RunRequest.environments`). Stdlib and msgspec only when read back, so that the runner starts quickly.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

Uses = Literal["builtin", "function", "command"]
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries after the first, and the waits between them in seconds."""

    limit: int = 0
    backoff: float = 1.0
    factor: float = 2.0
    max_backoff: float = 300.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the failure of attempt number `attempt` (from 1)."""
        return min(self.backoff * self.factor ** (attempt - 1), self.max_backoff)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a step asks for and may use: cores and bytes. `cpu` and `memory` are requests, the others limits."""

    cpu: float = 0.0
    memory: float = 0.0
    cpu_limit: float | None = None
    memory_limit: float | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A declared output; `path` is relative to the step's folder."""

    type: Literal["table", "model", "file", "json"]
    path: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step with its parameters filled in."""

    name: str
    kind: Uses
    uses: str = ""
    run: str | tuple[str, ...] = ""
    needs: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    """`with`, substituted."""
    when: str | None = None
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Input name → (step, output)."""
    outputs: dict[str, OutputFile] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    retry: Retry = field(default_factory=Retry)
    timeout: float = 3600.0
    limits: Limits = field(default_factory=Limits)
    cache: bool = True
    env: dict[str, str] = field(default_factory=dict)
    """Never written to disk."""


@dataclass(frozen=True, slots=True)
class Locked:
    """The locked environment: the lock file's place and digest."""

    uri: str
    digest: str


@dataclass(frozen=True, slots=True)
class Code:
    """The code tree: its place and object id."""

    uri: str
    tree: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run. `fingerprint` names it: two requests with the same one are the same run."""

    fingerprint: str
    pipeline: str
    project: str
    environment: str
    steps: tuple[Step, ...]
    code: Code | None = None
    lock: Locked | None = None
    seed: int = 0
    params: dict[str, Scalar] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    features: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    tracking_uri: str | None = None
    allowed_estimators: tuple[str, ...] = ()
    concurrency: int = 2
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Allow"
    """What happens while another run of the same pipeline and model goes on (CronJob's terms)."""
    commit: str = ""
    owner: str = ""

    def step(self, name: str) -> Step:
        """The step called `name`; KeyError where there is none."""
        return next(s for s in self.steps if s.name == name)

    def environments(self) -> dict[str, dict[str, str]]:
        """The `env` of each step that has one, by step name: what must not be written."""
        return {s.name: dict(s.env) for s in self.steps if s.env}

    def with_environments(self, values: Mapping[str, Mapping[str, str]]) -> RunRequest:
        """The request with the steps' `env` put back (or, with an empty mapping, taken out)."""
        steps = tuple(dataclasses.replace(s, env=dict(values.get(s.name, {}))) for s in self.steps)
        return dataclasses.replace(self, steps=steps)


def write(request: RunRequest, path: Path) -> None:
    """Writes the request without the values of `env`, readable by the user only."""
    data = msgspec.json.format(msgspec.json.encode(request.with_environments({})), indent=2)
    temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_bytes(data)
    temporary.chmod(0o600)
    temporary.replace(path)


def read(path: Path) -> RunRequest:
    """The request in a file; raises OSError where there is none and ValueError where it is not one."""
    return msgspec.json.decode(path.read_bytes(), type=RunRequest)
