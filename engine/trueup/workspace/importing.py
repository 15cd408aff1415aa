"""`trueup import`: takes over something that is there already. Pulumi reads it through its provider, and the ledger records it.

Nothing real is changed. What is there is recorded as it is, so that the next plan shows where the spec says something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from trueup.apply.checkpoints import StateResource
from trueup.exits import INVALID, NOTHING_SELECTED
from trueup.load.trees import WorkingTree
from trueup.plan.recorded import RecordedResource
from trueup.record import outcomes
from trueup.record.events import Event, EventKind
from trueup.record.updates import StackUpdate
from trueup.workspace import naming
from trueup.workspace.drivers import driver_of, resolver_of
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import Prepared, prepare
from trueup.workspace.running import outputs_known
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Output, Resource, Secret, Value, encode, outputs_of

NATIVE = "trueup:"
IMPORTED = "imported"
"""In the place of a digest: no desired resource has it, so that the next plan compares."""


def import_resource(workspace: Workspace, environment: str, document: str, id: str, resource_type: str = "") -> str:
    """Imports what its provider calls `id` as the resource of a document; the resource's address.

    Raises WorkspaceError where the document has no such resource, it is recorded already, or the provider finds nothing.
    """
    prepared = prepare(workspace, environment, WorkingTree(workspace.repository, workspace.prefix), with_before=False)
    if prepared.forbidden:
        raise WorkspaceError(f"The specs have errors: see `trueup plan {environment}`.", INVALID)
    key = naming.chosen(document, prepared.catalog.documents)
    resource = _resource(prepared, key, resource_type)
    if prepared.recorded.resource(resource.address) is not None:
        raise WorkspaceError(
            f"{resource.address} is recorded as applied already. There is nothing to import.", NOTHING_SELECTED
        )
    driver = driver_of(workspace, prepared.catalog, lambda _event: None)
    result = driver.import_(_real(workspace, prepared, resource, id), resolver_of(workspace, prepared))
    state = driver.state(resource.address.stack)
    there = state.by_address().get(resource.address) if state else None
    if not result.ok or there is None:
        raise WorkspaceError(f"{resource.address} was not imported: {result.error or f'its provider finds no {id!r}.'}")
    seen = _recorded(workspace, prepared, resource, there)
    details = {
        "documents": [str(key)],
        "steps": [{"resource": str(resource.address), "action": "import", "status": "done"}],
    }
    workspace.ledger.append(
        Event(
            EventKind.STEP, environment, commit=prepared.plan.commit, stack=str(resource.address.stack), details=details
        ),
        StackUpdate(resource.address.stack, resources=(seen,)),
    )
    return str(resource.address)


def _resource(prepared: Prepared, key: Key, resource_type: str) -> Resource:
    found = [r for r in prepared.compilation.resources() if r.origin == key and resource_type in ("", r.address.type)]
    if len(found) == 1:
        return found[0]
    types = sorted({r.address.type for r in prepared.compilation.resources() if r.origin == key})
    if not types:
        raise WorkspaceError(f"{key} becomes no resource in {prepared.catalog.environment}.", NOTHING_SELECTED)
    if resource_type and (close := nearest(resource_type, types)):
        raise WorkspaceError(f"{key} becomes no {resource_type}. Did you mean {close}?", NOTHING_SELECTED)
    raise WorkspaceError(
        f"{key} becomes several resources: say which with --type, one of {', '.join(types)}.", NOTHING_SELECTED
    )


def _real(workspace: Workspace, prepared: Prepared, resource: Resource, id: str) -> Resource:
    """The resource with the properties that the real thing has. Of what is not native only its provider knows them: it compares."""
    known = outputs_known(workspace, prepared)
    properties = {k: _filled(v, known) for k, v in resource.properties.items()}
    if resource.address.type.startswith(NATIVE):
        properties = _live(workspace, resource.address, id)
    return replace(
        resource, properties=properties, depends_on=(), options=replace(resource.options, moved_from=(), import_id=id)
    )


def _live(workspace: Workspace, address: Address, id: str) -> dict[str, Any]:
    from trueup.provider.catalogue import component
    from trueup.provider.component import ComponentError, Context

    try:
        found = component(address.type).read(Context(workspace.home, address.urn(workspace.name)), id, {}, {})
    except ComponentError as error:
        raise WorkspaceError(f"{address} was not imported: {error}") from None
    if found is None:
        raise WorkspaceError(f"{address} was not imported: there is no {id!r}.", NOTHING_SELECTED)
    return found.inputs


def _recorded(workspace: Workspace, prepared: Prepared, resource: Resource, there: StateResource) -> RecordedResource:
    """The resource as it is there: desired where reality says the same, else what is real."""
    properties = dict(_properties(resource, there.inputs, outputs_known(workspace, prepared)))
    same = properties == {k: encode(v) for k, v in resource.properties.items()}
    values = [r.properties for r in prepared.compilation.resources()]
    read = frozenset(o.property.split(".")[0] for o in outputs_of(values) if o.address == resource.address)
    return replace(
        outcomes.described(resource),
        digest=resource.digest if same else IMPORTED,
        fingerprint=resource.fingerprint if same else IMPORTED,
        properties=properties,
        id=there.id,
        outputs=outcomes.kept(resource, there.plain_outputs, read),
    )


def _properties(
    resource: Resource, inputs: Mapping[str, Any], known: Mapping[Address, Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    for name, desired in resource.properties.items():
        if name in inputs and not _holds_secret(desired) and _filled(desired, known) != inputs[name]:
            yield name, inputs[name]
        elif name in inputs or _empty(desired):
            yield name, encode(desired)


def _filled(value: Value, known: Mapping[Address, Mapping[str, Any]]) -> Any:
    """A desired value with what the outputs of others are now."""
    if isinstance(value, Output):
        return known.get(value.address, {}).get(value.property, encode(value))
    if isinstance(value, Mapping):
        return {str(k): _filled(v, known) for k, v in value.items() if v is not None}
    return [_filled(v, known) for v in value] if isinstance(value, (list, tuple)) else value


def _holds_secret(value: Value) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_secret, value.values()))
    return isinstance(value, Secret) or (isinstance(value, (list, tuple)) and any(map(_holds_secret, value)))


def _empty(value: Value) -> bool:
    """Whether leaving a property out means the same."""
    return value is None or value == "" or value == {} or value == [] or value == ()
