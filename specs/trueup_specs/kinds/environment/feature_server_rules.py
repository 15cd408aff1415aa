"""Rules of the feature server that an Environment keeps on its cluster (TRU1170): its online store. `registry_rules` has the others."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.environment.servers import OnlineStore
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_HEAD = f"""kind: Environment
metadata: {{name: prod}}
spec:
  target: kubernetes
  cluster: {{context: prod}}
  secretStores: [{{name: vars, type: env}}]
  featureStore:
    server:
      namespace: platform
      image: example.com/feast@sha256:{"0" * 64}
      registry: {{secretRef: {{store: vars, name: FEAST_DATABASE}}}}
"""
_OF_POSTGRES = ("host", "database", "user", "password")
_WITH_DEFAULT = ("port", "db_schema", "sslmode")
_ALIASES = {"connection_string": "connectionString", "db_schema": "dbSchema"}


class OnlineStoreFields(SpecRule[EnvironmentSpec]):
    """An online store of type `redis` must have `connectionString`, one of type `postgres` `host`, `database`, `user` and `password`."""

    code = "TRU1170"
    about = ("spec.feature_store",)
    reason = "Feast would not start without them, and reads no field of the other type."
    good = f"""{_HEAD}      onlineStore:
        type: postgres
        host: db.example.com
        database: features
        user: feast
        password: {{secretRef: {{store: vars, name: FEAST_PASSWORD}}}}"""
    bad = f"""{_HEAD}      onlineStore:
        type: redis
        host: redis.platform
#       ^
        connectionString: redis.platform:6379"""

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        written, server = spec.feature_store.server, whole.feature_store.server
        if written is None or written.online_store is None or server is None or server.online_store is None:
            return
        path: Path = ("spec", "featureStore", "server", "onlineStore")
        given = set(written.online_store.model_fields_set) - {"type"}
        yield from self._judge(server.online_store, given, path)

    @staticmethod
    def _judge(store: OnlineStore, given: set[str], path: Path) -> Iterator[Finding]:
        needed = ("connection_string",) if store.type == "redis" else _OF_POSTGRES
        for name in sorted(given - {*needed, *(_WITH_DEFAULT if store.type == "postgres" else ())}):
            alias = _ALIASES.get(name, name)
            yield Finding(
                (*path, alias),
                f"An online store of type {store.type} has no `{alias}`.",
                at_key=True,
                fix=f"Remove `{alias}`, or write `type: {'redis' if store.type == 'postgres' else 'postgres'}`.",
            )
        if lacking := [f"`{_ALIASES.get(name, name)}`" for name in needed if getattr(store, name) is None]:
            yield Finding(
                path,
                f"The online store lacks {', '.join(lacking)}.",
                at_key=True,
                fix=f"Add {', '.join(lacking)}.",
            )


RULES: tuple[type[Rule], ...] = (OnlineStoreFields,)
