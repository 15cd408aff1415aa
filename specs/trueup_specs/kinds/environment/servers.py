"""Servers of the platform that an `Environment` keeps on its cluster: MLflow's tracking server and Feast's feature server.

Every field may be left out, so that an environment that extends another changes one of them; a rule says what is lacking in the whole.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import EnvValue, Items, Name, Resources, SecretKeyRef, SpecModel
from trueup_specs.core.references import ObjectStoreRef
from trueup_specs.kinds.environment.cluster import Egress


class ServiceAccount(SpecModel):
    """The account that the pods of a server have on the cluster, and in the cloud."""

    annotations: dict[str, str] = Field(default_factory=dict)
    """What binds it to an identity of the cloud, so that no key is needed: `eks.amazonaws.com/role-arn`,
    `iam.gke.io/gcp-service-account`, `azure.workload.identity/client-id`."""


class Server(SpecModel):
    """A server of the platform, on the cluster of the environment; of several clusters, on the first in the order of priority."""

    namespace: Name | None = None
    """The namespace of the specs that it stands in, such as `platform`."""
    image: str | None = None
    """By digest. It must hold the drivers of what the server keeps its data in, such as those of PostgreSQL and of S3."""
    replicas: int = Field(default=1, ge=1, le=64)
    workers: int = Field(default=2, ge=1, le=64)
    """Processes of each replica that answer."""
    resources: Resources = Field(default_factory=Resources)
    env: dict[str, EnvValue] = Field(default_factory=dict)
    """Further variables, such as `MLFLOW_S3_ENDPOINT_URL`, or keys of a store that knows no identity of the cluster."""
    service_account: ServiceAccount = Field(default_factory=ServiceAccount)
    reachable_from: Items[Name] = ()
    """Namespaces of the cluster whose pods may ask it, beside the servers and runs of the environment and the cluster's gateway: those of
    an ingress controller, or of people's notebooks. It asks nobody for a password."""
    egress: Items[Egress] = ()
    """What it may reach beside the environment's namespaces. By default the ports of its database and of its store, at every address."""


class StoredIn(SpecModel):
    """A place in a bucket of the repository."""

    object_store: ObjectStoreRef
    path: str = Field(default="", pattern=r"^[A-Za-z0-9._/-]*$")
    """The beginning of the objects' names, such as `mlflow`."""


class TrackingServer(Server):
    """MLflow's tracking server (`mlflow server`), in its terms. Artifacts go through it: its clients need no rights in the bucket."""

    backend_store: EnvValue | None = None
    """URL of the database, as SQLAlchemy reads it; where it has a password, by `secretRef`. Its schema is brought to the image's version
    before the server starts (`mlflow db upgrade`)."""
    artifacts_destination: str | StoredIn | None = Field(default=None, union_mode="left_to_right")
    """A bucket: an ObjectStore of the repository, or an `s3://`, `gs://`, `wasbs://` or `abfss://` URL."""
    allowed_hosts: Items[str] = ()
    """Further names that clients may call it by (the `Host` header), beside those inside the cluster and that of `trackingUri`."""
    cors_allowed_origins: Items[str] = ()
    """Further origins of pages whose scripts may change what it holds, beside that of `trackingUri`."""


class OnlineStore(SpecModel):
    """Feast's online store, in its terms."""

    type: Literal["postgres", "redis"]
    connection_string: EnvValue | None = None
    """`redis`: `host:port` and parameters; where it has a password, by `secretRef`."""
    host: str | None = None
    """`postgres`, as what follows."""
    port: int = Field(default=5432, ge=1, le=65535)
    database: str | None = None
    db_schema: str = "public"
    user: str | None = None
    password: SecretKeyRef | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "require"


class FeatureServer(Server):
    """Feast's feature server (`feast serve`), in its terms. It answers from the online store, which others fill."""

    registry: EnvValue | None = None
    """URL of the database of Feast's SQL registry, as SQLAlchemy reads it; where it has a password, by `secretRef`."""
    online_store: OnlineStore | None = None
