"""A step's `when` as Argo Workflows evaluates it: from CEL to expr-lang. Called by `workflows`.

The two languages agree on comparisons, `&&`, `||`, `!` and parentheses over the parameters and the metrics of other steps; whatever
else a condition says is refused at plan, since it could mean another thing there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from trueup_specs.kinds.pipeline.spec import Parameter

_KEY = r"""(?:\.[A-Za-z_]\w*|\[\s*(?:"[^"\\]*"|'[^'\\]*')\s*\])"""
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<path>(?:params|steps){_KEY}+)
    |(?P<text>"[^"\\{{}}]*"|'[^'\\{{}}]*')
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<word>true|false)\b
    |(?P<sign>&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|-)
    )""",
    re.VERBOSE,
)
_PART = re.compile(_KEY)
_SAFE = re.compile(r"^[A-Za-z0-9_-]+$")


class NotInArgo(ValueError):
    """What a condition says that Argo's expressions do not say in the same way; a clause."""


def expression(condition: str, params: Mapping[str, Parameter]) -> str:
    """The condition in expr-lang. Raises NotInArgo."""
    return " ".join(_parts(condition, params))


def _parts(condition: str, params: Mapping[str, Parameter]) -> Iterator[str]:
    rest = condition.strip()
    while rest:
        found = _TOKEN.match(rest)
        if found is None:
            raise NotInArgo(f"{rest[:30]!r} in it is more than comparisons, `&&`, `||`, `!` and parentheses")
        rest = rest[found.end() :].lstrip()
        yield _path(found["path"], params) if found["path"] else found[0].strip()


def _path(path: str, params: Mapping[str, Parameter]) -> str:
    root, *keys = path[: path.index("[") if "[" in path[:7] else path.index(".")], *map(_name, _PART.findall(path))
    if any(not _SAFE.match(key) for key in keys):
        raise NotInArgo(f"{path!r} in it has a name that Argo's placeholders cannot hold")
    match root, keys:
        case "params", [name] if name in params:
            return _parameter(name, params[name])
        case "steps", [step, "metrics", metric]:
            return f"jsonpath(tasks['{step}'].outputs.parameters.metrics, '$.{metric}')"
    raise NotInArgo(f"{path!r} in it is neither `params.NAME` nor `steps.NAME.metrics.METRIC`")


def _name(part: str) -> str:
    return part[1:] if part.startswith(".") else part[1:-1].strip()[1:-1]


def _parameter(name: str, parameter: Parameter) -> str:
    """Parameters of a workflow are text."""
    value = f"workflow.parameters['{name}']"
    match parameter.type:
        case "integer":
            return f"asInt({value})"
        case "number":
            return f"asFloat({value})"
        case "boolean":
            return f"({value} == 'true')"
    return value
