"""What a cluster must have beside Kubernetes, and what to say where the environment does not name it, or the cluster has it not."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.kinds.environment.cluster import Component
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import naming, tokens

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

_OF_GROUP: dict[str, Component] = {
    "external-secrets.io": "external-secrets",
    "gateway.networking.k8s.io": "gateway-api",
    "keda.sh": "keda",
    "serving.kserve.io": "kserve",
    "ray.io": "kuberay",
    "monitoring.coreos.com": "prometheus-operator",
    "velero.io": "velero",
}
_OF_ARGO: dict[str, Component] = dict.fromkeys(("Workflow", "WorkflowTemplate", "CronWorkflow"), "argo-workflows")
_MESHES = {
    "security.istio.io": "Istio (the Helm charts istio/base, istio/cni and istio/istiod)",
    "policy.linkerd.io": "Linkerd with its CNI plugin",
}
_OWN = (".k8s.io", ".kubernetes.io")
_WITHOUT_DOTS = frozenset({"", "apps", "autoscaling", "batch", "extensions", "policy"})


def foreign(group: str) -> bool:
    """Whether an API group is none that every cluster serves."""
    return group in _OF_GROUP or not (group in _WITHOUT_DOTS or group.endswith(_OWN))


def advice(token: str, other_version: bool) -> str:
    """What to install so that a cluster serves a type, without its full stop."""
    group = tokens.api_version(token).rpartition("/")[0]
    component = _OF_GROUP.get(group)
    if group == "argoproj.io":
        component = _OF_ARGO.get(tokens.kind(token), "argo-rollouts")
    if component is None:
        return f"Install {_MESHES.get(group, f'what serves {group}')}"
    return f"{'Install another version of' if other_version else 'Install'} {_INSTALL[component]}"


def has(catalog: Catalog, component: Component) -> bool:
    """Whether the environment's cluster has it."""
    return component in naming.cluster(catalog).components


def needed(catalog: Catalog, component: Component, path: str, why: str) -> Iterator[Refusal]:
    """A refusal where it is missing; `why` is a clause such as `scaling by rps needs KEDA`."""
    if not has(catalog, component):
        named = f"{naming.where(catalog)}.components of Environment/{catalog.environment}"
        yield Refusal(
            path,
            f"{why}, and {named} does not name it",
            f"Install {_INSTALL[component]}, and add `{component}` to {named}.",
        )


def prometheus(catalog: Catalog, path: str, why: str) -> Iterator[Refusal]:
    """A refusal where the environment names no Prometheus server."""
    if naming.cluster(catalog).prometheus is None:
        yield Refusal(
            path,
            f"{why}, and environment {catalog.environment!r} names no Prometheus server",
            f"Write `prometheus: {{url: …}}` in {naming.where(catalog)} of Environment/{catalog.environment}.",
        )
