"""`trueup schema`: of a kind, of all, and written for editors."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from trueup.workspace import schemas
from trueup.workspace.opening import WorkspaceError

GOOD = {
    "apiVersion": "trueup.dev/v1alpha1",
    "kind": "Endpoint",
    "metadata": {"name": "risk"},
    "spec": {"model": {"name": "risk"}},
}


@pytest.mark.parametrize("kind", ["Endpoint", "endpoint", ""])
def test_a_schema_judges_documents(kind: str) -> None:
    judge = jsonschema.Draft202012Validator(schemas.schema(kind))
    assert judge.is_valid(GOOD)
    assert not judge.is_valid({**GOOD, "spec": {"model": {"name": "risk"}, "replicas": 2}})


def test_an_unknown_kind_says_what_was_probably_meant() -> None:
    with pytest.raises(WorkspaceError, match="Did you mean Endpoint") as error:
        schemas.schema("Endpont")
    assert error.value.code == 3


def test_all_schemas_are_written(tmp_path: Path) -> None:
    count = schemas.write(tmp_path / "new" / "schemas")
    written = list((tmp_path / "new" / "schemas").glob("*.json"))
    assert count == len(written) > 10
    assert all(json.loads(p.read_text()) for p in written)
