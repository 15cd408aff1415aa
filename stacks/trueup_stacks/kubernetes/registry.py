"""The environment's own registry of models on a cluster: MLflow's tracking server. Called by `namespaces`; options are those of MLflow 3.

Artifacts go through the server (`--serve-artifacts`), which alone has rights in the bucket. Another version of MLflow may want another
schema of the database: the first new pod changes it (`mlflow db upgrade`) while the old ones still answer, one pod at a time. Where several
begin at once on an empty database, one makes the tables and the others are started anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.environment.servers import StoredIn, TrackingServer
from trueup_specs.kinds.object_store.spec import ObjectStoreSpec
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import networking, registry_address, servers
from trueup_stacks.kubernetes.registry_address import NAME

PORT = 5000
DATABASE = "MLFLOW_BACKEND_STORE_URI"
_GRACE = 25
_ENDPOINT = "MLFLOW_S3_ENDPOINT_URL"
_PATH = "Environment.spec.registry.server"
_HEALTH: dict[str, Value] = {"httpGet": {"path": "/health", "port": "http", "scheme": "HTTP"}}
_FIXED = {
    "HOME": "/tmp",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's background jobs judge traces of language models, keep their queue in the pod, and would run once a replica.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def emit(document: Document, catalog: Catalog) -> Iterator[Resource]:
    """The server's objects; nothing where the environment keeps none here."""
    server = catalog.settings.registry.server
    if server is not None:
        yield from servers.emit(_container(server, document, catalog), server, document, catalog)


def refuse(document: Document, catalog: Catalog) -> Iterator[Refusal]:
    """What the server lacks to be made."""
    server = catalog.settings.registry.server
    if server is None:
        return
    given = {"backendStore": server.backend_store, "artifactsDestination": server.artifacts_destination}
    yield from servers.refuse(NAME, server, _PATH, given, catalog)
    if isinstance(server.artifacts_destination, StoredIn):
        store = _object_store(server.artifacts_destination, document, catalog)
        if store.bucket is None:
            yield Refusal(
                f"{_PATH}.artifactsDestination",
                f"the bucket of ObjectStore {server.artifacts_destination.object_store} has a name that is made from the "
                "environment which makes it, and that is not this one",
                "Write `bucket: NAME` in the ObjectStore.",
            )


def _container(server: TrackingServer, document: Document, catalog: Catalog) -> servers.Container:
    assert server.backend_store is not None, "What lacks it is refused."
    return servers.Container(
        name=NAME,
        component="tracking-server",
        port=PORT,
        command=["mlflow", "server"],
        args=_arguments(server, document, catalog),
        env={DATABASE: server.backend_store, **_FIXED, **server.env},
        alive=_HEALTH,
        usual=servers.usual(server.workers),
        grace=_GRACE,
        reaches=[*servers.to_database(server.backend_store), *_to_store(server)],
        # Kubernetes itself fills in the variable, so that the image needs no shell and the manifest holds no password.
        before=["mlflow", "db", "upgrade", f"$({DATABASE})"],
    )


def _arguments(server: TrackingServer, document: Document, catalog: Catalog) -> list[str]:
    outside = urlsplit(catalog.settings.registry.tracking_uri or "")
    address = outside.netloc.rpartition("@")[2] if outside.scheme in ("http", "https") else ""
    assert server.namespace is not None, "What lacks it is refused."
    # The last two are those of `kubectl port-forward`.
    hosts = [
        *registry_address.names(server.namespace, catalog),
        address,
        *server.allowed_hosts,
        "localhost:*",
        "127.0.0.1:*",
    ]
    origins = [f"{outside.scheme}://{address}" if address else "", *server.cors_allowed_origins]
    found = [
        "--host=0.0.0.0",
        f"--port={PORT}",
        f"--workers={server.workers}",
        "--serve-artifacts",
        f"--artifacts-destination={_destination(server, document, catalog)}",
        f"--allowed-hosts={_listed(hosts)}",
    ]
    if any(origins):
        found.append(f"--cors-allowed-origins={_listed(origins)}")
    return [*found, f"--uvicorn-opts=--timeout-graceful-shutdown {_GRACE}"]


def _listed(items: list[str]) -> str:
    return ",".join(dict.fromkeys(item for item in items if item))


def _destination(server: TrackingServer, document: Document, catalog: Catalog) -> str:
    """The URL of the place in the bucket."""
    given = server.artifacts_destination
    assert given is not None, "What lacks it is refused."
    if isinstance(given, str):
        return given
    bucket = _object_store(given, document, catalog).bucket
    return "/".join(part for part in (f"s3://{bucket}", given.path.strip("/")) if part)


def _object_store(given: StoredIn, document: Document, catalog: Catalog) -> ObjectStoreSpec:
    spec = catalog.bound(document, "ObjectStore", given.object_store).spec
    assert isinstance(spec, ObjectStoreSpec)
    return spec


def _to_store(server: TrackingServer) -> list[Value]:
    """The way to the bucket: to a store of S3's kind that the variables name, or to the clouds', which are behind HTTPS."""
    endpoint = server.env.get(_ENDPOINT)
    return list(networking.way(endpoint)) if isinstance(endpoint, str) else [servers.to_port(networking.PORTS["https"])]
