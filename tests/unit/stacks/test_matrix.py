"""The matrix tells the truth: what it calls honoured changes a resource, what it calls unhonoured is an error at plan."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from trueup_test_scenes import TARGETS, scene, scenes, with_spec

from trueup.compile.compilation import compile_catalog
from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Severity
from trueup_specs.kinds import KINDS
from trueup_stacks import matrix
from trueup_stacks.targets import TARGETS as KNOWN

Change = tuple[str, BaseModel]
"""A dotted field, and the model with another value there."""


def others(value: Any, hint: Any = None) -> list[Any]:
    """Other values of the same shape. They need not be valid: compile only sees valid ones, and reading is all that matters."""
    if typing.get_origin(hint) is typing.Literal:
        return [option for option in typing.get_args(hint) if option != value]
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1]
        case str() if re.fullmatch(r"(?:\d+(?:ms|s|m|h|d|w))+", value):
            return [f"1{value}"]
        case str():
            return [f"{value}-other", "dev", "prod"]
        case tuple():
            return [(*value, others(value[-1])[0]), value[:-1]]
        case dict():
            return [{**value, next(iter(value)): others(next(iter(value.values())))[0]}]
        case BaseModel():
            name = next(iter(type(value).model_fields))
            return [value.model_copy(update={name: others(getattr(value, name))[0]})]
    raise AssertionError(f"No other value of {value!r}")


def changes(model: BaseModel, prefix: str = "spec") -> Iterator[Change]:
    """The model with each of its fields that is set changed, one at a time."""
    hints = typing.get_type_hints(type(model))
    for name, info in type(model).model_fields.items():
        path = f"{prefix}.{info.alias or name}"
        for inner, changed in _inside(getattr(model, name), path, hints[name]):
            yield inner, model.model_copy(update={name: changed})


def _inside(value: Any, path: str, hint: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from changes(value, path)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value):
            for inner, changed in changes(item, f"{path}[]"):
                yield inner, (*value[:number], changed, *value[number + 1 :])
    elif isinstance(value, dict) and value and isinstance(next(iter(value.values())), BaseModel) and _declared(value):
        for key, item in value.items():
            for inner, changed in changes(item, f"{path}.*"):
                yield inner, {**value, key: changed}
    elif value is not None and value != () and value != {}:
        yield from ((path, changed) for changed in others(value, hint))


def _declared(value: dict[str, Any]) -> bool:
    """Whether a map holds models only, and no environment values."""
    return not any(hasattr(item, "secret_ref") or isinstance(item, str) for item in value.values())


def digests(catalog: Catalog) -> Any:
    """What the scene compiles to; an error is a reading too, as where a reference now leads nowhere."""
    try:
        compilation = compile_catalog(catalog)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return repr(error)
    refused = tuple(d.summary for d in compilation.diagnostics if d.code == "TRU2006")
    return {str(id): stack.digest for id, stack in compilation.stacks.items()}, refused


def proofs(target: str, kind: str) -> dict[str, bool]:
    """For each field of a kind: whether a change of it changed what a scene compiles to, in any of its documents."""
    found: dict[str, bool] = {}
    for given in scenes(target):
        before = digests(given)
        for document in given.of_kind(kind):
            for path, changed in changes(document.spec):
                after = digests(with_spec(given, document.key, changed))
                found[path] = found.get(path, False) or after != before
    return found


CASES = [(t, k) for t in TARGETS for k, support in KNOWN[t].kinds.items() if not support.elsewhere]


@pytest.mark.parametrize(("target", "kind"), CASES)
def test_each_field_is_honoured_or_said_not_to_be(target: str, kind: str) -> None:
    proved, model, support = proofs(target, kind), KINDS[kind].spec, KNOWN[target].kinds[kind]
    honoured = [p for p in matrix.fields(model) if matrix.mark(support, p)[0] == "✓" and not matrix.constant(model, p)]
    assert [p for p in honoured if not any(read and matrix.covers(p, q) for q, read in proved.items())] == []


@pytest.mark.parametrize(("target", "kind"), CASES)
def test_what_is_not_honoured_changes_nothing(target: str, kind: str) -> None:
    proved, support = proofs(target, kind), KNOWN[target].kinds[kind]
    assert [p for p, read in proved.items() if read and matrix.mark(support, p)[0] in "✗!○"] == []


@pytest.mark.parametrize(("target", "kind"), CASES)
def test_each_declared_field_is_one_of_the_model(target: str, kind: str) -> None:
    known, support = list(matrix.fields(KINDS[kind].spec)), KNOWN[target].kinds[kind]
    declared = [*(u.path for u in support.unhonoured), *support.no_resource]
    assert [d for d in declared if not any(matrix.covers(d, p) for p in known)] == []


@pytest.mark.parametrize("target", TARGETS)
def test_setting_what_is_not_honoured_is_said_with_the_field_the_reason_and_the_file(target: str) -> None:
    given = scene(target)
    said = [d for d in compile_catalog(given).diagnostics if d.code == "TRU2002"]
    for kind, support in KNOWN[target].kinds.items():
        for field in support.unhonoured:
            wanted = any(field.path in set(_set(d.spec)) for d in given.of_kind(kind))
            named = [d for d in said if f" sets {field.path}," in d.summary and d.summary.startswith(f"{kind}/")]
            assert bool(named) == wanted, field.path
            assert all(d.location.file == "scene.yaml" and field.reason[1:] in d.detail for d in named)
            assert all((d.severity is Severity.WARNING) == field.harmless for d in named)


def _set(model: BaseModel, prefix: str = "spec") -> Iterator[str]:
    """The dotted paths that a document sets to something, inner ones and those that hold them."""
    for name in model.model_fields_set:
        path, value = f"{prefix}.{type(model).model_fields[name].alias or name}", getattr(model, name)
        yield path
        if isinstance(value, BaseModel):
            yield from _set(value, path)
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, BaseModel):
                    yield from _set(item, f"{path}[]")


def test_the_written_matrix_is_the_one_of_this_code() -> None:
    assert matrix.main(["--check"]) == 0


def test_a_stale_matrix_is_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "README.md"
    stale.write_text(matrix.document().replace("✓", "✗", 1))
    monkeypatch.setattr(matrix, "README", stale)
    assert matrix.main(["--check"]) == 1
    assert matrix.main([]) == 0
    assert matrix.main(["--check"]) == 0
