"""MLflow as the provider, the steps and the servers reach it: tracking URIs resolved, and one client.

`home:registry` is a SQLite file and a folder in the workspace's home; anything else is an MLflow tracking URI as it is.
"""

from __future__ import annotations

import logging
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from trueup import places

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow asks once, when it is imported

SECONDS = "10"
"""How long a server may take to answer, and how often it is tried: a deploy must say within seconds that it is down."""


def tracking_uri(home: Path, uri: str) -> str:
    """The URI as MLflow takes it."""
    if not uri.startswith(places.SCHEME):
        return uri
    return f"sqlite:///{_folder(home, uri)}/mlflow.db"


def artifact_root(home: Path, uri: str) -> str:
    """Where artifacts of a local registry are kept; empty for a server, which knows itself."""
    return f"{_folder(home, uri)}/artifacts" if uri.startswith(places.SCHEME) else ""


def _folder(home: Path, uri: str) -> Path:
    return Path(places.resolve(home, uri))


def client(home: Path, uri: str) -> Any:
    """An `mlflow.MlflowClient` for a registry. The schema of a new SQLite file is made once, whoever comes first."""
    _bounded()
    resolved = tracking_uri(home, uri)
    if uri.startswith(places.SCHEME):
        prepare(_folder(home, uri))
    return _client(resolved)


def _bounded() -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", SECONDS)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # What MLflow and its SQL library say of themselves is nothing that a user of Trueup can act on.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*noload.*loader strategy is deprecated")


@lru_cache(maxsize=8)
def _client(resolved: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=resolved, registry_uri=resolved)


def prepare(folder: Path) -> None:
    """Makes the SQLite file of a local registry with its schema; several processes may come at once."""
    from filelock import FileLock

    if (folder / "ready").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "schema.lock"):
        if (folder / "ready").exists():
            return
        (folder / "artifacts").mkdir(exist_ok=True)
        _client(f"sqlite:///{folder}/mlflow.db").search_registered_models(max_results=1)
        (folder / "ready").touch()


def missing(error: Exception) -> bool:
    """Whether MLflow says that something is not there."""
    return getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
