"""Feast's store object for a repository. Imported late, by this package alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from feast import FeatureStore, RepoConfig
from feast.infra.registry.file import FileRegistryStore
from feast.repo_config import RegistryConfig
from google.protobuf.message import DecodeError

from trueup.features.repository import ONLINE, REGISTRY, FeatureError, Repository

OFFLINE = {"file": "dask", "duckdb": "trueup.features.feast.duckdb.DuckdbOfflineStore"}
ATOMIC = "trueup.features.feast.store.AtomicRegistryStore"
ENTITY_KEYS = 3
"""Feast's current form of entity keys in online stores."""


class AtomicRegistryStore(FileRegistryStore):  # type: ignore[misc]
    """Feast's registry file, replaced in one move: a kill in the middle of a write leaves the former registry and not half a file."""

    def _write_registry(self, registry_proto: Any) -> None:
        place: Path = self._filepath  # type: ignore[has-type]
        fresh = place.with_suffix(f".{os.getpid()}.new")
        self._filepath = fresh
        try:
            super()._write_registry(registry_proto)
            fresh.replace(place)
        finally:
            self._filepath = place
            fresh.unlink(missing_ok=True)


def opened(repository: Repository) -> FeatureStore:
    """The repository as Feast sees it; the registry is read from disk once."""
    config = RepoConfig(
        project=repository.project,
        provider="local",
        registry=RegistryConfig(path=REGISTRY, registry_store_type=ATOMIC, cache_ttl_seconds=0),
        offline_store={"type": OFFLINE[repository.offline]},
        online_store={"type": repository.online, "path": ONLINE},
        entity_key_serialization_version=ENTITY_KEYS,
    )
    config.repo_path = Path(repository.folder)
    store = FeatureStore(repo_path=str(repository.folder), config=config)
    try:
        store.registry  # noqa: B018 — opens and reads the registry
    except DecodeError as error:
        raise FeatureError(
            f"The feature registry {repository.registry} is damaged ({error}). Restore it from a backup, or remove it and apply again, "
            "which registers everything anew."
        ) from error
    return store
