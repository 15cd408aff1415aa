"""Features for serving: the newest values of each entity, from the online store. Called by the model server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueup.features.offline import as_keys, join_keys, plain_names, required
from trueup.features.repository import FeatureError, Repository

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class _Opened:
    """A service as it was registered when the registry's file was `mark`."""

    mark: tuple[int, int, int]
    keys: Mapping[str, str]
    names: list[str]
    store: Any
    service: Any


class _Kept(threading.local):
    """Per thread: a Feast store is no object for several threads, and takes a moment to open."""

    def __init__(self) -> None:
        self.services: dict[tuple[Repository, str], _Opened] = {}


_kept = _Kept()


def lookup(
    repo: str, project: str, store: Mapping[str, Any] | None, service: str, entities: pd.DataFrame
) -> pd.DataFrame:
    """The features of each row's entity, in the rows' order and index, named as `offline.historical` names them.

    The newest values count, however old; an entity that is not known has none. Raises FeatureError.
    """
    import pandas as pd

    found = _opened(Repository.of(repo, project, store), service)
    if absent := [key for key in found.keys if key not in entities.columns]:
        raise FeatureError(
            f"The feature service {service} is looked up by {', '.join(found.keys)}; the request has no {', '.join(absent)}."
        )
    rows = pd.DataFrame({key: as_keys(entities[key], kind) for key, kind in found.keys.items()})
    asked = rows.dropna().drop_duplicates()
    if asked.empty:
        return pd.DataFrame(index=entities.index, columns=found.names, dtype=object)
    lines = [
        {str(k): int(v) if found.keys[str(k)] == "int64" else v for k, v in row.items()}
        for row in asked.to_dict("records")
    ]
    values = pd.DataFrame(found.store.get_online_features(features=found.service, entity_rows=lines).to_dict())
    for key in found.keys:
        values[key] = values[key].astype(rows[key].dtype)
    return rows.merge(values, on=list(found.keys), how="left").set_axis(entities.index)[found.names]


def _opened(repository: Repository, service: str) -> _Opened:
    """The service as it is registered now, kept until the registry's file changes."""
    try:
        status = repository.registry.stat()
    except FileNotFoundError:
        required(repository, service)
        raise
    mark = (status.st_mtime_ns, status.st_ino, status.st_size)
    kept = _kept.services.get((repository, service))
    if kept is None or kept.mark != mark:
        from trueup.features.feast.store import opened

        known, store = required(repository, service), opened(repository)
        kept = _Opened(
            mark, join_keys(repository, known), plain_names(known), store, store.get_feature_service(service)
        )
        _kept.services[(repository, service)] = kept
    return kept
