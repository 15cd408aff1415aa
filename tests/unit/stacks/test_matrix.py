"""The matrix tells the truth: what it calls honoured changes a resource, what it calls unhonoured is an error at plan."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from trueup_test_changes import proofs
from trueup_test_scenes import TARGETS, scene, scenes

from trueup.compile.compilation import compile_catalog
from trueup_specs.core.diagnostics import Severity
from trueup_specs.kinds import KINDS
from trueup_stacks import matrix
from trueup_stacks.targets import TARGETS as KNOWN


@functools.cache
def proved_fields(target: str, kind: str) -> dict[str, bool]:
    """Asked by two tests, and dear. What pipelines do on Ray is proved in `test_kubernetes_ray`, what their clusters are like here too."""
    ray = [scene("kubernetes-ray")] if (target, kind) == ("kubernetes", "Environment") else []
    return proofs([*scenes(target), *ray], kind)


CASES = [(t, k) for t in TARGETS for k, support in KNOWN[t].kinds.items() if not support.elsewhere]


@pytest.mark.parametrize(("target", "kind"), CASES)
def test_each_field_is_honoured_or_said_not_to_be(target: str, kind: str) -> None:
    proved, model, support = proved_fields(target, kind), KINDS[kind].spec, KNOWN[target].kinds[kind]
    honoured = [p for p in matrix.fields(model) if matrix.mark(support, p)[0] == "✓" and not matrix.constant(model, p)]
    assert [p for p in honoured if not any(read and matrix.covers(p, q) for q, read in proved.items())] == []


@pytest.mark.parametrize(("target", "kind"), CASES)
def test_what_is_not_honoured_changes_nothing(target: str, kind: str) -> None:
    proved, support = proved_fields(target, kind), KNOWN[target].kinds[kind]
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
