"""Which versions of a model are and were in use, from the ledger. Called by `workspace.promoting`; reads only."""

from __future__ import annotations

from collections.abc import Iterator

from trueup.plan.recorded import Recorded, RecordedResource, RecordedStack
from trueup.record import states
from trueup.record.ledger import Ledger, Tree
from trueup.record.objects import Reader
from trueup_specs.core.references import Key

GATE, ALIAS = "trueup:run:Gate", "trueup:registry:Alias"


def in_use(recorded: Recorded, environment: str, model: Key) -> int | None:
    """The version of a model that an environment uses: what its gate accepted, else what its aliases point to."""
    found = {r.address.type: r for s in recorded.stacks.values() for r in _of(s, environment, model)}
    return _version(found)


def addresses(recorded: Recorded, environment: str, model: Key) -> list[str]:
    """The resources that say which version it is, as texts."""
    found = [r for s in recorded.stacks.values() for r in _of(s, environment, model)]
    return [str(r.address) for r in found]


def ever(ledger: Ledger, environment: str, model: Key) -> frozenset[int]:
    """Every version of a model that was in use in an environment, as the ledger's entries tell."""
    path = f"stacks/{environment}.{model.namespace}.model.json"
    versions: set[int] = set()
    with Reader(ledger.git) as reader:
        for entry in ledger.entries():
            if f"{ledger.workspace}/{path}" in entry.changed:
                data = Tree(reader, entry.id, ledger.workspace).read(path)
                stack = states.stack_of(states.load(data)) if data else None
                found = {r.address.type: r for r in _of(stack, environment, model)} if stack else {}
                if (version := _version(found)) is not None:
                    versions.add(version)
    return frozenset(versions)


def _of(stack: RecordedStack, environment: str, model: Key) -> Iterator[RecordedResource]:
    if stack.id.environment == environment:
        yield from (r for r in stack.resources.values() if r.origin == str(model) and r.address.type in (GATE, ALIAS))


def _version(found: dict[str, RecordedResource]) -> int | None:
    if GATE in found:
        version = found[GATE].outputs.get("acceptedVersion")
    else:
        alias = found.get(ALIAS)
        version = (alias.outputs.get("version") or alias.properties.get("version")) if alias else None
    try:
        return int(version) if version is not None else None
    except (TypeError, ValueError):
        return None
