"""The vulnerability gate, on advisories in OSV's form."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from trueup.build import advisories, gate
from trueup.build.errors import BuildError
from trueup.build.gate import Excepted, Verdict
from trueup.build.inventory import Part

TODAY = date(2026, 11, 25)
JINJA = Part("PyPI", "jinja2", "3.1.2", "Jinja2")
HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"


def advisory(id: str = "GHSA-1", **more: Any) -> dict[str, Any]:
    """Of Jinja2 before 3.1.5."""
    affected = {
        "package": {"ecosystem": "PyPI", "name": more.pop("name", "Jinja2")},
        "ranges": [{"type": "ECOSYSTEM", "events": more.pop("events", [{"introduced": "0"}, {"fixed": "3.1.5"}])}],
        **more.pop("affected", {}),
    }
    return {"id": id, "modified": "2026-11-01T00:00:00Z", "summary": "It breaks out.", "affected": [affected], **more}


@pytest.fixture
def judged(tmp_path: Path) -> Any:
    """The gate's verdict on some advisories."""

    def judge(*records: dict[str, Any], part: Part = JINJA, fail_on: str = "high", excepted: Any = ()) -> Verdict:
        place = tmp_path / "osv.json"
        place.write_text(json.dumps(list(records)))
        return gate.judge([part], place, fail_on, excepted, TODAY)

    return judge


@pytest.mark.capability("infrastructure/vulnerability-management", by="trueup.build.gate:judge")
def test_a_grave_one_refuses_and_says_what_mends_it(judged: Any) -> None:
    verdict = judged(advisory(severity=[{"type": "CVSS_V3", "score": HIGH}]))
    assert verdict is not None
    assert not verdict.passed
    (found,) = verdict.judged
    assert (found.hit.severity, found.hit.score, found.hit.fixed) == ("high", 7.5, "3.1.5")
    assert judged(advisory(severity=[{"type": "CVSS_V3", "score": HIGH}]), fail_on="critical").passed


@pytest.mark.parametrize(
    ("events", "version", "hit"),
    [
        ([{"introduced": "0"}, {"fixed": "3.1.5"}], "3.1.5", False),
        ([{"introduced": "0"}, {"fixed": "3.1.5"}], "3.1.4", True),
        ([{"introduced": "0"}, {"last_affected": "3.1.5"}], "3.1.5", True),
        ([{"introduced": "0"}, {"last_affected": "3.1.5"}], "3.1.6", False),
        ([{"introduced": "3"}], "2.9", False),
        ([{"introduced": "3"}], "3", True),
        ([{"introduced": "0"}, {"fixed": "2"}, {"introduced": "3"}, {"fixed": "3.2"}], "2.5", False),
        ([{"introduced": "3"}, {"fixed": "3.2"}, {"introduced": "0"}, {"fixed": "2"}], "3.1", True),
        ([{"introduced": "0"}, {"fixed": "3.1.5"}], "not-a-version!", True),
    ],
)
def test_ranges(events: Any, version: str, hit: bool, judged: Any) -> None:
    verdict = judged(advisory(events=events), part=Part("PyPI", "jinja2", version))
    assert bool(verdict.judged) is hit


def test_names_are_compared_in_their_normal_form_and_listed_versions_count(judged: Any) -> None:
    part = Part("PyPI", "python-multipart", "0.0.6")
    affected = {"ranges": [], "versions": ["0.0.6"]}
    assert judged(advisory(name="Python_Multipart", affected=affected), part=part).judged
    assert not judged(advisory(name="multipart", affected=affected), part=part).judged


def test_what_was_withdrawn_does_not_count(judged: Any) -> None:
    assert not judged(advisory(withdrawn="2026-01-01T00:00:00Z")).judged


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        (
            {
                "severity": [
                    {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}
                ]
            },
            "critical",
        ),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:P/I:N/A:N"}]}, "medium"),
        ({"database_specific": {"severity": "MODERATE"}}, "medium"),
        ({"database_specific": {"severity": "CRITICAL"}}, "critical"),
        ({"severity": [{"type": "CVSS_V3", "score": "garbage"}], "database_specific": {"severity": "LOW"}}, "low"),
        ({}, "unknown"),
    ],
)
def test_severity(more: dict[str, Any], severity: str, judged: Any) -> None:
    assert judged(advisory(**more)).judged[0].hit.severity == severity


def test_what_nobody_rated_counts_as_high(judged: Any) -> None:
    assert not judged(advisory()).passed
    assert judged(advisory(), fail_on="critical").passed


def test_two_databases_that_tell_of_the_same_are_one(judged: Any) -> None:
    known = advisory("GHSA-1", aliases=["CVE-1"], database_specific={"severity": "LOW"})
    verdict = judged(advisory("PYSEC-1", aliases=["CVE-1", "GHSA-1"]), known)
    (found,) = verdict.judged
    assert (found.hit.id, found.hit.severity, found.refused) == ("GHSA-1", "low", False)
    assert set(found.hit.aliases) == {"CVE-1", "PYSEC-1"}


def test_debian_packages_by_their_source(judged: Any) -> None:
    part = Part("Debian:12", "openssl", "3.0.11-1~deb12u2", "libssl3")
    affected = {"package": {"ecosystem": "Debian:12", "name": "openssl"}}
    events = [{"introduced": "0"}, {"fixed": "3.0.13-1~deb12u1"}]
    assert judged(advisory(events=events, affected=affected), part=part).judged[0].hit.fixed == "3.0.13-1~deb12u1"
    other = {"package": {"ecosystem": "Debian:11", "name": "openssl"}}
    assert not judged(advisory(events=events, affected=other), part=part).judged


def test_what_no_advisory_is_about_is_said(judged: Any) -> None:
    assert judged(advisory(), part=Part("Debian:12", "openssl", "3")).uncovered == (("Debian:12", 1),)
    assert judged(advisory()).uncovered == ()


@pytest.mark.parametrize(
    ("excepted", "passed", "note"),
    [
        (Excepted("CVE-1", "not reachable", date(2026, 11, 25)), True, "excepted until 2026-11-25: not reachable"),
        (Excepted("GHSA-1", "not reachable", date(2026, 11, 24)), False, "ended on 2026-11-24"),
        (Excepted("CVE-1", "x", date(2027, 1, 1), "Jinja2"), True, "excepted"),
        (Excepted("CVE-1", "x", date(2027, 1, 1), "flask"), False, ""),
        (Excepted("CVE-2", "x", date(2027, 1, 1)), False, ""),
    ],
)
def test_exceptions_have_a_reason_and_an_end(excepted: Excepted, passed: bool, note: str, judged: Any) -> None:
    verdict = judged(advisory(aliases=["CVE-1"]), excepted=[excepted])
    assert verdict.passed is passed
    assert note in verdict.judged[0].note


def test_exceptions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.yaml"
    path.write_text("- {id: CVE-1, package: jinja2, reason: not reachable, expires: 2026-12-31}\n")
    assert gate.exceptions(path) == (Excepted("CVE-1", "not reachable", date(2026, 12, 31), "jinja2"),)


@pytest.mark.parametrize(
    "text",
    [
        "- {id: CVE-1, reason: x}",
        "- {id: CVE-1, expires: 2026-12-31}",
        "- {reason: x, expires: 2026-12-31}",
        "- {id: CVE-1, reason: ' ', expires: 2026-12-31}",
        "- {id: CVE-1, reason: x, expires: soon}",
        "- CVE-1",
        "id: CVE-1",
        "- [",
    ],
)
def test_an_exception_without_one_of_them_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "exceptions.yaml"
    path.write_text(text)
    with pytest.raises(BuildError, match=r"exceptions.yaml"):
        gate.exceptions(path)


def test_a_folder_and_an_archive_as_osv_exports_them(tmp_path: Path) -> None:
    folder = tmp_path / "osv"
    (folder / "pypi").mkdir(parents=True)
    (folder / "pypi" / "GHSA-1.json").write_text(json.dumps(advisory("GHSA-1")))
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("GHSA-2.json", json.dumps(advisory("GHSA-2")))
    found = advisories.search(folder, [JINJA])
    assert [h.id for h in found.hits] == ["GHSA-1", "GHSA-2"]
    assert (found.read, found.newest[:10]) == (2, "2026-11-01")


@pytest.mark.parametrize(
    ("name", "text"), [("none", None), ("a.json", "{"), ("b.json", '{"x": 1}'), ("c.json", "[]"), ("d.zip", "x")]
)
def test_advisories_that_cannot_be_used_are_said(name: str, text: str | None, tmp_path: Path) -> None:
    place = tmp_path / name
    if text is not None:
        place.write_text(text)
    with pytest.raises(BuildError, match=name):
        advisories.search(place, [JINJA])


def test_a_severity_that_is_none_is_said(judged: Any) -> None:
    with pytest.raises(BuildError, match=r"--fail-on takes low, medium, high, critical"):
        judged(advisory(), fail_on="severe")
