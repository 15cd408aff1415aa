"""The inventory of an image (software bill of materials) in CycloneDX 1.6: the lock file's packages, Trueup, the model, the code, and the
packages of the base image's distribution. Called by `workspace/building.py`; `gate` judges the same list.

Equal images have equal inventories: the serial number and the time are the image's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trueup.build.errors import BuildError
from trueup.build.images import parsed
from trueup.build.locks import normal
from trueup.build.packages import Distribution
from trueup.build.systems import System
from trueup_specs.core.fingerprints import canonical

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

SBOM = "application/vnd.cyclonedx+json"
_SPACE = uuid.UUID("6f0f3e43-6b29-5d0c-8f5a-0d6f6d0f5f0e")
_SOURCE, _SOURCE_VERSION, _ECOSYSTEM = "trueup:source", "trueup:sourceVersion", "trueup:ecosystem"
_ECOSYSTEMS = {
    "debian": ("Debian", 1),
    "ubuntu": ("Ubuntu", 2),
    "alpine": ("Alpine", 2),
    "wolfi": ("Wolfi", 0),
    "chainguard": ("Chainguard", 0),
}
"""What OSV calls a distribution, and how many parts of its version are in that name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A package as advisories name it: `ecosystem` as OSV does (`PyPI`, `Debian:12`), `name` in its normal form."""

    ecosystem: str
    name: str
    version: str
    shown: str = ""
    """How people know it, where that is another name."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the inventory is of."""

    name: str
    digest: str
    created: int
    model: tuple[str, str] | None = None
    """The registered name and version of a model inside."""


def inventory(subject: Subject, distributions: Iterable[Distribution], system: System, base: str) -> bytes:
    """The inventory as JSON."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    hexadecimal = subject.digest.removeprefix("sha256:")
    url = PackageURL("oci", name=subject.name.rpartition("/")[2].lower(), version=subject.digest)
    root = Component(name=subject.name, version=subject.digest, type=ComponentType.CONTAINER, bom_ref="image", purl=url)
    when = datetime.fromtimestamp(subject.created, UTC)
    bom = Bom(serial_number=uuid.uuid5(_SPACE, hexadecimal), metadata=BomMetaData(component=root, timestamp=when))
    bom.metadata.tools.components.add(Component(name="trueup", type=ComponentType.APPLICATION))
    packages = {normal(d.name): _package(d) for d in distributions}
    others = [*_model(subject), *_system(system, base)]
    for component in (*packages.values(), *others):
        bom.components.add(component)
    bom.register_dependency(root, [*packages.values(), *others])
    for distribution in distributions:
        needed = [packages[n] for n in distribution.requires if n in packages and n != normal(distribution.name)]
        bom.register_dependency(packages[normal(distribution.name)], needed)
    return canonical(json.loads(JsonV1Dot6(bom).output_as_string()))


def _package(distribution: Distribution) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from packageurl import PackageURL

    url = PackageURL("pypi", name=normal(distribution.name), version=distribution.version)
    return Component(
        name=distribution.name,
        version=distribution.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=str(url),
        description=distribution.summary or None,
        licenses=[DisjunctiveLicense(name=distribution.license)] if distribution.license else (),
    )


def _model(subject: Subject) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentType

    if subject.model is not None:
        name, version = subject.model
        reference = f"model:{name}/{version}"
        yield Component(name=name, version=version, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref=reference)


def _system(system: System, base: str) -> Iterator[Component]:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    if not system.id:
        return
    yield Component(
        name=system.id,
        version=system.version or None,
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="os",
        description=base,
    )
    name, parts = _ECOSYSTEMS.get(system.id, ("", 0))
    release = ".".join(system.version.split(".")[:parts])
    prefix = "v" if name == "Alpine" else ""
    ecosystem = f"{name}:{prefix}{release}" if name and parts else name
    for package in system.packages:
        architecture = {"arch": package.architecture} if package.architecture else {}
        qualifiers = {**architecture, "distro": f"{system.id}-{system.version}"}
        url = PackageURL(package.type, system.id, package.name, package.version, qualifiers)
        given = {_ECOSYSTEM: ecosystem, _SOURCE: package.source, _SOURCE_VERSION: package.source_version}
        yield Component(
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            purl=url,
            bom_ref=str(url),
            properties=[Property(name=k, value=v) for k, v in given.items() if v],
        )


def read(data: bytes) -> dict[str, Any]:
    """The inventory that was written. Raises BuildError."""
    try:
        return parsed(data, "the inventory")
    except ValueError as error:
        raise BuildError(f"The inventory cannot be read: {error}.") from None


def parts(data: bytes) -> list[Part]:
    """What an inventory lists, as advisories name it. Raises BuildError for what is no inventory."""
    try:
        found = parsed(data, "the inventory")
        if found.get("bomFormat") != "CycloneDX":
            raise ValueError("it is not in CycloneDX's form")
        return sorted(
            {p for c in found.get("components") or () if (p := _part(c)) is not None},
            key=lambda p: (p.ecosystem, p.name),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise BuildError(f"The image's inventory cannot be read: {error}.") from None


def _part(component: dict[str, Any]) -> Part | None:
    url = str(component.get("purl") or "")
    name, version = str(component.get("name")), str(component.get("version") or "")
    if url.startswith("pkg:pypi/"):
        return Part("PyPI", normal(name), version, name)
    known = {p.get("name"): str(p.get("value") or "") for p in component.get("properties") or ()}
    if _SOURCE in known:
        return Part(known.get(_ECOSYSTEM, ""), known.get(_SOURCE) or name, known.get(_SOURCE_VERSION) or version, name)
    return None
