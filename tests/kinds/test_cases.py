"""The `cases.yaml` of each kind: what `trueup validate` says of documents as people write them, with codes and places."""

from __future__ import annotations

import pytest

from trueup.validate.validation import Places, judged, parse
from trueup_specs.core.cases import Case, Cases, read
from trueup_specs.core.documentation import folder_of
from trueup_specs.kinds import KINDS

CASES = {name: read(folder_of(kind)) for name, kind in KINDS.items()}
GOOD = [pytest.param(c, case, id=f"{n}: {case.name}") for n, c in CASES.items() for case in c.good]
BAD = [pytest.param(c, case, id=f"{n}: {case.name}") for n, c in CASES.items() for case in c.bad]


def said(cases: Cases, case: Case) -> list[str]:
    """`CODE LINE:COLUMN` of all that is wrong with a case, beside the documents that are given."""
    contents = {"given.yaml": cases.given.encode(), "case.yaml": case.text.encode()}
    parsed = {file: parse(file, data, "default") for file, data in contents.items() if data}
    found = judged(parsed, Places(contents.get), cases.files).diagnostics
    assert all(d.location.file == "case.yaml" for d in found), found
    return [f"{d.code} {d.location.line}:{d.location.column}" for d in found]


@pytest.mark.parametrize(("cases", "case"), GOOD)
def test_a_good_document_is_right(cases: Cases, case: Case) -> None:
    assert said(cases, case) == []


@pytest.mark.parametrize(("cases", "case"), BAD)
def test_a_bad_document_is_told_where_it_is_wrong(cases: Cases, case: Case) -> None:
    assert case.found
    assert said(cases, case) == list(case.found)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_has_enough_cases_of_its_own(name: str) -> None:
    cases = CASES[name]
    assert len(cases.good) >= 1
    assert len(cases.bad) >= 5
    codes = {found.split()[0] for case in cases.bad for found in case.found}
    assert any(code < "TRU1" for code in codes), "a mistake of shape"
    assert any(code > "TRU1" for code in codes), "a mistake that a rule finds"
