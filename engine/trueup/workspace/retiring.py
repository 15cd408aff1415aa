"""Old versions of a model leave the registry once a newer one is accepted (`Model.spec.retention`). Called at the end of an apply.

Nothing that is in use goes: what an alias points to, what any environment accepted, serves or trained last as the ledger records it, and
what a spec pins. The entry in the ledger says where each version's files are, so that it can be registered again; a rollback to specs
whose version is gone registers it anew from the steps that are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from trueup.plan.recorded import Recorded, RecordedResource
from trueup.provider import tracking
from trueup.provider.component import ComponentError
from trueup.record.events import Event, EventKind
from trueup.run import folders
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Prepared, validated
from trueup_specs.core.envelope import Document
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_stacks.local import naming
from trueup_stacks.local.model import trained_here

GATE, ALIAS, RUN, SERVICE = "trueup:run:Gate", "trueup:registry:Alias", "trueup:run:Run", "trueup:serve:Service"
OUTPUTS = ("acceptedVersion", "candidateVersion", "championVersion", "modelVersion", "version")
FINGERPRINT = "trueup.fingerprint"


def retire(workspace: Workspace, prepared: Prepared, said: Callable[[str], None]) -> None:
    """Retires old versions of each model of which this apply accepted a new one. What fails is said, and is no failure of the apply."""
    catalog, recorded = prepared.catalog, workspace.ledger.recorded()
    for document in catalog.of_kind("Model"):
        if not trained_here(document, catalog.environment):
            continue
        now = _accepted(recorded, document, catalog.environment)
        if now is None or now == _accepted(prepared.recorded, document, catalog.environment):
            continue
        try:
            _retire(workspace, prepared, document, recorded, said)
        except ComponentError as error:
            said(f"old versions of {document.key} stay in the registry: {error}")


def _retire(
    workspace: Workspace, prepared: Prepared, document: Document, recorded: Recorded, said: Callable[[str], None]
) -> None:
    spec, name = document.spec, naming.registered_name(document, prepared.catalog)
    assert isinstance(spec, ModelSpec)
    uri = naming.tracking_uri(prepared.catalog)
    with tracking.speaking(uri):
        client = tracking.client(workspace.home, uri)
        there = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda v: -int(v.version))
        if len(there) <= spec.retention.versions:
            return
        used = {*in_use(recorded, name), *pinned(validated(prepared.tree).documents)}
        used |= {int(v) for v in client.get_registered_model(name).aliases.values()}
        old = [v for v in there[spec.retention.versions :] if int(v.version) not in used]
        for version in old:
            _put_aside(workspace, str(version.tags.get(FINGERPRINT) or ""))
            client.delete_model_version(name, str(version.version))
    if old:
        listed = ", ".join(str(v.version) for v in old)
        said(f"retired version {listed} of {name}: the newest {spec.retention.versions} and those in use stay")
        workspace.ledger.append(_entry(prepared, document, old))


def in_use(recorded: Recorded, name: str) -> Iterator[int]:
    """The versions of a registered model that any environment accepted, judged, trained last, names or serves."""
    for stack in recorded.stacks.values():
        for address, resource in stack.resources.items():
            if address.type in (GATE, ALIAS, RUN, SERVICE) and _model(resource) == name:
                model = resource.properties.get("model")
                said = model.get("version") if isinstance(model, Mapping) else resource.properties.get("version")
                for value in (said, *(resource.outputs.get(o) for o in OUTPUTS)):
                    if isinstance(value, (int, float)):
                        yield int(value)


def pinned(documents: Iterable[Document]) -> Iterator[int]:
    """Every version that a model, an endpoint or an overlay names, of whatever model."""
    for document in documents:
        if document.key.kind in ("Model", "Endpoint", "Overlay"):
            yield from _versions(document.spec.model_dump(by_alias=True))


def _versions(value: Any) -> Iterator[int]:
    if isinstance(value, Mapping):
        if isinstance(value.get("version"), int):
            yield value["version"]
        for inner in value.values():
            yield from _versions(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _versions(inner)


def _model(resource: RecordedResource) -> str:
    model = resource.properties.get("model")
    return str(model.get("name") if isinstance(model, Mapping) else model)


def _accepted(recorded: Recorded, document: Document, environment: str) -> int | None:
    for id, stack in recorded.stacks.items():
        for address, resource in stack.resources.items() if id.environment == environment else ():
            version = resource.outputs.get("acceptedVersion")
            if address.type == GATE and resource.origin == str(document.key) and version is not None:
                return int(version)
    return None


def _put_aside(workspace: Workspace, fingerprint: str) -> None:
    """Whoever asks for this run again gets a version that exists: its steps come from the cache, and the last registers it anew."""
    folder = folders.run_folder(workspace.home, fingerprint)
    if fingerprint and folder.is_dir():
        aside = workspace.home / "runs-before" / f"{fingerprint}.{time.time_ns()}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(aside)


def _entry(prepared: Prepared, document: Document, versions: list[Any]) -> Event:
    gone = [
        {"version": int(v.version), "source": str(v.source), "run": str(v.tags.get(FINGERPRINT) or "")}
        for v in versions
    ]
    return Event(
        EventKind.RETIRED,
        prepared.catalog.environment,
        commit=prepared.plan.commit,
        details={"documents": [str(document.key)], "versions": gone},
    )
