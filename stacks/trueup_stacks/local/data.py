"""Datasets, object stores and features on the target `local`: Delta tables, folders, Feast."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.fingerprints import fingerprint
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.entity.spec import EntitySpec
from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec
from trueup_specs.kinds.object_store.spec import ObjectStoreSpec
from trueup_stacks.core.resources import Output, Resource
from trueup_stacks.core.targets import Catalog, Compiled, address_of, env_value
from trueup_stacks.local import naming, tokens


def emit_table(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """A Delta table, loaded from the dataset's source."""
    spec = document.spec
    assert isinstance(spec, DatasetSpec)
    source = catalog.bound(document, "DataSource", spec.source)
    fact = catalog.facts.sources.get(source.key)
    volatile = frozenset({"sourceFingerprint"}) if fact and fact.volatile else frozenset()
    yield Resource(
        address_of(document, catalog, "data", tokens.TABLE),
        {
            "uri": table_uri(document, catalog),
            "source": source_property(source, catalog),
            "sourceFingerprint": fact.fingerprint if fact else "unknown",
            "properties": columns(spec),
            "strict": spec.schema_.strict,
            "quality": dumped(spec.quality),
            "timestamp": spec.timestamp,
            "pinnedVersion": None if spec.version == "latest" else spec.version,
            **naming.described(document, labels=True),
        },
        document.key,
        options=naming.options(document, catalog, "data", tokens.TABLE, holds_data=True, volatile=volatile),
    )


def table_uri(document: Document, catalog: Catalog) -> str:
    """Where a dataset's table lies; a renamed dataset keeps its former place, and with it the data."""
    if document.metadata.moved_from:
        namespace, _, name = document.metadata.moved_from.rpartition("/")
        return f"home:{catalog.environment}/tables/{namespace or document.key.namespace}/{name}"
    return naming.folder(document, catalog, "tables")


def source_property(source: Document, catalog: Catalog) -> dict[str, Any]:
    """The source as the provider reads it; a file of the repository by the place it was exported to."""
    spec = source.spec
    assert isinstance(spec, DataSourceSpec)
    if spec.file is not None:
        fact = catalog.facts.sources.get(source.key)
        return {
            "kind": "file",
            "url": fact.url if fact else spec.file.url,
            "format": spec.file.format,
            "options": dict(spec.file.options),
            "storageOptions": {k: env_value(v) for k, v in spec.file.storage_options.items()},
        }
    assert spec.sql is not None
    found = {"kind": "sql", "connection": env_value(spec.sql.connection), "query": spec.sql.query}
    return found | ({"cursor": spec.sql.cursor} if spec.sql.cursor is not None else {})


def dumped(items: Iterable[Any]) -> list[Any]:
    """Spec models as property values."""
    return [item.model_dump(by_alias=True, exclude_defaults=True, mode="json") for item in items]


def columns(spec: DatasetSpec) -> list[Any]:
    """A dataset's columns as property values, without their descriptions."""
    return [{k: v for k, v in column.items() if k != "description"} for column in dumped(spec.schema_.properties)]


def version_of(table: Resource) -> Output:
    """The table version that readers get, as a symbol that changes with the data and not with the contract around it.

    So a new quality check or an added column loads the table again and changes nothing downstream.
    """
    meaning = {k: table.properties[k] for k in ("uri", "sourceFingerprint", "pinnedVersion")}
    if "sourceFingerprint" in table.options.volatile:
        meaning.pop("sourceFingerprint")
    return Output(table.address, "version", fingerprint(meaning))


def emit_bucket(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """A folder."""
    spec = document.spec
    assert isinstance(spec, ObjectStoreSpec)
    yield Resource(
        address_of(document, catalog, "foundation", tokens.BUCKET),
        {
            "uri": naming.folder(document, catalog, "objects"),
            "forceDestroy": spec.force_destroy,
            **naming.described(document, labels=True),
        },
        document.key,
        options=naming.options(document, catalog, "foundation", tokens.BUCKET, holds_data=True),
    )


def emit_entity(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """A Feast entity."""
    spec = document.spec
    assert isinstance(spec, EntitySpec)
    yield Resource(
        address_of(document, catalog, "data", tokens.ENTITY),
        {
            **naming.feature_repository(catalog),
            "name": feast_name(document),
            "joinKey": spec.join_key,
            "valueType": spec.value_type,
            "tags": list(spec.tags),
            **naming.described(document),
        },
        document.key,
        options=naming.options(document, catalog, "data", tokens.ENTITY),
    )


def feast_name(document: Document) -> str:
    """A name that Feast takes and that is unique over namespaces."""
    return f"{document.key.namespace}__{document.key.name}".replace("-", "_")


def emit_feature_view(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """A Feast feature view over the dataset's table, materialised where it is online."""
    spec = document.spec
    assert isinstance(spec, FeatureViewSpec)
    entities = [catalog.bound(document, "Entity", e) for e in spec.entities]
    table = compiled.find(catalog.bound(document, "Dataset", spec.dataset).key, tokens.TABLE)
    yield Resource(
        address_of(document, catalog, "data", tokens.FEATURE_VIEW),
        {
            **naming.feature_repository(catalog),
            "name": feast_name(document),
            "entities": [feast_name(e) for e in entities],
            "table": {"uri": table.properties["uri"], "version": version_of(table)},
            "timestampField": spec.timestamp_field,
            "createdTimestampColumn": spec.created_timestamp_column,
            "ttlSeconds": seconds(spec.ttl) if spec.ttl else None,
            "features": [{"name": f.name, "type": f.type, "description": f.description} for f in spec.features],
            "online": spec.online,
            **naming.described(document),
        },
        document.key,
        tuple(compiled.find(e.key, tokens.ENTITY).address for e in entities),
        naming.options(document, catalog, "data", tokens.FEATURE_VIEW),
    )


def emit_feature_service(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """A Feast feature service."""
    spec = document.spec
    assert isinstance(spec, FeatureServiceSpec)
    views = [catalog.bound(document, "FeatureView", p.view) for p in spec.features]
    yield Resource(
        address_of(document, catalog, "data", tokens.FEATURE_SERVICE),
        {
            **naming.feature_repository(catalog),
            "name": feast_name(document),
            "features": [
                {"view": feast_name(view), "features": list(p.features) if p.features is not None else None}
                for view, p in zip(views, spec.features, strict=True)
            ],
            **naming.described(document),
        },
        document.key,
        tuple(compiled.find(v.key, tokens.FEATURE_VIEW).address for v in views),
        naming.options(document, catalog, "data", tokens.FEATURE_SERVICE),
    )


def features_property(service: Document, catalog: Catalog) -> dict[str, Any]:
    """A feature service as runs and servers read it."""
    spec = service.spec
    assert isinstance(spec, FeatureServiceSpec)
    views = [catalog.bound(service, "FeatureView", p.view) for p in spec.features]
    joins: list[str] = []
    for view in views:
        assert isinstance(view.spec, FeatureViewSpec)
        for name in view.spec.entities:
            entity = catalog.bound(view, "Entity", name).spec
            assert isinstance(entity, EntitySpec)
            if entity.join_key not in joins:
                joins.append(entity.join_key)
    return {**naming.feature_repository(catalog), "service": feast_name(service), "joinKeys": joins}
