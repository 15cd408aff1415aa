"""The generated schemas: fresh, accepted as schemas, and of one mind with the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from trueup.validate.validation import Places, judged, parse
from trueup_specs.core import schemas
from trueup_specs.core.cases import read
from trueup_specs.core.documentation import folder_of
from trueup_specs.kinds import KINDS

ROOT = Path(__file__).parents[3]
VALIDATORS = {kind: jsonschema.Draft202012Validator(schemas.schema(kind)) for kind in KINDS}
BUNDLE = jsonschema.Draft202012Validator(schemas.bundle())
RULES = sorted({rule for kind in KINDS.values() for rule in kind.rules}, key=lambda rule: rule.code)


def documents(text: str) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(text))


def refused(document: dict[str, Any]) -> list[str]:
    """What the kind's own schema says; the bundle must agree."""
    own = [e.message for e in VALIDATORS[document["kind"]].iter_errors(document)]
    assert bool(own) == bool(list(BUNDLE.iter_errors(document))), own
    return own


def entity(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": schemas.API_VERSION, "kind": "Entity", "metadata": {"name": "customer"}, "spec": spec}


def overlay(patch: dict[str, Any], kind: str = "Endpoint") -> dict[str, Any]:
    spec = {"target": {"kind": kind, "name": "churn"}, "environments": ["prod"], "patch": patch}
    return {"apiVersion": schemas.API_VERSION, "kind": "Overlay", "metadata": {"name": "churn-prod"}, "spec": spec}


def test_the_schemas_of_the_repository_are_fresh() -> None:
    assert schemas.stale(ROOT / "schemas") == []


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.json")), ids=lambda p: p.name)
def test_each_file_is_a_schema(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_are_valid(path: Path) -> None:
    for document in documents(path.read_text(encoding="utf-8")):
        assert refused(document) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_good_examples_of_rules_are_valid(rule: Any) -> None:
    for document in documents(rule.good):
        assert refused({"apiVersion": schemas.API_VERSION, **document}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_schema_and_model_agree_on_every_case(kind: str) -> None:
    cases = read(folder_of(KINDS[kind]))
    for case in (*cases.good, *cases.bad):
        parsed = parse("case.yaml", case.text.encode(), "default")
        misshapen = bool(parsed.diagnostics)
        if kind == "Overlay":  # whose patch the schema knows too, which validation judges at the target
            contents = {"given.yaml": cases.given.encode(), "case.yaml": case.text.encode()}
            both = {file: parse(file, data, "default") for file, data in contents.items()}
            codes = {d.code for d in judged(both, Places(contents.get), cases.files).diagnostics}
            misshapen = misshapen or bool(codes & {"TRU0111", "TRU1150"})
        assert any(refused(d) for d in documents(case.text)) == misshapen, case.name


def test_a_field_that_there_is_not_is_refused() -> None:
    assert refused(entity(joinKey="id")) == []
    assert "'join_key' was unexpected" in " ".join(refused(entity(joinKey="id", join_key="id")))


def test_an_overlay_may_set_any_field_and_null_deletes() -> None:
    assert refused(overlay({"predictor": {"minReplicas": 2, "maxReplicas": None}, "model": {"version": 3}})) == []
    assert refused(overlay({"predictor": {"minReplicas": "two"}})) != []
    assert refused(overlay({"predictr": {}})) != []
    assert refused(overlay({"paused": True}, kind="Environment")) != []


def test_an_overlay_may_name_items_and_delete_them() -> None:
    assert (
        refused(
            overlay({"steps": [{"name": "train", "timeout": "2h"}, {"name": "report", "$patch": "delete"}]}, "Pipeline")
        )
        == []
    )
    assert refused(overlay({"steps": [{"name": "train", "$patch": "remove"}]}, "Pipeline")) != []
    assert refused(overlay({"triggers": [{"schedule": {"timezone": "UTC"}}]}, "Pipeline")) != []


def test_editors_are_told_meaning_default_and_choices() -> None:
    predictor = schemas.schema("Endpoint")["$defs"]["Predictor"]["properties"]
    assert predictor["timeout"]["default"] == "30s"
    assert predictor["timeout"]["pattern"].startswith("^")
    assert "per replica" in predictor["scaleTarget"]["description"]
    assert schemas.schema("FeatureView")["$defs"]["FeatureViewSpec"]["properties"]["dataset"]["description"].startswith(
        "A Dataset"
    )


def test_references_stay_inside_each_file() -> None:
    for text in schemas.files().values():
        whole = json.loads(text)
        targets = set(_references(whole))
        assert targets <= {f"#/$defs/{name}" for name in whole["$defs"]}


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [r for item in value for r in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [r for item in value.values() for r in _references(item)]


def test_check_names_stale_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas.main([str(tmp_path)]) == 0
    assert schemas.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "entity.schema.json").write_text("{}")
    (tmp_path / "gone.schema.json").write_text("{}")
    capsys.readouterr()
    assert schemas.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "entity.schema.json is stale" in said and "gone.schema.json is stale" in said
    assert schemas.write(tmp_path) == len(KINDS) + 1
    assert schemas.stale(tmp_path) == []
