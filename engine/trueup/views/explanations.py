"""`trueup explain`: kinds, fields and codes in words, from the models and rules themselves. Sees values only."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trueup.views.codes import OTHERS
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.envelope import Metadata
from trueup_specs.core.kinds import Kind
from trueup_specs.core.references import Reference
from trueup_specs.core.rules import Rule
from trueup_specs.kinds import KINDS

_PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    types.NoneType: "nothing",
    Any: "anything",
}


def explain(subject: str) -> str:
    """A kind, a field (`Endpoint.spec.predictor`) or a code (`TRU1102`) in words. Raises LookupError with what was probably meant."""
    return "\n".join(_text(explained(subject))) + "\n"


def explained(subject: str) -> dict[str, Any]:
    """The same for machines. Raises LookupError."""
    if subject.upper().startswith("TRU"):
        return _code(subject.upper())
    name, *path = subject.replace("[]", "").split(".")
    kind = _kind(name)
    return _field(kind, path) if path else _whole(kind)


def _kind(name: str) -> Kind:
    folded = {k.lower(): k for k in KINDS}
    if name.lower() in folded:
        return KINDS[folded[name.lower()]]
    raise LookupError(f"There is no kind, field or code {name!r}.{_hint(name, KINDS, 'The kinds are')}")


def _hint(word: str, known: typing.Iterable[str], otherwise: str) -> str:
    names = list(known)
    close = nearest(word, names)
    return f" Did you mean {close}?" if close else f" {otherwise}: {', '.join(sorted(names))}."


@cache
def rules() -> dict[str, type[Rule]]:
    """Every rule by its code."""
    return {rule.code: rule for kind in KINDS.values() for rule in kind.rules}


def _code(code: str) -> dict[str, Any]:
    known = rules()
    if code in known:
        rule = known[code]
        return {
            "code": code,
            "severity": str(rule.severity),
            "message": " ".join((rule.__doc__ or "").split()),
            "reason": " ".join(rule.reason.split()),
            "kinds": sorted(k.name for k in KINDS.values() if rule in k.rules),
            "good": rule.good,
            "bad": rule.bad,
        }
    if code in OTHERS:
        message, reason = OTHERS[code]
        return {"code": code, "message": message, "reason": reason}
    raise LookupError(f"There is no code {code}.{_hint(code, [*known, *OTHERS], 'The codes are')}")


def _whole(kind: Kind) -> dict[str, Any]:
    return {
        "kind": kind.name,
        "description": _described(kind.spec),
        "namespaced": kind.namespaced,
        "stack": str(kind.layer),
        "holdsData": kind.holds_data,
        "fields": _fields(kind.spec, "spec"),
        "rules": {r.code: " ".join((r.__doc__ or "").split()) for r in sorted(kind.rules, key=lambda r: r.code)},
    }


def _field(kind: Kind, path: list[str]) -> dict[str, Any]:
    """What a path means, from the top: `metadata` or `spec`, then field by field; lists and maps are looked through."""
    tops: dict[str, type[BaseModel]] = {"metadata": Metadata, "spec": kind.spec}
    if path[0] not in tops:
        raise LookupError(f"A {kind.name} has no {path[0]!r}.{_hint(path[0], tops, 'It has')}")
    model: type[BaseModel] | None = tops[path[0]]
    found: dict[str, Any] = {"field": f"{kind.name}.{path[0]}", "description": _described(tops[path[0]])}
    walked = f"{kind.name}.{path[0]}"
    for name in path[1:]:
        fields = _named(model) if model is not None else {}
        if name not in fields:
            what = _hint(name, fields, "It has") if fields else " It has no fields."
            raise LookupError(f"{walked} has no {name!r}.{what}")
        walked += f".{name}"
        found = {"field": walked, **_one(fields[name])}
        model = _model_in(fields[name].annotation)
    if model is not None:
        found["fields"] = _fields(model, walked.partition(".")[2])
    return found


def _named(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _fields(model: type[BaseModel], above: str) -> list[dict[str, Any]]:
    return [{"field": f"{above}.{name}", **_one(info)} for name, info in _named(model).items()]


def _one(info: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _worded(info.annotation, info.metadata), "required": info.is_required()}
    inner = _model_in(info.annotation)
    if info.description or inner is not None:
        found["description"] = (
            " ".join(info.description.split()) if info.description else _described(inner or BaseModel)
        )
    if info.default not in (PydanticUndefined, None, "", ()) and not isinstance(info.default, BaseModel):
        found["default"] = _default(info.default)
    if limits := ", ".join(_limits(info.metadata)):
        found["limits"] = limits
    return found


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    return [_default(v) for v in value] if isinstance(value, (tuple, list)) else value


def _limits(metadata: typing.Iterable[Any]) -> Iterator[str]:
    words = {
        "ge": "at least",
        "gt": "more than",
        "le": "at most",
        "lt": "less than",
        "min_length": "at least this long:",
        "pattern": "pattern",
    }
    for mark in metadata:
        for name, word in words.items():
            value = getattr(mark, name, None)
            if value is not None:
                yield f"{word} {value}"


def _worded(hint: Any, metadata: typing.Iterable[Any] = ()) -> str:
    """A type in words."""
    for mark in metadata:
        if isinstance(mark, Reference):
            return f"the name of {_article(mark.kind)} {mark.kind}" + (
                f", or {', '.join(sorted(mark.words))}" if mark.words else ""
            )
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _worded(arguments[0], arguments[1:])
    if origin is typing.Literal:
        return "one of " + ", ".join(str(a) for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_worded(a) for a in arguments if a is not types.NoneType))
    if origin in (tuple, list):
        return f"list of {_worded(arguments[0])}"
    if origin is dict:
        return f"map of names to {_worded(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "map"
    return _PLAIN.get(hint, str(hint))


def _article(noun: str) -> str:
    return "an" if noun[0] in "AEIOU" else "a"


def _model_in(hint: Any) -> type[BaseModel] | None:
    """The model inside a type, looking through lists, maps and alternatives."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    return next((m for a in typing.get_args(hint) if (m := _model_in(a)) is not None), None)


def _described(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _text(found: dict[str, Any]) -> Iterator[str]:
    if "code" in found:
        yield from _code_text(found)
        return
    yield f"{found.get('kind') or found['field']}" + (f"  ({found['type']})" if "type" in found else "")
    yield from (f"  {line}" for line in _facts(found))
    for field in found.get("fields", ()):
        yield ""
        yield f"  {field['field']}  ({field['type']}{', required' if field['required'] else ''})"
        yield from (f"    {line}" for line in _facts(field))
    if found.get("rules"):
        yield "\n  Rules (trueup explain CODE)"
        yield from (f"    {code}  {message}" for code, message in found["rules"].items())


def _facts(found: dict[str, Any]) -> Iterator[str]:
    if found.get("description"):
        yield found["description"]
    if "default" in found:
        default = found["default"]
        yield f"By default `{default if isinstance(default, str) else json.dumps(default)}`."
    if "limits" in found:
        yield f"Limits: {found['limits']}."


def _code_text(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['code']}" + (f"  ({found['severity']})" if "severity" in found else "")
    yield f"  {found['message']}"
    yield f"  Why: {found['reason']}"
    for title in ("good", "bad"):
        if found.get(title):
            yield f"\n  {title.capitalize()}:"
            yield from (f"    {line}".rstrip() for line in found[title].splitlines())
