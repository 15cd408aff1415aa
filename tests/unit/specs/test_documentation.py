"""The READMEs of the kinds: fresh, and with every field, rule and reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup_specs.core import documentation
from trueup_specs.kinds import KINDS


def test_the_pages_of_the_repository_are_fresh() -> None:
    assert documentation.stale() == []


@pytest.mark.parametrize("name", KINDS)
def test_a_page_has_every_rule_of_the_kind(name: str) -> None:
    kind = KINDS[name]
    page = documentation.page(kind)
    for rule in kind.rules:
        assert rule.code in page
        if rule not in documentation.SHARED:
            assert rule.reason in page and rule.good in page and rule.bad in page


def test_a_page_has_fields_with_type_default_and_meaning() -> None:
    page = documentation.page(KINDS["Endpoint"])
    assert "| `predictor.minReplicas` | whole number ≥ 0 ≤ 1000 | `1` |" in page
    assert "| `model.name` | text | required |" in page
    assert "By default `champion`." in page
    assert "| `steps[].outputs.NAME.path` |" in documentation.page(KINDS["Pipeline"])


def test_references_are_told_on_both_sides() -> None:
    assert "- `spec.dataset` → [Dataset](../dataset/README.md)" in documentation.page(KINDS["FeatureView"])
    assert "- [FeatureView](../feature_view/README.md) `spec.dataset`" in documentation.page(KINDS["Dataset"])


def test_links_lead_to_pages() -> None:
    for path, text in documentation.pages().items():
        for target in text.split("](../")[1:]:
            assert (path.parent.parent / target.partition(")")[0]).is_file()


def test_check_names_stale_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    monkeypatch.setattr(documentation, "pages", lambda: {page: "# Entity\n"})
    assert documentation.main(["--check"]) == 1
    assert "README.md is stale" in capsys.readouterr().err
    assert documentation.main([]) == 0
    assert page.read_text() == "# Entity\n"
    assert documentation.main(["--check"]) == 0
