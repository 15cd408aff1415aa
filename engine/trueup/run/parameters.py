"""Filling in `${{ params.NAME }}`. Called by `parsing`; never lets a value become shell text.

In `with` and `env` an expression is replaced by the value: a string that is nothing but one expression keeps the value's type.
In a `run` list each argument is filled in as it is, since no shell reads it. In a `run` string the expression becomes
`${PARAM_NAME}`, a reference to an environment variable that the runner sets: a shell never reads an expanded variable as code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trueup_specs.core.steps import EXPRESSION


class UnknownParameter(ValueError):
    """An expression names a parameter that the pipeline does not declare."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        listed = ", ".join(sorted(known)) or "none"
        super().__init__(f"there is no parameter `{name}`; the pipeline declares {listed}.")


def substitute(value: Any, params: Mapping[str, Any]) -> Any:
    """The value with every expression replaced, at any depth."""
    if isinstance(value, str):
        if whole := EXPRESSION.fullmatch(value):
            return _value(whole[1], params)
        return EXPRESSION.sub(lambda m: text(_value(m[1], params)), value)
    if isinstance(value, Mapping):
        return {k: substitute(v, params) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [substitute(v, params) for v in value]
    return value


def substitute_command(command: str | Sequence[str], params: Mapping[str, Any]) -> str | tuple[str, ...]:
    """The command: a list's arguments are filled in, a string's expressions become variables."""
    if isinstance(command, str):
        for name in EXPRESSION.findall(command):
            _value(name, params)
        return EXPRESSION.sub(lambda m: "${" + variable(m[1]) + "}", command)
    return tuple(text(substitute(part, params)) for part in command)


def variable(name: str) -> str:
    """The environment variable of a parameter: `max-depth` is `PARAM_MAX_DEPTH`."""
    return "PARAM_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def text(value: Any) -> str:
    """A value as text, as YAML and JSON write it: `true`, `0.5`, `null` is empty."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def _value(name: str, params: Mapping[str, Any]) -> Any:
    if name not in params:
        raise UnknownParameter(name, params)
    return params[name]
