"""The Kubernetes cluster of an `Environment`: where it is, what is installed there, and how its namespaces are kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, Quantity, SecretRef, SpecModel

Component = Literal[
    "argo-rollouts",
    "argo-workflows",
    "external-secrets",
    "gateway-api",
    "keda",
    "kserve",
    "kuberay",
    "prometheus-operator",
    "velero",
]
"""What a platform team installs on a cluster beside Kubernetes."""


class ClusterGateway(SpecModel):
    """The implementation of the Gateway API that gateways are made of."""

    class_name: str = Field(min_length=1)
    """A GatewayClass of the cluster."""
    namespace: Name | None = None
    """Where its proxies run, so that servers let in requests from there; by default beside each Gateway."""


class ClusterPrometheus(SpecModel):
    """The Prometheus of the cluster, which autoscalers and rollouts ask."""

    url: str = Field(pattern=r"^https?://\S+$")
    namespace: Name | None = None
    """Where it runs, so that servers let it read their metrics; by default `monitoring`."""


class ClusterVelero(SpecModel):
    """The Velero of the cluster, which makes the backups of BackupPolicies."""

    namespace: Name = "velero"
    """Where it runs, and reads its Schedules from."""


class Mesh(SpecModel):
    """The service mesh of the cluster. Servers are in it and let in only who shows a certificate of it (mutual TLS), so that the gateway,
    and a Prometheus that reads their metrics, have to be in it too."""

    type: Literal["istio", "linkerd"]
    mode: Literal["sidecar", "ambient"] = "sidecar"
    """Istio's data plane: a proxy beside each server, for which its CNI plugin is needed (as it is for Linkerd), or one a node."""
    revision: str | None = Field(default=None, min_length=1)
    """Istio's control plane that the proxies are of, where there are several (`istio.io/rev`)."""
    namespace: Name | None = None
    """Where the mesh's own servers run, which proxies have to reach; by default `istio-system` or `linkerd`."""


class Limits(SpecModel):
    """What a container has that names nothing itself (a LimitRange), by Kubernetes' names: `cpu`, `memory`, `ephemeral-storage`."""

    default_request: dict[str, Quantity] = Field(default_factory=dict)
    default: dict[str, Quantity] = Field(default_factory=dict)
    """Limits."""
    max: dict[str, Quantity] = Field(default_factory=dict)


class Egress(SpecModel):
    """Something that pods may reach beside DNS and their own namespace: the registry, an object store. A `cidr` or a `namespace`."""

    name: Name
    cidr: str | None = None
    """Addresses outside the cluster."""
    namespace: Name | None = None
    """A namespace of the cluster, by its full name."""
    ports: Items[int] = ()
    """TCP ports; by default all."""


class Namespaces(SpecModel):
    """How the namespaces of the specs are kept on the cluster."""

    manage: bool = True
    """Whether Trueup makes them, with Pod Security `restricted`, closed networks and the rights of teams; else the platform does."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of each namespace, such as those of a mesh or a cost centre."""
    quota: dict[str, Quantity] = Field(default_factory=dict)
    """What each may use (a ResourceQuota), by Kubernetes' names: `requests.cpu`, `limits.memory`, `pods`."""
    limits: Limits = Field(default_factory=Limits)
    egress: Items[Egress] = ()


class PullSecret(SpecModel):
    """Credentials for images of a private registry."""

    name: Name
    """The Secret's name in each namespace."""
    secret_ref: SecretRef | None = None
    """Its content, a `.dockerconfigjson`; by default the Secret is there already."""


class Cluster(SpecModel):
    """The Kubernetes cluster of the environment."""

    context: str | None = None
    """A context of the kubeconfig; by default its current one."""
    kubeconfig: str | None = None
    """Path of the kubeconfig; by default `KUBECONFIG` or `~/.kube/config`."""
    namespace_prefix: str = ""
    """Put before each namespace, so that environments can share a cluster."""
    components: Items[Component] = ()
    """What is installed there. What a spec needs and this does not name is an error at plan."""
    gateway: ClusterGateway | None = None
    prometheus: ClusterPrometheus | None = None
    mesh: Mesh | None = None
    velero: ClusterVelero = Field(default_factory=ClusterVelero)
    namespaces: Namespaces = Field(default_factory=Namespaces)
    image_pull_secrets: Items[PullSecret] = ()
    admission: bool = True
    """Whether the cluster itself refuses what mandatory policies over Kubernetes resources refuse (a ValidatingAdmissionPolicy)."""
