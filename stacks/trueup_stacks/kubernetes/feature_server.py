"""The environment's own feature server on a cluster: Feast's. Called by `namespaces`; options are those of Feast's `feature_store.yaml`.

Feast fills variables into that file before it reads it as YAML. They stand in single quotes, so that a password may hold all but those.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, EnvValue
from trueup_specs.kinds.environment.servers import FeatureServer, OnlineStore
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import networking, servers
from trueup_stacks.local.naming import feature_repository

NAME = "feast"
PORT = 6566
REGISTRY, ONLINE = "FEAST_REGISTRY", "FEAST_ONLINE_STORE"
_PATH = "Environment.spec.featureStore.server"
_GRACE = 30
"""That of gunicorn, which Feast leaves as it is."""
_ALIVE: dict[str, Value] = {"tcpSocket": {"port": "http"}}
"""`/health` asks the registry: were it the liveness probe, a database that is away would have every server started anew."""


def emit(document: Document, catalog: Catalog) -> Iterator[Resource]:
    """The server's objects; nothing where the environment keeps none here."""
    server = catalog.settings.feature_store.server
    if server is not None:
        yield from servers.emit(_container(server, catalog), server, document, catalog)


def refuse(document: Document, catalog: Catalog) -> Iterator[Refusal]:
    """What the server lacks to be made."""
    server = catalog.settings.feature_store.server
    if server is None:
        return
    online = _online(server.online_store) if server.online_store is not None else None
    given = {"registry": server.registry, "onlineStore": online}
    yield from servers.refuse(NAME, server, _PATH, given, catalog)


def _online(store: OnlineStore) -> EnvValue | None:
    """What is secret of the online store, as a rule."""
    return store.connection_string if store.type == "redis" else store.password


def _container(server: FeatureServer, catalog: Catalog) -> servers.Container:
    store = server.online_store
    assert server.registry is not None and store is not None, "What lacks them is refused."
    online = _online(store)
    assert online is not None, "What lacks it is refused."
    return servers.Container(
        name=NAME,
        component="feature-server",
        port=PORT,
        command=["feast"],
        args=[
            f"--chdir={servers.FILES}",
            "serve",
            "--host=0.0.0.0",
            f"--port={PORT}",
            f"--workers={server.workers}",
        ],
        env={REGISTRY: server.registry, ONLINE: online, "HOME": "/tmp", **server.env},
        alive=_ALIVE,
        usual=servers.usual(server.workers),
        grace=_GRACE,
        reaches=[*servers.to_database(server.registry), *_to_online(store)],
        files={"feature_store.yaml": repository(store, catalog)},
    )


def repository(store: OnlineStore, catalog: Catalog) -> str:
    """The `feature_store.yaml`."""
    if store.type == "redis":
        lines = ["type: redis", f"connection_string: '${{{ONLINE}}}'"]
    else:
        lines = [
            "type: postgres",
            f"host: {_quoted(store.host)}",
            f"port: {store.port}",
            f"database: {_quoted(store.database)}",
            f"db_schema: {_quoted(store.db_schema)}",
            f"user: {_quoted(store.user)}",
            f"password: '${{{ONLINE}}}'",
            f"sslmode: {store.sslmode}",
        ]
    return "\n".join(
        (
            f"project: {_quoted(feature_repository(catalog)['project'])}",
            "provider: local",
            "registry:",
            "  registry_type: sql",
            f"  path: '${{{REGISTRY}}}'",
            "online_store:",
            *(f"  {line}" for line in lines),
            "entity_key_serialization_version: 3",
            "",
        )
    )


def _quoted(text: str | None) -> str:
    """A text as YAML's single quotes hold it."""
    return "'" + (text or "").replace("'", "''") + "'"


def _to_online(store: OnlineStore) -> list[Value]:
    if store.type == "postgres":
        return list(networking.way(f"postgresql://{store.host}:{store.port}"))
    given = store.connection_string
    if isinstance(given, str):
        return list(networking.way(f"redis://{given.partition(',')[0]}"))
    return [servers.to_port(networking.PORTS["redis"])]
