"""Compile: from a catalog to stacks of resources. Called by the workspace; pure, no I/O, no Pulumi."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from trueup.compile.fields import refused, unhonoured
from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Resource, Stack, StackId
from trueup_stacks.core.targets import Catalog as View
from trueup_stacks.core.targets import KindSupport, Target
from trueup_stacks.targets import TARGETS

COMPILER_VERSION = "2"
"""Raised when the same specs compile to other resources."""
_STEERING = frozenset({"Environment", "Team", "Policy", "AccessPolicy", "Overlay", "Workspace"})
"""Kinds that a target need not have: they say what is done with the others."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """The stacks of an environment, in waves: those of one wave do not depend on each other."""

    stacks: Mapping[StackId, Stack] = field(default_factory=dict)
    waves: tuple[tuple[StackId, ...], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    def resources(self) -> Iterator[Resource]:
        """Every resource, wave by wave."""
        for wave in self.waves:
            for stack in wave:
                yield from self.stacks[stack].resources

    def find(self, address: Address) -> Resource | None:
        """The resource at an address."""
        stack = self.stacks.get(address.stack)
        return next((r for r in stack.resources if r.address == address), None) if stack else None


class _Emitted:
    """The resources emitted so far (`trueup_stacks.core.targets.Compiled`), as one place sees them: its own, and those that `around` it are
    of no place. What is of no place sees those of all."""

    def __init__(self, around: _Emitted | None = None) -> None:
        self.by_document: dict[Key, tuple[Resource, ...]] = {}
        self._around = around
        self._within: list[_Emitted] = []
        if around is not None:
            around._within.append(self)

    def resources_of(self, key: Key) -> tuple[Resource, ...]:
        others = [self._around] if self._around is not None else self._within
        return (*self.by_document.get(key, ()), *(r for e in others for r in e.by_document.get(key, ())))

    def reached(self, key: Key) -> bool:
        """Whether a document was to be emitted at all."""
        return any(key in e.by_document for e in (self, *self._within))

    def all(self) -> Iterator[Resource]:
        """Every resource, also of the places within."""
        for emitted in (self, *self._within):
            for found in emitted.by_document.values():
                yield from found

    def find(self, key: Key, type: str) -> Resource:
        for resource in self.resources_of(key):
            if resource.address.type == type:
                return resource
        raise KeyError(f"{key} became no {type}")


def compile_catalog(catalog: Catalog) -> Compilation:
    """The stacks of a catalog, with an error for each field that the target does not honour."""
    target = TARGETS.get(catalog.settings.target)
    if target is None:
        return Compilation(diagnostics=(_no_target(catalog),))
    places = target.places(catalog)
    emitted = _Emitted()
    each = [(view, emitted if view is places.whole else _Emitted(emitted)) for view in places.each]
    diagnostics: list[Diagnostic] = []
    stopped: set[Key] = set()
    idle: _Idle = {}
    for kind, support in target.kinds.items():
        for document in catalog.of_kind(kind):
            if refusals := places.refusals.get(document.key):
                diagnostics.extend(refused(document, refusals, catalog))
                stopped.add(document.key)
        for view, into in [(places.whole, emitted)] if support.once else each:
            diagnostics.extend(_kind(kind, support, view, into, stopped, idle))
    diagnostics.extend(_nothing(documents, reason, catalog) for reason, documents in idle.items())
    diagnostics.extend(_not_supported(catalog, target))
    diagnostics.extend(_unpromoted(catalog, emitted, stopped))
    stacks = _stacks(list(emitted.all()))
    # Clusters that lack the same say the same.
    said = tuple(dict.fromkeys(diagnostics))
    try:
        waves = _waves(stacks)
    except CycleError as cycle:
        return Compilation(stacks, (), (*said, _cycle(catalog, cycle, stacks)))
    return Compilation(stacks, waves, said)


_Idle = dict[str, dict[Key, Document]]
"""Documents that become nothing, by the reason."""


def _kind(
    kind: str, support: KindSupport, view: View, emitted: _Emitted, stopped: set[Key], idle: _Idle
) -> Iterator[Diagnostic]:
    """Emits the documents of a kind for one place, and says what stands against that; those that become nothing go to `idle`."""
    for document in view.of_kind(kind):
        if why := support.elsewhere or support.omits(document, view):
            idle.setdefault(why, {})[document.key] = document
            continue
        yield from unhonoured(document, support, view)
        if refusals := tuple(support.refuse(document, view)):
            yield from refused(document, refusals, view)
            stopped.add(document.key)
        elif document.key not in stopped:
            emitted.by_document[document.key] = tuple(support.emit(document, view, emitted))


def _stacks(resources: list[Resource]) -> dict[StackId, Stack]:
    grouped: dict[StackId, list[Resource]] = {}
    for resource in resources:
        grouped.setdefault(resource.address.stack, []).append(resource)
    return {id: Stack(id, _ordered(found)) for id, found in sorted(grouped.items())}


def _ordered(resources: list[Resource]) -> tuple[Resource, ...]:
    """Dependencies first, so that a program can make them in this order."""
    by_address = {r.address: r for r in resources}
    graph = {r.address: sorted({*r.depends_on, *(o.address for o in r.outputs)} & set(by_address)) for r in resources}
    return tuple(by_address[a] for a in TopologicalSorter(graph).static_order())


def _waves(stacks: Mapping[StackId, Stack]) -> tuple[tuple[StackId, ...], ...]:
    sorter = TopologicalSorter({id: sorted(s.upstream() & set(stacks)) for id, s in stacks.items()})
    sorter.prepare()
    waves = []
    while sorter.is_active():
        ready = tuple(sorted(sorter.get_ready()))
        waves.append(ready)
        sorter.done(*ready)
    return tuple(waves)


def _environment(catalog: View) -> Location:
    """The file of the environment's document."""
    found = (d for d in catalog.of_kind("Environment") if d.key.name == catalog.environment)
    return Location(next((d.source.file for d in found), ""))


def _no_target(catalog: Catalog) -> Diagnostic:
    name = catalog.settings.target
    known = ", ".join(sorted(TARGETS))
    return Diagnostic(
        "TRU2001",
        Severity.ERROR,
        f"Environment {catalog.environment!r} has the target {name!r}, which this version cannot compile for.",
        _environment(catalog),
        detail=f"Known targets: {known}.",
    )


def _not_supported(catalog: Catalog, target: Target) -> Iterator[Diagnostic]:
    for key, document in sorted(catalog.documents.items()):
        if key.kind in target.kinds or key.kind in _STEERING:
            continue
        yield Diagnostic(
            "TRU2004",
            Severity.ERROR,
            f"{key} cannot exist in environment {catalog.environment!r}: "
            f"the target {target.name!r} {_lacking(target, key.kind)}.",
            Location(document.source.file),
            fix="Limit the document with metadata.environments, or choose another target.",
        )


def _lacking(target: Target, kind: str) -> str:
    """That a target does not have a kind, and why, as the end of a sentence."""
    why = target.lacks.get(kind)
    return f"does not support the kind {kind}: {why}" if why else f"does not support the kind {kind} yet"


def _nothing(documents: Mapping[Key, Document], reason: str, catalog: View) -> Diagnostic:
    kinds = ", ".join(f"{number} {kind}" for kind, number in Counter(key.kind for key in documents).items())
    first, *more = documents.values()
    who = f"{len(documents)} documents ({kinds}) become" if more else f"{first.key} becomes"
    return Diagnostic(
        "TRU2007",
        Severity.NOTE,
        f"{who} nothing in environment {catalog.environment!r} (target {catalog.settings.target!r}): {reason}.",
        _environment(catalog) if more else Location(first.source.file),
    )


def _unpromoted(catalog: Catalog, emitted: _Emitted, stopped: set[Key]) -> Iterator[Diagnostic]:
    for endpoint in catalog.of_kind("Endpoint"):
        if endpoint.key not in stopped and emitted.reached(endpoint.key) and not emitted.resources_of(endpoint.key):
            yield Diagnostic(
                "TRU2003",
                Severity.NOTE,
                f"{endpoint.key} waits: no version of its model has been promoted to {catalog.environment!r} yet.",
                Location(endpoint.source.file),
                fix=f"Apply the environment that trains the model, then `trueup promote` it to {catalog.environment}.",
            )


def _cycle(catalog: Catalog, cycle: CycleError, stacks: Mapping[StackId, Stack]) -> Diagnostic:
    ring: list[StackId] = cycle.args[1]
    links = []
    for before, after in itertools.pairwise(ring):
        for resource in stacks[after].resources:
            used = {a.stack for a in resource.depends_on} | {o.address.stack for o in resource.outputs}
            if before in used:
                links.append(f"{resource.origin} (in {after}) needs something of {before}")
                break
    return Diagnostic(
        "TRU2005",
        Severity.ERROR,
        f"Stacks depend on each other in a circle: {' → '.join(map(str, ring))}.",
        _environment(catalog),
        detail="; ".join(links),
        fix="Move one of the documents to the other namespace.",
    )
