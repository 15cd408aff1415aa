"""Changes of a Feast repository, one at a time under its lock. Called by the provider's feature components; imported late.

Each change leaves the registry with exactly one object more, changed or gone, and the light index up to date.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from feast import FeatureStore, FeatureView
from feast.errors import FeastObjectNotFoundException
from feast.feature_view import DUMMY_ENTITY_NAME

from trueup.features import exports
from trueup.features.feast import definitions, online
from trueup.features.feast.store import opened
from trueup.features.repository import Definitions, FeatureError, Repository

Log = Callable[[str], None]


def all_definitions(repository: Repository) -> Definitions:
    """Everything that is registered, as plain values."""
    store = opened(repository)
    entities = {
        e.name: definitions.of_entity(e)
        for e in store.registry.list_entities(repository.project)
        if e.name != DUMMY_ENTITY_NAME
    }
    views = {v.name: definitions.of_view(v) for v in store.registry.list_feature_views(repository.project)}
    services = {
        s.name: definitions.of_service(s, views) for s in store.registry.list_feature_services(repository.project)
    }
    return {"entities": entities, "views": views, "services": services}


def put_entity(repository: Repository, inputs: Mapping[str, Any], urn: str) -> dict[str, Any]:
    """Registers an entity."""
    with _changing(repository) as store:
        store.apply([definitions.entity(inputs, urn)])
    return repository.definitions()["entities"][inputs["name"]]


def put_view(repository: Repository, inputs: Mapping[str, Any], urn: str, uri: str, log: Log) -> dict[str, Any]:
    """Registers a view over the table version at `uri`, brings its services up to date, and materialises it where it is online."""
    with _changing(repository) as store:
        entities = [_entity(store, name, inputs["name"]) for name in inputs["entities"]]
        keys = {e["inputs"]["joinKey"]: e["inputs"]["valueType"] for e in map(definitions.of_entity, entities)}
        found = exports.export(repository, inputs, uri, keys)
        if found.dropped:
            log(f"warning: {found.dropped} rows have no entity or no time, and are no features")
        before = _registered(store, inputs["name"])
        view = definitions.view(inputs, urn, entities, found.described())
        if before is not None and before.tags.get(definitions.ONLINE) and inputs.get("online"):
            view.tags[definitions.ONLINE] = before.tags[definitions.ONLINE]
        store.apply([view])
        _follow(store, repository, inputs["name"])
        _serve(store, repository, inputs, found, log)
        exports.prune(repository, inputs["name"], found.path)
    return repository.definitions()["views"][inputs["name"]]


def put_service(repository: Repository, inputs: Mapping[str, Any], urn: str) -> dict[str, Any]:
    """Registers a service over views that are registered."""
    with _changing(repository) as store:
        store.apply([_service(store, inputs, urn)])
    return repository.definitions()["services"][inputs["name"]]


def remove(repository: Repository, kind: str, name: str) -> None:
    """Removes exactly one object of `entities`, `views` or `services`; one that is gone already is fine."""
    if repository.digest() is None:
        return
    with _changing(repository) as store, contextlib.suppress(FeastObjectNotFoundException):
        match kind:
            case "entities":
                store.registry.delete_entity(name, repository.project)
            case "services":
                store.registry.delete_feature_service(name, repository.project)
            case "views":
                view = store.registry.get_feature_view(name, repository.project)
                online.drop(store, view)
                store.registry.delete_feature_view(name, repository.project)
                with contextlib.suppress(FeastObjectNotFoundException):
                    store.registry.delete_data_source(name, repository.project)
    if kind == "views":
        exports.remove(repository, name)


@contextlib.contextmanager
def _changing(repository: Repository) -> Iterator[FeatureStore]:
    """The store under the repository's lock; the index is written at the end, also of a change that failed half way."""
    with repository.locked():
        store = opened(repository)
        try:
            yield store
        finally:
            repository.index()


def _registered(store: FeatureStore, name: str) -> FeatureView | None:
    with contextlib.suppress(FeastObjectNotFoundException):
        return store.registry.get_feature_view(name, store.project)
    return None


def _entity(store: FeatureStore, name: str, view: str) -> Any:
    try:
        return store.registry.get_entity(name, store.project)
    except FeastObjectNotFoundException as error:
        raise FeatureError(
            f"The feature view {view} is about the entity {name}, which is not registered; apply the Entity first."
        ) from error


def _service(store: FeatureStore, inputs: Mapping[str, Any], urn: str) -> Any:
    views = {}
    for part in inputs["features"]:
        view = _registered(store, part["view"])
        if view is None:
            raise FeatureError(
                f"The feature service {inputs['name']} uses the view {part['view']}, which is not registered; "
                "apply the FeatureView first."
            )
        there = [f.name for f in view.features]
        if absent := [n for n in part.get("features") or () if n not in there]:
            raise FeatureError(
                f"The feature service {inputs['name']} uses {', '.join(absent)} of the view {part['view']}, which has {', '.join(there)}."
            )
        views[part["view"]] = view
    service = definitions.service(inputs, urn, views)
    names = [f.name for p in service.feature_view_projections for f in p.features]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise FeatureError(
            f"The feature service {inputs['name']} would have {', '.join(twice)} from several views; list the features of "
            "each view so that a name comes once."
        )
    return service


def _follow(store: FeatureStore, repository: Repository, view: str) -> None:
    """Services that take all features of a view get the view's new ones."""
    for service in store.registry.list_feature_services(repository.project):
        if any(p.name == view for p in service.feature_view_projections):
            inputs = definitions.declared(service)
            if inputs is not None:
                store.apply([_service(store, inputs, service.tags.get(definitions.URN, ""))])


def _serve(
    store: FeatureStore, repository: Repository, inputs: Mapping[str, Any], found: exports.Export, log: Log
) -> None:
    """The online store holds what the export holds, or nothing where the view is not online."""
    view = store.registry.get_feature_view(inputs["name"], repository.project)
    if not inputs.get("online"):
        online.drop(store, view)
        return
    if view.tags.get(definitions.ONLINE) == found.path and online.entities(repository, view.name) == found.entities:
        return
    log(f"materialising {found.entities} entities")
    online.materialise(store, repository, view, found)
    view = store.registry.get_feature_view(inputs["name"], repository.project)
    view.tags[definitions.ONLINE] = found.path
    store.registry.apply_feature_view(view, repository.project)
