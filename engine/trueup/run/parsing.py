"""`trueup:run:Run`'s inputs as a `RunRequest`, with every mistake found at once. Called by `provider.run` and the CLI.

Nothing is run or read here; parameters are filled in, and built-in steps are judged by their declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from trueup.run import graph
from trueup.run.parameters import UnknownParameter, substitute, substitute_command
from trueup.run.requests import Code, Limits, Locked, OutputFile, Retry, RunRequest, Step
from trueup_specs.core.envelope import seconds
from trueup_specs.core.quantities import amount
from trueup_specs.core.steps import BUILTIN, parameter_problems

_FUNCTION = re.compile(r"^(?P<file>[^:]+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)$")
_FINGERPRINT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
SUFFIXES: Mapping[str, str] = {"table": ".parquet", "json": ".json", "model": "", "file": ""}
Kind = Literal["table", "json", "model", "file"]
Problem = tuple[str, str]
"""A dotted path into the inputs, and a full sentence."""


class InvalidRun(ValueError):
    """The inputs of a run cannot be right; `problems` has all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(" ".join(f"{path}: {text}" for path, text in problems))


def parse(inputs: Mapping[str, Any]) -> RunRequest:
    """The request; raises InvalidRun with every problem."""
    found = list(_envelope_problems(inputs))
    params = dict(inputs.get("params") or {})
    steps = []
    for position, raw in enumerate(inputs.get("steps") or ()):
        try:
            steps.append(_step(raw, params))
        except (UnknownParameter, ValueError, KeyError, TypeError) as error:
            found.append((f"steps[{position}]", f"The step {raw.get('name', position)!r} cannot be read: {error}"))
    if not found:
        found += graph.problems(steps)
        found += [p for position, step in enumerate(steps) for p in _step_problems(step, f"steps[{position}]")]
    if found:
        raise InvalidRun(found)
    return _request(inputs, params, tuple(steps))


def _request(inputs: Mapping[str, Any], params: dict[str, Any], steps: tuple[Step, ...]) -> RunRequest:
    code, lock = inputs.get("code"), inputs.get("lock")
    return RunRequest(
        fingerprint=inputs["fingerprint"],
        pipeline=inputs["pipeline"],
        project=inputs.get("project") or "",
        environment=inputs.get("environment") or "",
        steps=steps,
        code=Code(code["uri"], code["tree"]) if code else None,
        lock=Locked(lock["uri"], lock["digest"]) if lock else None,
        seed=int(inputs.get("seed") or 0),
        params=params,
        datasets=dict(inputs.get("datasets") or {}),
        features=inputs.get("features"),
        model=inputs.get("model"),
        tracking_uri=inputs.get("trackingUri"),
        allowed_estimators=tuple(inputs.get("allowedEstimators") or ()),
        concurrency=int(inputs.get("concurrency") or 2),
        concurrency_policy=inputs.get("concurrencyPolicy") or "Allow",
        commit=inputs.get("commit") or "",
        owner=inputs.get("owner") or "",
    )


def _envelope_problems(inputs: Mapping[str, Any]) -> Iterator[Problem]:
    if not _FINGERPRINT.match(str(inputs.get("fingerprint") or "")):
        yield "fingerprint", "A run needs a fingerprint of letters, digits, dots, dashes and underscores."
    if not inputs.get("pipeline"):
        yield "pipeline", "A run needs the name of its pipeline, as `namespace/name`."
    if inputs.get("concurrencyPolicy") not in (None, "Allow", "Forbid", "Replace"):
        yield "concurrencyPolicy", "The concurrency policy of a run is Allow, Forbid or Replace."
    if not inputs.get("steps"):
        yield "steps", "A run needs at least one step."


def _step(raw: Mapping[str, Any], params: Mapping[str, Any]) -> Step:
    uses, run = raw.get("uses") or "", raw.get("run")
    if bool(uses) == (run is not None):
        raise ValueError("a step has either `uses` or `run`.")
    resources = raw.get("resources") or {}
    retry = raw.get("retry") or {}
    builtin = BUILTIN.get(uses)
    outputs: Mapping[str, Any] = (
        {n: {"type": p.type} for n, p in builtin.outputs.items()} if builtin else raw.get("outputs") or {}
    )
    return Step(
        name=raw["name"],
        kind="command" if run is not None else "builtin" if builtin else "function",
        uses=uses,
        run=substitute_command(run, params) if run is not None else "",
        needs=tuple(raw.get("needs") or ()),
        parameters=substitute(raw.get("with") or {}, params),
        when=raw.get("when"),
        inputs={n: _source(s) for n, s in (raw.get("inputs") or {}).items()},
        outputs={n: _output(n, o) for n, o in outputs.items()},
        metrics=tuple(raw.get("metrics") or ()),
        retry=Retry(
            limit=int(retry.get("limit", 0)),
            backoff=seconds(retry.get("backoff", "1s")),
            factor=float(retry.get("factor", 2.0)),
            max_backoff=seconds(retry.get("maxBackoff", "5m")),
        ),
        timeout=seconds(raw.get("timeout") or "1h"),
        limits=Limits(
            cpu=_amount(resources.get("cpu")) or 0.0,
            memory=_amount(resources.get("memory")) or 0.0,
            cpu_limit=_amount(resources.get("cpuLimit")),
            memory_limit=_amount(resources.get("memoryLimit")),
        ),
        cache=bool(raw.get("cache", True)),
        env={n: str(substitute(v, params)) for n, v in (raw.get("env") or {}).items()},
    )


def _amount(quantity: str | int | float | None) -> float | None:
    if quantity is None:
        return None
    found = amount(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is not a quantity such as `500m` or `2Gi`.")
    return found


def _source(text: str) -> tuple[str, str]:
    step, dot, output = text.partition(".")
    if not dot or not output:
        raise ValueError(f"the input {text!r} is not written `step.output`.")
    return step, output


def _output(name: str, raw: Mapping[str, Any]) -> OutputFile:
    kind = _kind(name, raw.get("type") or "file")
    path = raw.get("path") or name + SUFFIXES[kind]
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or parts[:1] == (".trueup",):
        raise ValueError(f"the output {name!r} is written to {path!r}, which is outside the step's folder.")
    return OutputFile(kind, path)


def _kind(name: str, written: str) -> Kind:
    if written not in SUFFIXES:
        raise ValueError(f"the output {name!r} is of the type {written!r}; there are {', '.join(SUFFIXES)}.")
    return written  # type: ignore[return-value]


def _step_problems(step: Step, path: str) -> Iterator[Problem]:
    builtin = BUILTIN.get(step.uses)
    if builtin is None:
        if step.kind == "function" and not _FUNCTION.match(step.uses):
            known = ", ".join(BUILTIN)
            yield f"{path}.uses", f"{step.uses!r} is neither a built-in step ({known}) nor `path/to/file.py:function`."
        return
    for where, text in parameter_problems(step.uses, step.parameters):
        yield ".".join((f"{path}.with", *map(str, where))), text
    for name, port in builtin.inputs.items():
        if port.required and name not in step.inputs:
            yield f"{path}.inputs", f"The step {step.name!r} needs the input `{name}`: {port.description}"
    for name in step.inputs:
        if name not in builtin.inputs:
            yield f"{path}.inputs.{name}", f"The built-in step `{step.uses}` has no input `{name}`."
