"""One YAML value to a typed document, with a problem for each field that is wrong. Pure: called for each document by `validation`.

Problems name paths; `validation` turns them into places once the file has been read closely.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trueup.validate.sharing import with_parts
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.envelope import Document, Metadata, Source, SpecModel
from trueup_specs.core.positions import Path, dotted
from trueup_specs.core.references import NAME, Key
from trueup_specs.kinds import KINDS

API_VERSION = "trueup.dev/v1alpha1"
NOT_OURS, UNKNOWN_KIND, UNKNOWN_FIELD, MISSING, WRONG, NAMESPACED, SHAPE = (
    "TRU0101",
    "TRU0102",
    "TRU0103",
    "TRU0104",
    "TRU0105",
    "TRU0107",
    "TRU0108",
)
_TOP = ("apiVersion", "kind", "metadata", "spec")
_FIELDS = frozenset(_TOP)


M = TypeVar("M", bound=SpecModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a path of a document."""

    code: str
    path: Path
    summary: str
    fix: str = ""
    at_key: bool = False


def shaped(value: Any, source: Source, namespace: str) -> tuple[Document | None, list[Problem]]:
    """The document of a value; None with the problems where it is none."""
    if not isinstance(value, dict):
        return None, [Problem(SHAPE, (), "A document must be a mapping with apiVersion, kind, metadata and spec.")]
    problems = [] if _usual(value) else list(_envelope(value))
    if problems and _foreign(value):
        return None, problems[:1]
    kind = KINDS.get(value["kind"]) if isinstance(value.get("kind"), str) else None
    if kind is None:
        return None, problems
    metadata = _model(Metadata, value.get("metadata"), "metadata", problems)
    given = value.get("spec")
    spec = _model(kind.spec, with_parts(kind.spec, given) if isinstance(given, dict) else given, "spec", problems)
    if isinstance(metadata, Metadata) and not kind.namespaced and metadata.namespace is not None:
        problems.append(
            Problem(
                NAMESPACED,
                ("metadata", "namespace"),
                f"{kind.name} has no namespace: it holds for the whole workspace.",
                "Remove it.",
                True,
            )
        )
    if problems or metadata is None or spec is None:
        return None, problems
    assert isinstance(metadata, Metadata)
    key = Key(kind.name, (metadata.namespace or namespace) if kind.namespaced else "", metadata.name)
    return Document(key, metadata, spec, source), []


def key_of(value: Any, namespace: str) -> Key | None:
    """What a document calls itself, though it may be wrong elsewhere; None where that cannot be told."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    kind = KINDS.get(str(value.get("kind"))) if isinstance(value, dict) else None
    if kind is None or not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    own = metadata.get("namespace")
    return Key(kind.name, (own if isinstance(own, str) else namespace) if kind.namespaced else "", metadata["name"])


def _envelope(value: Mapping[Any, Any]) -> Iterator[Problem]:
    version, kind = value.get("apiVersion"), value.get("kind")
    if version is None:
        yield Problem(
            NOT_OURS,
            (),
            "This document has no apiVersion.",
            f"Write `apiVersion: {API_VERSION}`, or exclude the file in trueup.yaml if it is no spec of Trueup.",
        )
    elif version != API_VERSION:
        yield Problem(
            NOT_OURS,
            ("apiVersion",),
            f"Trueup does not know the apiVersion {version!r}.",
            f"Write `{API_VERSION}`, or exclude the file in trueup.yaml if it is no spec of Trueup.",
        )
    if kind is None:
        yield Problem(MISSING, (), "This document has no kind.", f"Write `kind:` with one of {', '.join(KINDS)}.")
    elif not isinstance(kind, str) or kind not in KINDS:
        close = nearest(str(kind), KINDS)
        yield Problem(
            UNKNOWN_KIND,
            ("kind",),
            f"There is no kind {kind!r}.",
            f"Did you mean `{close}`?" if close else f"The kinds are {', '.join(KINDS)}.",
        )
    for name in value:
        if name not in _TOP:
            close = nearest(str(name), _TOP)
            yield Problem(
                UNKNOWN_FIELD,
                (name,),
                f"A document has no field {name!r}.",
                f"Did you mean `{close}`?" if close else "Fields of the kind stand under `spec`.",
                True,
            )


def _usual(value: Mapping[Any, Any]) -> bool:
    """Whether nothing is wrong with what stands around the metadata and the spec."""
    kind = value.get("kind")
    return (
        value.keys() <= _FIELDS and value.get("apiVersion") == API_VERSION and isinstance(kind, str) and kind in KINDS
    )


def _foreign(value: Mapping[Any, Any]) -> bool:
    """Whether a document is another system's, of which nothing else need be said."""
    version = value.get("apiVersion")
    return (
        isinstance(version, str)
        and version.partition("/")[0] != API_VERSION.partition("/")[0]
        and value.get("kind") not in KINDS
    )


def _model(model: type[M], value: Any, part: str, problems: list[Problem]) -> M | None:
    if value is None:
        value = {}
    try:
        return model.model_validate(
            value, by_alias=True, by_name=False
        )  # YAML has one spelling: `joinKey`, not `join_key`
    except ValidationError as error:
        found = _without_echoes(error.errors(include_url=False, include_context=True))
        problems += [_problem(e, (part,), value, model) for e in found]
        return None


def _without_echoes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """One error a place: where each option of a union failed, the one that went the deepest."""
    best: dict[Path, ErrorDetails] = {}
    for error in errors:
        place = real_path(error["loc"])
        stem = next((p for p in best if place[: len(p)] == p or p[: len(place)] == place), None)
        if stem is None or (
            error["type"] in ("missing", "extra_forbidden") and best[stem]["type"] in ("missing", "extra_forbidden")
        ):
            best[place] = error
        elif len(place) > len(stem):
            best[place] = error
            del best[stem]
    return list(best.values())


def real_path(location: tuple[Any, ...]) -> Path:
    """A pydantic location without the names of union members, which are types and not fields."""
    return tuple(p for p in location if isinstance(p, int) or not _is_member(str(p)))


def _is_member(part: str) -> bool:
    return part in _MEMBERS or "[" in part or "(" in part or ("-" in part and part.startswith("function"))


_MEMBERS = frozenset({"str", "int", "float", "bool", "none", "list", "dict", "tuple", "SecretKeyRef"})


def _problem(error: ErrorDetails, prefix: Path, value: Any, model: type[BaseModel]) -> Problem:
    path = (*prefix, *real_path(error["loc"]))
    name = path[-1] if path else ""
    match error["type"]:
        case "extra_forbidden":
            known = _fields_at(model, path[1:-1])
            close = nearest(str(name), known) if known else None
            where = dotted(path[:-1])
            fix = (
                f"Did you mean `{close}`?"
                if close
                else (f"The fields are {', '.join(sorted(known))}." if known else "Remove it.")
            )
            return Problem(UNKNOWN_FIELD, path, f"`{where}` has no field {name!r}.", fix, True)
        case "missing":
            return Problem(MISSING, path, f"`{dotted(path[:-1])}` needs the field `{name}`.", f"Write `{name}:`.", True)
        case "literal_error":
            allowed = [a.strip().strip("'") for a in str(error["ctx"]["expected"]).replace(" or ", ", ").split(",")]
            close = nearest(str(error["input"]), allowed)
            fix = f"Did you mean `{close}`?" if close else f"It is one of {', '.join(allowed)}."
            return Problem(WRONG, path, f"`{dotted(path)}` cannot be {_shown(error['input'])}.", fix)
    fields = _fields_at(model, path[1:])
    summary = f"`{dotted(path)}` is {_shown(error['input'])}, but {_expected(error)}."
    return Problem(WRONG, path, summary, _advice(error, fields, name))


_PATTERNS = {
    rf"^{NAME}$": "it must be lower-case letters, digits and `-` between them, at most 63",
    rf"^(?:{NAME}/)?{NAME}$": "it must be a `name` or `namespace/name` of lower-case letters, digits and `-`",
    r"^(?:\d+(?:ms|s|m|h|d|w))+$": "it must be a length of time, such as `30s`, `5m`, `1h30m` or `7d`",
    r"^/[-A-Za-z0-9._~/]*$": "it must be a path that begins with `/`",
}
"""Patterns of the language in words."""
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}


def _expected(error: ErrorDetails) -> str:
    context: Mapping[str, Any] = error.get("ctx") or {}
    match error["type"]:
        case "string_pattern_mismatch":
            return _PATTERNS.get(context["pattern"], f"it must match {context['pattern']}")
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            words = {
                "greater_than_equal": "at least",
                "less_than_equal": "at most",
                "greater_than": "more than",
                "less_than": "less than",
            }
            bound = next(v for k, v in context.items() if k in ("ge", "le", "gt", "lt"))
            return f"it must be {words[error['type']]} {bound}"
        case "too_short":
            return f"it needs at least {context['min_length']} items"
        case "too_long":
            return f"it has at most {context['max_length']} items"
    wanted = _TYPES.get(error["type"])
    return f"it must be {wanted}" if wanted else error["msg"][:1].lower() + error["msg"][1:]


def _advice(error: ErrorDetails, fields: list[str], name: str | int) -> str:
    """What to write instead; `fields` are those of the mapping that may stand there."""
    given = error["input"]
    if error["type"] in ("model_type", "model_attributes_type") and isinstance(given, str):
        first, _, rest = given.partition(" ")
        if rest and first in fields:
            return f"A colon is missing: write `{first}: {rest}`."
        if "name" in fields and " " not in given:
            return f"Write `{name}: {{ name: {given} }}`."
    if error["type"] in ("model_type", "model_attributes_type") and fields:
        return f"Its fields are {', '.join(fields)}."
    if error["type"] == "string_type" and isinstance(given, int) and _is_time(str(name)):
        return f"Write it with its unit, such as `{given}s`."
    if error["type"] == "string_type" and isinstance(given, (bool, int, float)):
        return "Quote it."
    if error["type"] == "bool_type" and str(given).lower() in ("yes", "on", "no", "off", "y", "n"):
        return "YAML 1.2 reads `yes`, `no`, `on` and `off` as text: write `true` or `false`."
    if error["type"] in ("int_type", "float_type", "bool_type") and isinstance(given, str):
        return "Remove the quotes." if given.replace(".", "", 1).isdigit() or given in ("true", "false") else ""
    if error["type"] in ("tuple_type", "list_type") and isinstance(given, dict):
        return "Begin each item with `- `."
    if error["type"] in ("tuple_type", "list_type"):
        return "Write a list: `- …` on a line of its own, or `[…]`."
    return ""


def _is_time(name: str) -> bool:
    return name.lower().endswith(("timeout", "backoff", "delay", "period", "soak", "interval", "wait", "ttl"))


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


@cache
def _aliases(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The field names of the models that may stand at a path below `model`."""
    current: list[type[BaseModel]] = [model]
    for part in path:
        if isinstance(part, int) or not any(part in _aliases(m) for m in current):
            continue  # an item of a list, or a key of a map
        current = [t for m in current for t in _models(_aliases(m).get(part))]
    return sorted({name for m in current for name in _aliases(m)})


def _models(hint: Any) -> list[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [m for inner in get_args(hint) for m in _models(inner)]
