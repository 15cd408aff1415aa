"""What a cluster must have beside Kubernetes, and what to say where the environment does not name it."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.kinds.environment.cluster import Component
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import naming

_INSTALL: dict[Component, str] = {
    "argo-rollouts": "Argo Rollouts (the Helm chart argo/argo-rollouts)",
    "argo-workflows": "Argo Workflows (the Helm chart argo/argo-workflows)",
    "external-secrets": "External Secrets (the Helm chart external-secrets/external-secrets)",
    "gateway-api": "the standard CRDs of the Gateway API and an implementation, such as Envoy Gateway or Istio",
    "keda": "KEDA (the Helm chart kedacore/keda)",
    "kserve": "KServe (the Helm charts kserve-crd and kserve)",
    "kuberay": "KubeRay (the Helm chart kuberay/kuberay-operator)",
    "prometheus-operator": "the Prometheus operator (the Helm chart prometheus-community/kube-prometheus-stack)",
    "velero": "Velero (the Helm chart vmware-tanzu/velero)",
}


def has(catalog: Catalog, component: Component) -> bool:
    """Whether the environment's cluster has it."""
    return component in naming.cluster(catalog).components


def needed(catalog: Catalog, component: Component, path: str, why: str) -> Iterator[Refusal]:
    """A refusal where it is missing; `why` is a clause such as `scaling by rps needs KEDA`."""
    if not has(catalog, component):
        yield Refusal(
            path,
            f"{why}, and the cluster of environment {catalog.environment!r} is not said to have it",
            f"Install {_INSTALL[component]}, and add `{component}` to spec.cluster.components of Environment/{catalog.environment}.",
        )


def prometheus(catalog: Catalog, path: str, why: str) -> Iterator[Refusal]:
    """A refusal where the environment names no Prometheus server."""
    if naming.cluster(catalog).prometheus is None:
        yield Refusal(
            path,
            f"{why}, and environment {catalog.environment!r} names no Prometheus server",
            f"Write `prometheus: {{url: …}}` in spec.cluster of Environment/{catalog.environment}.",
        )
