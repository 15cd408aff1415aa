"""`trueup explain` knows every kind, field and code, and what was probably meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trueup.views.codes import OTHERS
from trueup.views.explanations import explain, explained, rules
from trueup_specs.kinds import KINDS

SOURCES = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_explained_down_to_its_last_field(kind: str) -> None:
    found = explained(kind)
    assert found["description"]
    assert {f["field"].removeprefix("spec.") for f in found["fields"]} == {
        i.alias or n for n, i in KINDS[kind].spec.model_fields.items()
    }
    pending = [f["field"] for f in found["fields"]]
    seen = 0
    while pending and seen < 400:
        path, seen = pending.pop(), seen + 1
        field = explained(f"{kind}.{path}")
        assert field["type"]
        pending += [f["field"] for f in field.get("fields", ())]
    assert seen >= len(found["fields"])
    assert explain(kind).startswith(f"{kind}\n")


@pytest.mark.parametrize("code", sorted(rules()))
def test_every_rule_is_explained_with_its_examples(code: str) -> None:
    text, rule = explain(code), rules()[code]
    assert " ".join((rule.__doc__ or "").split()) in text
    assert " ".join(rule.reason.split()) in text
    for example in (rule.good, rule.bad):
        assert all(line.strip() in text for line in example.splitlines())


def test_every_code_that_is_used_is_explained() -> None:
    used: set[str] = set()
    for folder in ("engine", "specs", "stacks"):
        for path in (SOURCES / folder).rglob("*.py"):
            if path.name != "codes.py":
                used |= set(re.findall(r'"(TRU\d{4})"', path.read_text(encoding="utf-8")))
    used |= {f"TRU00{n:02}" for n in range(1, 11)}
    assert used - rules().keys() - OTHERS.keys() == set()
    assert OTHERS.keys() & rules().keys() == set()


def test_a_field_has_type_default_limits_and_what_it_means() -> None:
    text = explain("Endpoint.spec.predictor.minReplicas")
    assert text.startswith("Endpoint.spec.predictor.minReplicas  (whole number)\n")
    assert "By default `1`." in text
    assert "at least 0, at most 1000" in text
    assert explained("Model.spec.pipeline")["type"] == "the name of a Pipeline"
    assert explained("Environment.spec.target")["type"] == "one of local, kubernetes, aws, gcp, azure"
    assert explained("Model.metadata.owner")["description"] == "The team that answers for it."


def test_lists_are_looked_through_with_or_without_brackets() -> None:
    assert explained("Pipeline.spec.steps[].uses") == explained("Pipeline.spec.steps.uses")


def test_letters_may_be_of_any_case() -> None:
    assert explained("endpoint.spec.predictor") == explained("Endpoint.spec.predictor")
    assert explained("tru0004") == explained("TRU0004")


@pytest.mark.parametrize(
    ("subject", "meant"),
    [
        ("Endpont", "Did you mean Endpoint?"),
        ("Endpoint.spc", "Did you mean spec?"),
        ("Endpoint.spec.predicter", "Did you mean predictor?"),
        ("Endpoint.spec.predictor.replicas.deep", "Endpoint.spec.predictor has no 'replicas'"),
        ("Endpoint.spec.predictor.minReplicas.deep", "has no fields"),
        ("TRU9999", "There is no code TRU9999"),
        ("Zebra", "The kinds are: AccessPolicy"),
    ],
)
def test_what_is_not_known_says_what_was_probably_meant(subject: str, meant: str) -> None:
    with pytest.raises(LookupError) as error:
        explain(subject)
    assert meant in str(error.value.args[0])
