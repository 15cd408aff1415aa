"""Versions that go on by themselves once they have served long enough: `promotion.mode: auto` with `soak`.

Called by `facts` and the workspace. Reads values only; the time of service comes from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_stacks.local.model import still_soaks


def asked(documents: Mapping[Key, Document], environment: str) -> Iterator[tuple[str, Key]]:
    """The environments before this one, and the models, whose time of service decides what this one takes."""
    for key, document in documents.items():
        spec = document.spec
        if isinstance(spec, ModelSpec) and spec.version is None and spec.promotion.soak is not None:
            path = spec.promotion.path
            if spec.promotion.mode == "auto" and environment in path[1:]:
                yield path[path.index(environment) - 1], key


def notes(catalog: Catalog) -> Iterator[Diagnostic]:
    """A note for each version that the environment would take if it had served long enough in the one before."""
    for before, key in asked(catalog.documents, catalog.environment):
        document, version = catalog.documents[key], catalog.facts.accepted.get((before, key))
        left = still_soaks(document, catalog, before)
        if version is None or left <= 0 or version == catalog.facts.accepted.get((catalog.environment, key)):
            continue
        assert isinstance(document.spec, ModelSpec)
        yield Diagnostic(
            "TRU2008",
            Severity.NOTE,
            f"Version {version} of {key} soaks in {before} for another {_span(left)} before {catalog.environment!r} takes it "
            f"(promotion.soak: {document.spec.promotion.soak}).",
            Location(document.source.file),
            fix=f"Apply {catalog.environment} again after that, or pin the version with `trueup promote` once it has soaked.",
        )


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"
