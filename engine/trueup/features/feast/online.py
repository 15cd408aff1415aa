"""What the online store holds of a view. Called by `feast.registry` under the repository's lock; `online_rows` has what needs no Feast."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
from feast import FeatureStore, FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.passthrough_provider import PassthroughProvider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.type_map import python_values_to_proto_values
from tqdm import tqdm  # type: ignore[import-untyped]

from trueup.features.exports import Export
from trueup.features.feast.store import ENTITY_KEYS
from trueup.features.online_rows import entities, table_name
from trueup.features.repository import ONLINE, Repository

BEGINNING = datetime(1678, 1, 1, tzinfo=UTC)
"""As early as Feast's frames of nanoseconds reach."""
__all__ = ["drop", "entities", "materialise"]


def materialise(store: FeatureStore, repository: Repository, view: FeatureView, found: Export) -> None:
    """Puts each entity's newest row into the store, and takes out entities and features that are gone. Readers are not held up."""
    with closing(sqlite3.connect(repository.folder / ONLINE)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    if found.until is not None:
        until = datetime.fromisoformat(found.until) + timedelta(seconds=1)
        # Not `store.materialize`, which prints and draws bars: this may run inside the driver, whose terminal it is.
        store._get_provider().materialize_single_feature_view(
            config=store.config,
            feature_view=view,
            start_date=BEGINNING,
            end_date=until,
            registry=store.registry,
            project=store.project,
            tqdm_builder=lambda length: tqdm(total=length, disable=True),
        )
        store.registry.apply_materialization(view, store.project, BEGINNING, until)
    _sweep(repository, view, found)


def drop(store: FeatureStore, view: FeatureView) -> None:
    """Takes a view out of the online store."""
    provider = store._get_provider()
    assert isinstance(provider, PassthroughProvider)
    with suppress(FileNotFoundError):
        provider.online_store.update(store.config, [view], [], [], [], partial=True)


def _sweep(repository: Repository, view: FeatureView, found: Export) -> None:
    table = '"' + table_name(repository.project, view.name) + '"'
    with closing(sqlite3.connect(repository.folder / ONLINE, timeout=60)) as connection, connection:
        names = [f.name for f in view.features]
        connection.execute(f"DELETE FROM {table} WHERE feature_name NOT IN ({','.join('?' * len(names))})", names)
        if connection.execute(f"SELECT count(DISTINCT entity_key) FROM {table}").fetchone()[0] == found.entities:
            return
        connection.execute("CREATE TEMP TABLE present (entity_key BLOB PRIMARY KEY)")
        keys = ((key,) for key in _entity_keys(repository, view, found))
        connection.executemany("INSERT OR IGNORE INTO present VALUES (?)", keys)
        connection.execute(f"DELETE FROM {table} WHERE entity_key NOT IN (SELECT entity_key FROM present)")


def _entity_keys(repository: Repository, view: FeatureView, found: Export) -> list[bytes]:
    """The keys of an export's entities, as the store writes them."""
    names = list(view.join_keys)
    rows = pq.read_table(repository.folder / found.path, columns=names).group_by(names).aggregate([])
    kinds = {c.name: c.dtype.to_value_type() for c in view.entity_columns}
    columns = [python_values_to_proto_values(rows.column(n).to_pylist(), kinds[n]) for n in names]
    return [
        serialize_entity_key(
            EntityKey(join_keys=names, entity_values=list(values)), entity_key_serialization_version=ENTITY_KEYS
        )
        for values in zip(*columns, strict=True)
    ]
