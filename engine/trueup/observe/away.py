"""What is said of clusters that do not answer and are skipped, and of what stands elsewhere meanwhile. Called by `workspace/planning.py`;
pure."""

from __future__ import annotations

from collections.abc import Iterator

from trueup.observe.facts import moving
from trueup.observe.live import Sight
from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_stacks.kubernetes.placement import places_of


def notes(catalog: Catalog, sight: Sight) -> Iterator[Diagnostic]:
    """A warning for each, and a note for each endpoint that does not stand where its order of failover begins."""
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
    for key in moving(catalog.documents) if catalog.settings.clusters else ():
        yield from _moved(catalog, key)


def _moved(catalog: Catalog, key: Key) -> Iterator[Diagnostic]:
    document = catalog.documents[key]
    assert isinstance(document.spec, EndpointSpec) and document.spec.placement is not None
    placement, drained = document.spec.placement, {m.name for m in catalog.settings.clusters if m.drain}
    there = [m.name for m in places_of(document, catalog)]
    first = next((name for name in placement.failover_order if name not in drained), "")
    now = next((name for name in reversed(there) if name not in catalog.facts.away), first)
    if not there or now == first:
        return
    away = first in catalog.facts.away
    left = f", and is left as it is on {first!r} until that is back" if first in there else ""
    yield Diagnostic(
        "TRU2017",
        Severity.NOTE,
        f"{key} stands on the cluster {now!r}, since {first!r} is away{left}."
        if away
        else f"{key} stays on the cluster {now!r}, to which it failed over from {first!r}.",
        Location(document.source.file),
        fix="" if away else "It goes back with `failback: automatic`.",
    )
