"""Where an image comes from: SLSA provenance v1 in an in-toto statement (https://slsa.dev/spec/v1.0/provenance). Pure.

Called by `workspace/building.py`. It says what was asked for (`externalParameters`) and, by digest, everything that went in
(`resolvedDependencies`), so that the build can be repeated and compared. It carries no time of the build: the same build gives the
same statement.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.build.compression import LEVEL
from trueup_specs.core.fingerprints import canonical

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
CYCLONEDX = "https://cyclonedx.org/bom"
"""The predicate type of inventories, as cosign names it."""
BUILD_TYPE = "https://trueup.dev/build/v1"
IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Material:
    """Something that went in: where from, and its digest by algorithm."""

    uri: str
    digest: Mapping[str, str]
    name: str = ""


def statement(subject: str, digest: str, predicate_type: str, predicate: Any) -> bytes:
    """A statement about one image."""
    about: dict[str, Any] = {"name": subject, "digest": {"sha256": digest.removeprefix("sha256:")}}
    return canonical({"_type": STATEMENT, "subject": [about], "predicateType": predicate_type, "predicate": predicate})


def provenance(parameters: Mapping[str, Any], materials: Iterable[Material], version: str) -> dict[str, Any]:
    """The predicate."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": dict(parameters),
            "internalParameters": {"compression": f"gzip level {LEVEL}, zlib {zlib.ZLIB_RUNTIME_VERSION}"},
            "resolvedDependencies": [_material(m) for m in materials],
        },
        "runDetails": {"builder": {"id": "https://trueup.dev/build", "version": {"trueup": version}}},
    }


def _material(material: Material) -> dict[str, Any]:
    found: dict[str, Any] = {"uri": material.uri, "digest": dict(material.digest)}
    return {"name": material.name, **found} if material.name else found
