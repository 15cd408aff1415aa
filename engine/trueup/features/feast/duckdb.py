"""Feast's offline store `duckdb`: point-in-time joins of the repository's Parquet files in DuckDB's SQL.

Feast's own store of that name goes through Ibis; this one says what it joins in one query, and needs DuckDB alone. Everything but
the join (materialisation, schemas) is Feast's store for files.
"""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from feast.infra.offline_stores.dask import DaskOfflineStore, DaskOfflineStoreConfig
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.utils import _get_requested_feature_views_to_features_dict

TIME = "event_timestamp"
"""The column of an entity frame with each row's time, as Feast calls it."""


class DuckdbOfflineStoreConfig(DaskOfflineStoreConfig):  # type: ignore[misc]
    """The store's configuration: it has none."""

    type: Literal["trueup.features.feast.duckdb.DuckdbOfflineStore"] = "trueup.features.feast.duckdb.DuckdbOfflineStore"


class DuckdbRetrievalJob(RetrievalJob):  # type: ignore[misc]
    """A join that runs when its rows are asked for."""

    def __init__(
        self, frame: pd.DataFrame, joins: list[tuple[str, str]], metadata: RetrievalMetadata, full: bool
    ) -> None:
        self._frame, self._joins, self._metadata, self._full = frame, joins, metadata, full

    @property
    def full_feature_names(self) -> bool:
        return self._full

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return []

    @property
    def metadata(self) -> RetrievalMetadata:
        return self._metadata

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal().to_pandas()
        return frame

    def _to_arrow_internal(self, timeout: int | None = None) -> Any:
        import duckdb

        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("entity_rows", self._frame.assign(trueup_row=range(len(self._frame))))
            tables = " ".join(f"LEFT JOIN ({query}) {name} USING (trueup_row)" for name, query in self._joins)
            parts = "".join(f", {name}.* EXCLUDE (trueup_row)" for name, _ in self._joins)
            query = f"SELECT e.* EXCLUDE (trueup_row){parts} FROM entity_rows e {tables} ORDER BY trueup_row"
            return connection.sql(query).to_arrow_table()


class DuckdbOfflineStore(DaskOfflineStore):  # type: ignore[misc]
    """Joins features to rows as of each row's time."""

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        **_others: Any,
    ) -> RetrievalJob:
        """One query per view; see `join_query`."""
        wanted, _on_demand = _get_requested_feature_views_to_features_dict(feature_refs, feature_views, [])
        joins = [
            (f"view_{i}", join_query(config, view, features, full_feature_names))
            for i, (view, features) in enumerate(wanted.items())
        ]
        times = entity_df[TIME]
        keys = [c for c in entity_df.columns if c != TIME]
        return DuckdbRetrievalJob(
            entity_df, joins, RetrievalMetadata(feature_refs, keys, times.min(), times.max()), full_feature_names
        )


def join_query(config: Any, view: Any, features: list[str], full: bool) -> str:
    """For each entity row the view's newest row that is not after its time and not older than the time to live.

    Of rows with equal times the one created last wins, as Feast defines it.
    """
    source = view.batch_source
    place = FileSource.get_uri_for_file_path(config.repo_path, source.file_options.uri)
    time, created = f"f.{quoted(source.timestamp_field)}", source.created_timestamp_column
    mapping = view.projection.join_key_map
    keys = " AND ".join(f"f.{quoted(c.name)} = e.{quoted(mapping.get(c.name, c.name))}" for c in view.entity_columns)
    alive = f" AND {time} >= e.{TIME} - INTERVAL {int(view.ttl.total_seconds())} SECOND" if view.ttl else ""
    order = f"{time} DESC" + (f", f.{quoted(created)} DESC NULLS LAST" if created else "")
    names = [(n, f"{view.projection.name_to_use()}__{n}" if full else n) for n in features]
    columns = "".join(f", f.{quoted(n)} AS {quoted(shown)}" for n, shown in names)
    return (
        f"SELECT e.trueup_row{columns} FROM entity_rows e JOIN read_parquet({literal(place)}) f ON {keys} "
        f"AND {time} <= e.{TIME}{alive} QUALIFY row_number() OVER (PARTITION BY e.trueup_row ORDER BY {order}) = 1"
    )


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"
