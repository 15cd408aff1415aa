"""What is said of clusters that do not answer and are skipped. Called by `workspace/planning.py` for plans that look; pure."""

from __future__ import annotations

from collections.abc import Iterator

from trueup.observe.live import Sight
from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key


def notes(catalog: Catalog, sight: Sight) -> Iterator[Diagnostic]:
    """A warning for each."""
    environment = catalog.get(Key("Environment", "", catalog.environment))
    for name, reason in sorted(sight.away.items()):
        yield Diagnostic(
            "TRU2016",
            Severity.WARNING,
            f"The cluster {name!r} of environment {catalog.environment!r} is away, and skipped.",
            Location(environment.source.file if environment is not None else ""),
            detail=reason,
            fix="What is meant for it is not looked at and not applied; once it is back, "
            f"`trueup apply {catalog.environment}` goes on with it.",
        )
