"""Rules of the servers that an Environment keeps on its cluster (TRU1160 to TRU1169): MLflow's, and what Feast's has in common with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.envelope.credential_rules import credential
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.environment.servers import FeatureServer, Server, TrackingServer
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.team.spec import TeamSpec

_ABOUT = ("spec.registry", "spec.feature_store")
_DIGEST = re.compile(r"^\S+@sha256:[0-9a-f]{64}$")
_BUCKETS = ("s3", "gs", "wasbs", "abfss")
_HOST = re.compile(r"^[A-Za-z0-9*]([-A-Za-z0-9.*]*[A-Za-z0-9*])?(:(\d{1,5}|\*))?$")
_ORIGIN = re.compile(r"^(\*|https?://[A-Za-z0-9*]([-A-Za-z0-9.*]*[A-Za-z0-9*])?(:(\d{1,5}|\*))?)$")
_PASSWORD = re.compile(r"(?:^|[,?&;])\s*(?:password|pwd)=[^,&;]", re.I)
OF_FIELDS = {
    "MLFLOW_BACKEND_STORE_URI": "backendStore",
    "MLFLOW_ARTIFACTS_DESTINATION": "artifactsDestination",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "allowedHosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "corsAllowedOrigins",
    "MLFLOW_WORKERS": "workers",
    "FEAST_REGISTRY": "registry",
    "FEAST_ONLINE_STORE": "onlineStore",
}
"""Variables that a field of a server is for."""


def example(lines: str, stores: str = "[{name: vars, type: env}]", uri: str = "https://mlflow.example.com") -> str:
    """An environment whose registry has a server with these lines."""
    head = "kind: Environment\nmetadata: {name: prod}\nspec:\n  target: kubernetes\n  cluster: {context: prod}\n"
    registry = f"  registry:\n    trackingUri: {uri}\n" if uri else "  registry:\n"
    return f"{head}  secretStores: {stores}\n{registry}    server:\n{lines}"


_IMAGE = f"      image: example.com/mlflow@sha256:{'0' * 64}\n"
_REST = "      backendStore: {secretRef: {store: vars, name: MLFLOW_DATABASE}}\n      artifactsDestination: s3://shop-models/mlflow"
GOOD = example(f"      namespace: platform\n      replicas: 2\n{_IMAGE}{_REST}")


def servers(spec: EnvironmentSpec) -> Iterator[tuple[Path, Server]]:
    """The servers that a document writes, each with its path."""
    if spec.registry.server is not None:
        yield ("spec", "registry", "server"), spec.registry.server
    if spec.feature_store.server is not None:
        yield ("spec", "featureStore", "server"), spec.feature_store.server


def database(server: Server) -> tuple[str, object]:
    """The field of a server's database, and what it says."""
    if isinstance(server, TrackingServer):
        return "backendStore", server.backend_store
    return "registry", server.registry if isinstance(server, FeatureServer) else None


class ServerIncomplete(SpecRule[EnvironmentSpec]):
    """A server of the registry or of the feature store must say where it stands, what it runs and where its data are."""

    code = "TRU1160"
    about = _ABOUT
    reason = "Without a database and a bucket both servers would write into their pod, and what is written there goes with it."
    good = GOOD
    bad = example(f"      namespace: platform\n{_IMAGE}      artifactsDestination: s3://shop-models").replace(
        "    server:\n", "    server:\n#   ^\n"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = dict(servers(settings(document.key.name, index) or spec))
        for path, _ in servers(spec):
            server = whole[path]
            wanted = {"namespace": server.namespace, "image": server.image, database(server)[0]: database(server)[1]}
            if isinstance(server, TrackingServer):
                wanted["artifactsDestination"] = server.artifacts_destination
            elif isinstance(server, FeatureServer):
                wanted["onlineStore"] = server.online_store
            if lacking := [f"`{name}`" for name, value in wanted.items() if value is None]:
                yield Finding(
                    path,
                    f"The server lacks {', '.join(lacking)}.",
                    at_key=True,
                    fix=f"Add {', '.join(lacking)}.",
                )


class ServerImageLoose(SpecRule[EnvironmentSpec]):
    """The image of a server must be given by digest."""

    code = "TRU1161"
    about = _ABOUT
    reason = "A tag means another image tomorrow, and with it another schema of the database."
    good = GOOD
    bad = example(f"      namespace: platform\n      image: ghcr.io/mlflow/mlflow:v3.5.0-full\n#            ^\n{_REST}")

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, server in servers(spec):
            if server.image is not None and not _DIGEST.match(server.image):
                yield Finding(
                    (*path, "image"),
                    f"The image {server.image!r} is not given by digest.",
                    fix="Write `NAME@sha256:…`; `docker buildx imagetools inspect` shows the digest of a tag.",
                )


class DatabaseInPod(SpecRule[EnvironmentSpec]):
    """The database of a server must be one that it reaches over the network, and no file such as SQLite's."""

    code = "TRU1162"
    about = _ABOUT
    reason = "A file in a pod goes with the pod, and each replica would have one of its own."
    good = GOOD
    bad = example(
        "      namespace: platform\n      replicas: 2\n"
        f"{_IMAGE}      backendStore: sqlite:////data/mlflow.db\n#                   ^\n      artifactsDestination: s3://shop-models"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, server in servers(spec):
            field, value = database(server)
            if isinstance(value, str) and _is_file(value):
                yield Finding(
                    (*path, field),
                    f"The database {value!r} is a file of the pod: {_lost(server)}.",
                    fix="Write the URL of a PostgreSQL, MySQL or SQL Server, or a `secretRef` with it.",
                )


def _is_file(url: str) -> bool:
    return "://" not in url or url.startswith(("sqlite", "file:"))


def _lost(server: Server) -> str:
    return "it goes with it" if server.replicas == 1 else f"each of the {server.replicas} replicas would have its own"


class ArtifactsInPod(SpecRule[EnvironmentSpec]):
    """`artifactsDestination` must be a bucket: an ObjectStore, or an `s3://`, `gs://`, `wasbs://` or `abfss://` URL."""

    code = "TRU1163"
    about = ("spec.registry",)
    reason = "A folder of a pod goes with the pod, and the replicas would not see each other's models."
    good = GOOD
    bad = example(
        f"      namespace: platform\n      replicas: 2\n{_IMAGE}"
        "      backendStore: {secretRef: {store: vars, name: MLFLOW_DATABASE}}\n"
        "      artifactsDestination: /mlartifacts\n#                           ^"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        server = spec.registry.server
        value = server.artifacts_destination if server is not None else None
        if server is None or not isinstance(value, str):
            return
        path: Path = ("spec", "registry", "server", "artifactsDestination")
        parts = urlsplit(value)
        if parts.scheme in ("", "file"):
            yield Finding(
                path,
                f"The artifacts would be in a folder of the pod, {value!r}: {_lost(server)}.",
                fix="Write the URL of a bucket, such as `s3://models/mlflow`, or `{objectStore: namespace/name}`.",
            )
        elif parts.scheme not in _BUCKETS or not parts.netloc:
            yield Finding(
                path,
                f"{value!r} is no bucket that the server could be given.",
                fix="Write `s3://…`, `gs://…`, `wasbs://…` or `abfss://…` with the bucket's name.",
            )


class TrackingUriMissing(SpecRule[EnvironmentSpec]):
    """`registry.server` must have `registry.trackingUri` beside it."""

    code = "TRU1164"
    about = ("spec.registry",)
    reason = (
        "Trueup sets aliases and reads versions from outside the cluster, where the server's own name leads nowhere: it needs the "
        "address that the platform gives it, such as that of an ingress."
    )
    good = GOOD
    bad = example(f"      namespace: platform\n{_IMAGE}{_REST}", uri="").replace(
        "    server:\n", "    server:\n#   ^\n"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        if spec.registry.server is not None and whole.registry.tracking_uri is None:
            yield Finding(
                ("spec", "registry", "server"),
                "The registry has a server on the cluster, and no address by which Trueup and people reach it from outside.",
                at_key=True,
                fix="Add `trackingUri: https://…` beside `server`, and lead that name to the server's Service, `mlflow`.",
            )


class TrackingUriOfOther(SpecRule[EnvironmentSpec]):
    """`registry.trackingUri` should be the `http` or `https` address of `registry.server`, where there is one."""

    code = "TRU1165"
    about = ("spec.registry",)
    severity = Severity.WARNING
    reason = (
        "Trueup would write into another registry than the one that pods read, or go around the server to its database."
    )
    good = GOOD
    bad = example(f"      namespace: platform\n{_IMAGE}{_REST}", uri="sqlite:////srv/mlflow.db\n#                ^")

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        uri = spec.registry.tracking_uri
        if whole.registry.server is not None and uri is not None and urlsplit(uri).scheme not in ("http", "https"):
            yield Finding(
                ("spec", "registry", "trackingUri"),
                f"{uri!r} is not the address of the registry's server.",
                fix="Write the `https://` address by which the server is reached from outside the cluster.",
            )


class ServerUnowned(SpecRule[EnvironmentSpec]):
    """The namespace of a server must be owned by a Team, once the workspace has Teams."""

    code = "TRU1166"
    about = _ABOUT
    reason = "Nobody would answer for the server, and nobody would have rights where it stands."
    good = (
        f"kind: Team\nmetadata: {{name: platform}}\nspec: {{members: [{{user: ada}}], owns: [platform]}}\n---\n{GOOD}"
    )
    bad = good.replace("namespace: platform\n", "namespace: plattform\n#                ^\n")

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        teams = [team.spec for team in index.of_kind("Team")]
        owned = {name for team in teams if isinstance(team, TeamSpec) for name in team.owns}
        for path, server in servers(spec):
            if teams and server.namespace is not None and server.namespace not in owned:
                yield Finding(
                    (*path, "namespace"),
                    f"No team owns the namespace {server.namespace!r}.",
                    fix=f"Add {server.namespace!r} to `spec.owns` of the Team that answers for the server.",
                )


class ServerSecretInClear(SpecRule[EnvironmentSpec]):
    """Passwords and keys of a server must be given by `secretRef`."""

    code = "TRU1167"
    about = _ABOUT
    reason = "Specs are read by everyone who can read the repository, and Git never forgets: the credential would have to be changed."
    good = GOOD
    bad = example(
        f"      namespace: platform\n{_IMAGE}      backendStore: postgresql://mlflow:hunter22@db.example.com/mlflow\n"
        "#                   ^\n      artifactsDestination: s3://shop-models"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, server in servers(spec):
            field, value = database(server)
            texts: dict[Path, object] = {(field,): value}
            if isinstance(server, FeatureServer) and server.online_store is not None:
                texts["onlineStore", "connectionString"] = server.online_store.connection_string
            for place, text in texts.items():
                if isinstance(text, str) and (urlsplit(text).password or _PASSWORD.search(text)):
                    yield Finding(
                        (*path, *place),
                        f"`{'.'.join(map(str, place))}` holds a password.",
                        fix="Change the password, put the whole value into a secret store, and write `{secretRef: {store, name}}`.",
                    )
            for name, given in server.env.items():
                if isinstance(given, str) and (kind := credential(name, given)):
                    yield Finding(
                        (*path, "env", name),
                        f"The value of {name!r} looks like a credential ({kind}).",
                        fix="Take it out of the file and of Git's history, change it, and name it by `secretRef: {store, name}`.",
                    )


class HostMalformed(SpecRule[EnvironmentSpec]):
    """`allowedHosts` are names, with a port where it is not 80 or 443; `corsAllowedOrigins` have a scheme before that."""

    code = "TRU1168"
    about = ("spec.registry",)
    reason = "MLflow compares them as text with what clients send, so that another form admits nobody."
    good = example(
        f"      namespace: platform\n{_IMAGE}{_REST}\n"
        '      allowedHosts: [mlflow.internal, "*.example.com:8443"]\n'
        '      corsAllowedOrigins: ["https://mlflow.internal"]'
    )
    bad = example(
        f"      namespace: platform\n{_IMAGE}{_REST}\n"
        '      allowedHosts: ["https://mlflow.internal/"]\n#                    ^'
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        server = spec.registry.server
        if server is None:
            return
        path: Path = ("spec", "registry", "server")
        for position, host in enumerate(server.allowed_hosts):
            if not _HOST.match(host):
                yield Finding(
                    (*path, "allowedHosts", position),
                    f"No `Host` header is like {host!r}.",
                    fix="Write the name only, such as `mlflow.example.com`, with `:PORT` where clients write one.",
                )
        for position, origin in enumerate(server.cors_allowed_origins):
            if not _ORIGIN.match(origin):
                yield Finding(
                    (*path, "corsAllowedOrigins", position),
                    f"No `Origin` header is like {origin!r}.",
                    fix="Write scheme and name only, such as `https://mlflow.example.com`.",
                )


class VariableOfField(SpecRule[EnvironmentSpec]):
    """`env` of a server must not set what a field of the server is for."""

    code = "TRU1169"
    about = _ABOUT
    reason = "Only one of the two could hold, and the other would be ignored."
    good = example(f"      namespace: platform\n{_IMAGE}{_REST}\n      env: {{MLFLOW_LOGGING_LEVEL: WARNING}}")
    bad = example(
        f"      namespace: platform\n{_IMAGE}{_REST}\n"
        "      env: {MLFLOW_BACKEND_STORE_URI: postgresql://db.example.com/mlflow}\n#           ^"
    )

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, server in servers(spec):
            for name in server.env:
                if name in OF_FIELDS:
                    yield Finding(
                        (*path, "env", name),
                        f"The variable {name!r} is that of `{OF_FIELDS[name]}`.",
                        at_key=True,
                        fix=f"Remove it, and write `{OF_FIELDS[name]}`.",
                    )


RULES: tuple[type[Rule], ...] = (
    ServerIncomplete,
    ServerImageLoose,
    DatabaseInPod,
    ArtifactsInPod,
    TrackingUriMissing,
    TrackingUriOfOther,
    ServerUnowned,
    ServerSecretInClear,
    HostMalformed,
    VariableOfField,
)
