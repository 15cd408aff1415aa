"""Which versions of a model are and were in use, from the ledger. Called by the workspace; reads only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from trueup.plan.recorded import Recorded, RecordedResource, RecordedStack
from trueup.record import states
from trueup.record.ledger import Ledger, Tree
from trueup.record.objects import Reader
from trueup_specs.core.references import Key

GATE, ALIAS = "trueup:run:Gate", "trueup:registry:Alias"


def in_use(recorded: Recorded, environment: str, model: Key) -> int | None:
    """The version of a model that an environment uses: what its gate accepted, else what its aliases point to."""
    return _version([r for s in recorded.stacks.values() for r in _of(s, environment, model)])


def served(ledger: Ledger, environment: str, model: Key) -> float:
    """Seconds since an environment uses the version that it uses, as the ledger's entries tell; 0 where it uses none."""
    began: datetime | None = None
    current: int | None = None
    for time, version in _versions(ledger, environment, model):
        current = version if current is None else current
        if version is None or version != current:
            break
        began = time
    return (datetime.now(UTC) - began).total_seconds() if began else 0.0


def ever(ledger: Ledger, environment: str, model: Key) -> frozenset[int]:
    """Every version of a model that was in use in an environment, as the ledger's entries tell."""
    return frozenset(v for _, v in _versions(ledger, environment, model) if v is not None)


def _versions(ledger: Ledger, environment: str, model: Key) -> Iterator[tuple[datetime | None, int | None]]:
    """When and what: the version in use after each entry about the model's stack, newest first."""
    path = f"stacks/{environment}.{model.namespace}.model.json"
    with Reader(ledger.git) as reader:
        for entry in ledger.entries():
            if f"{ledger.workspace}/{path}" in entry.changed:
                data = Tree(reader, entry.id, ledger.workspace).read(path)
                stack = states.stack_of(states.load(data)) if data else None
                yield entry.event.time, _version(list(_of(stack, environment, model)) if stack else [])


def _of(stack: RecordedStack, environment: str, model: Key) -> Iterator[RecordedResource]:
    if stack.id.environment == environment:
        yield from (r for r in stack.resources.values() if r.origin == str(model) and r.address.type in (GATE, ALIAS))


def _version(found: list[RecordedResource]) -> int | None:
    """Of the gate; else of the alias `champion`, or of the first where there is none of that name."""
    gate = next((r for r in found if r.address.type == GATE), None)
    aliases = sorted(found, key=lambda r: (not r.address.name.endswith("-champion"), r.address.name))
    if gate is not None:
        version = gate.outputs.get("acceptedVersion")
    else:
        version = (aliases[0].outputs.get("version") or aliases[0].properties.get("version")) if aliases else None
    try:
        return int(version) if version is not None else None
    except (TypeError, ValueError):
        return None
