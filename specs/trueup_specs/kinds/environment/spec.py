"""`kind: Environment`: a place that specs are applied to, and the rules for applying there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, Resources, SpecModel
from trueup_specs.core.references import EnvironmentRef, TeamRef
from trueup_specs.kinds.environment.cluster import Cluster
from trueup_specs.kinds.environment.clusters import MemberCluster
from trueup_specs.kinds.environment.servers import FeatureServer, TrackingServer


class Cloud(SpecModel):
    """The cloud account of the environment."""

    account: str | None = None
    """AWS account id, GCP project or Azure subscription."""
    region: str
    zones: Items[str] = ()


class State(SpecModel):
    """Where Pulumi keeps the state, and how it encrypts secrets there."""

    backend: str | None = None
    """A Pulumi backend URL (`file://`, `s3://`, `gs://`, `azblob://`, `https://`); by default a folder of the user's."""
    secrets_provider: str = "passphrase"
    """A Pulumi secrets provider: `passphrase`, `awskms://…`, `gcpkms://…`, `azurekeyvault://…`, `hashivault://…`."""
    passphrase_env: str | None = None
    """The variable that holds the passphrase; by default a key file that Trueup generates beside the state."""


class ExternalStoreRef(SpecModel):
    """A store of External Secrets on the cluster, in its terms."""

    name: str = Field(min_length=1)
    kind: Literal["ClusterSecretStore", "SecretStore"] = "ClusterSecretStore"


class SecretStore(SpecModel):
    """A place that secrets are resolved from: at apply, or by the cluster itself."""

    name: Name
    type: Literal["env", "file", "age", "external"]
    """`env`: variables; `file`: a folder with one file a secret; `age`: an encrypted YAML map in the repository; `external`: a store of
    External Secrets, which reads the secret on the cluster, so that it passes through no part of Trueup."""
    prefix: str = ""
    """`env`: put before each secret's name."""
    path: str | None = None
    """`file`: the folder, outside the repository; `age`: the encrypted file, relative to the workspace."""
    identity_env: str = "TRUEUP_AGE_IDENTITY"
    """`age`: the variable with the identity, or with the path of its file."""
    store_ref: ExternalStoreRef | None = None
    """`external`: the store; by default the ClusterSecretStore of this one's name."""
    refresh_interval: Duration = "1h"
    """`external`: how often it is read anew."""


class RayWorkers(SpecModel):
    """The workers beside the head of a run's Ray cluster."""

    replicas: int = Field(ge=1, le=10_000)
    resources: Resources = Field(default_factory=Resources)
    """Of each of them."""


class RayCluster(SpecModel):
    """The Ray cluster that each run has for itself, as long as it goes on."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] | None = None
    """The version of Ray that is in the pipelines' images. From 2.52.0 on the cluster asks everybody for a token."""
    workers: RayWorkers | None = None
    """By default there is the head only, which has the resources of the step that asks for most."""


class Runner(SpecModel):
    """What runs pipelines."""

    type: Literal["local", "ray", "argo", "jobs"] = "local"
    """`local`: processes of this machine; `jobs`: CronJobs and Jobs of a cluster; `argo`: its Argo Workflows; `ray`: RayJobs of KubeRay,
    each with a Ray cluster of its own, on whose head the steps run one after the other."""
    concurrency: int = Field(default=2, ge=1, le=1024)
    """Steps at once."""
    ray: RayCluster | None = None
    """`ray`: what the cluster of a run is like."""
    apply_wait: Duration = "30m"
    """How long an apply waits for a run before it ends as waiting."""


class Registry(SpecModel):
    """The model registry (MLflow)."""

    tracking_uri: str | None = None
    """URL of a tracking server; by default a SQLite file and a folder of the workspace."""
    server: TrackingServer | None = None
    """A tracking server that the environment keeps on its cluster. Pods there ask it by its name inside the cluster; Trueup itself, and
    people, by `trackingUri`."""


class FeatureStore(SpecModel):
    """The feature store (Feast)."""

    offline: Literal["file", "duckdb"] = "duckdb"
    online: Literal["sqlite"] = "sqlite"
    server: FeatureServer | None = None
    """A feature server that the environment keeps on its cluster, with stores of its own."""


class ApprovalRule(SpecModel):
    """Who must agree to some of what a plan does. Empty fields match everything."""

    required: int = Field(default=1, ge=1, le=16)
    """How many people must approve each effect that the rule is about, the author not counted."""
    teams: Items[TeamRef] = ()
    """Whose members may approve. Without `teams`, `users` and `codeowners`, the members of every Team may."""
    users: Items[str] = ()
    """Who may approve, by their name on the forge; each must be a member of a Team, which knows their address and keys."""
    codeowners: bool = False
    """Whether those may approve whom the base branch's CODEOWNERS names for the touched path (GitHub's syntax: the last match wins; users,
    `@org/team` for the Team of that name, addresses). A path that nobody owns is left to `teams` and `users`, or to every Team."""
    severity: Literal["create", "update", "replace", "delete"] | None = None
    """The least severe action that the rule is about: `replace` means what is replaced or deleted, and what may come to be replaced."""
    kinds: Items[str] = ()
    namespaces: Items[Name] = ()
    cost_increase: float | None = Field(default=None, ge=0)
    """Makes the rule one about plans that raise the cost of a month by more than this, in the currency of `prices`; a plan whose cost is
    not known counts as one that does."""
    policy_override: bool = False
    """Makes the rule one about policies: it asks for nothing where no policy of level `soft` refuses, and where one does, approvals of
    the whole plan by those whom it names let the plan pass."""


class Approvals(SpecModel):
    """Who must agree before a plan is applied: by a review on the forge, or with `trueup approve`."""

    required: int = Field(default=0, ge=0, le=16)
    """How many members of `teams` must approve, the author not counted."""
    teams: Items[TeamRef] = ()
    rules: Items[ApprovalRule] = ()
    """Further rules; each that an effect matches must be met, beside `required`."""


class Window(SpecModel):
    """A time in which applies are allowed (`allow`) or frozen (`freeze`)."""

    action: Literal["allow", "freeze"] = "allow"
    cron: str
    """When it starts, as a cron expression."""
    duration: Duration
    timezone: str = "UTC"


class Drift(SpecModel):
    """What is done about reality that went its own way."""

    interval: Duration | None = None
    """How often the loop looks; by default only on request."""
    action: Literal["report", "issue", "pullRequest", "heal"] = "report"
    """`report` writes it to the ledger and the log, `issue` opens an issue on the forge too, `pullRequest` a pull request that adopts what
    the specs can say (and an issue about the rest), `heal` brings back what was applied."""


class Prices(SpecModel):
    """What is paid for what workloads ask for, to tell what a plan costs. Terms of FOCUS (billing currency) and units of OpenCost."""

    billing_currency: str = Field(pattern=r"^[A-Z]{3}$")
    """ISO 4217, such as `EUR`."""
    cpu_hour: float | None = Field(default=None, ge=0)
    """One core for an hour."""
    memory_gib_hour: float | None = Field(default=None, ge=0)
    """One GiB of memory for an hour."""
    gpu_hour: dict[str, float] = Field(default_factory=dict)
    """One GPU for an hour, by the resource's name, such as `nvidia.com/gpu`."""
    storage_gib_month: float | None = Field(default=None, ge=0)
    """One GiB of a volume for a month."""
    load_balancer_hour: float | None = Field(default=None, ge=0)
    """One load balancer for an hour."""


class EnvironmentSpec(SpecModel):
    """A place that specs are applied to."""

    target: Literal["local", "kubernetes", "aws", "gcp", "azure"] = "local"
    """The platform that the specs become resources of."""
    extends: EnvironmentRef | None = None
    """An environment whose fields hold where this one sets none."""
    cluster: Cluster | None = None
    clusters: Items[MemberCluster] = ()
    """Several clusters, such as one in each region, instead of `cluster`. What is applied stands on all of them, unless its `placement`
    says otherwise."""
    cloud: Cloud | None = None
    state: State = Field(default_factory=State)
    secret_stores: Items[SecretStore] = ()
    runner: Runner = Field(default_factory=Runner)
    registry: Registry = Field(default_factory=Registry)
    feature_store: FeatureStore = Field(default_factory=FeatureStore)
    approvals: Approvals = Field(default_factory=Approvals)
    prices: Prices | None = None
    """Unit prices. Without them the cost of a plan is not known."""
    windows: Items[Window] = ()
    drift: Drift = Field(default_factory=Drift)
    paused: bool = False
    """Refuses every apply while true."""
    allowed_estimators: Items[str] = ()
    """Estimators that the step `train` may import beside scikit-learn's, as dotted names or `package.*`."""
    allow_dirty: bool = False
    """Lets `apply` use a working tree that is not committed; the ledger records it as such."""
    max_deletes: float = Field(default=0.5, ge=0, le=1)
    """The share of an environment's resources that a plan may delete without `--confirm-deletes`."""
