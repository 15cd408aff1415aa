"""The inventory, judged by CycloneDX's own schema."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from trueup.build import inventory, provenance
from trueup.build.errors import BuildError
from trueup.build.inventory import Part, Subject
from trueup.build.packages import Distribution
from trueup.build.provenance import Material
from trueup.build.systems import System, SystemPackage

SUBJECT = Subject("ghcr.io/acme/risk", f"sha256:{'a' * 64}", 1_700_000_000, ("credit.risk", "7"))
PACKAGES = (
    Distribution("Jinja2", "3.1.2", "BSD-3-Clause", "Templates", ("markupsafe", "absent")),
    Distribution("MarkupSafe", "2.1.5"),
)
OPENSSL = SystemPackage("deb", "libssl3", "3.0.11-1", "openssl", "3.0.11-1", "amd64")
DEBIAN = System("/usr/bin/python3", 11, False, "debian", "12", (OPENSSL,))


def made() -> bytes:
    return inventory.inventory(SUBJECT, PACKAGES, DEBIAN, "debian@sha256:…")


def test_the_schema_of_cyclonedx_holds() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made().decode()) is None


def test_everything_in_the_image_stands_in_it() -> None:
    found = json.loads(made())
    kinds = {c["name"]: (c["type"], c.get("version")) for c in found["components"]}
    assert kinds == {
        "Jinja2": ("library", "3.1.2"),
        "MarkupSafe": ("library", "2.1.5"),
        "credit.risk": ("machine-learning-model", "7"),
        "debian": ("operating-system", "12"),
        "libssl3": ("library", "3.0.11-1"),
    }
    root = found["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("container", SUBJECT.name, SUBJECT.digest)
    needs = {d["ref"]: d.get("dependsOn", []) for d in found["dependencies"]}
    assert needs["pkg:pypi/jinja2@3.1.2"] == ["pkg:pypi/markupsafe@2.1.5"]


def test_it_is_the_same_for_the_same_image() -> None:
    assert made() == made()


def test_parts_as_advisories_name_them() -> None:
    assert inventory.parts(made()) == [
        Part("Debian:12", "openssl", "3.0.11-1", "libssl3"),
        Part("PyPI", "jinja2", "3.1.2", "Jinja2"),
        Part("PyPI", "markupsafe", "2.1.5", "MarkupSafe"),
    ]


@pytest.mark.parametrize(
    ("id", "version", "ecosystem"),
    [
        ("ubuntu", "24.04", "Ubuntu:24.04"),
        ("alpine", "3.20.1", "Alpine:v3.20"),
        ("wolfi", "20230201", "Wolfi"),
        ("rhel", "9", ""),
    ],
)
def test_distributions_as_osv_calls_them(id: str, version: str, ecosystem: str) -> None:
    system = System("", 0, False, id, version, (SystemPackage("apk", "a", "1", "a", "1"),))
    found = inventory.parts(inventory.inventory(SUBJECT, (), system, ""))
    assert [p.ecosystem for p in found] == [ecosystem]


@pytest.mark.parametrize("data", [b"x", b"[]", b"{}", b'{"bomFormat": "CycloneDX", "components": [1]}'])
def test_what_is_no_inventory_is_said(data: bytes) -> None:
    with pytest.raises(BuildError, match="inventory cannot be read"):
        inventory.parts(data)


def test_the_provenance_is_a_statement_of_in_toto() -> None:
    from google.protobuf.json_format import Parse
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    material = Material("git+https://example.com/x", {"gitCommit": "b" * 40}, "code")
    predicate = provenance.provenance({"document": "Model/credit/risk"}, [material], "0.1.0")
    text = provenance.statement("ghcr.io/acme/risk", f"sha256:{'a' * 64}", provenance.PREDICATE, predicate)
    found = Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(found).validate()
    assert found.subject[0].digest["sha256"] == "a" * 64
    slsa = Parse(json.dumps(json.loads(text)["predicate"]), provenance_pb2.Provenance())
    assert slsa.build_definition.resolved_dependencies[0].digest["gitCommit"] == "b" * 40
    assert slsa.run_details.builder.id == "https://trueup.dev/build"
