"""The manifests against checks that owners of clusters run: of kube-score, Polaris and kubesec, and the restricted Pod Security Standard.

Each check is one that its tool reports above low ("critical" and "warning" of kube-score and Polaris, negative points of kubesec), written
down anew; each finds what is planted, so that none passes by looking nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from trueup_test_scenes import compiled

from trueup_stacks.core.resources import encode

Object = dict[str, Any]


@dataclass
class Cluster:
    """The objects of the scene, and one workload to look at."""

    objects: list[Object]
    name: str
    pod: Any = field(init=False)

    def __post_init__(self) -> None:
        self.workload = next(o for o in self.objects if o["kind"] in WORKLOADS and o["metadata"]["name"] == self.name)
        self.pod = self.workload["spec"]["template"]["spec"]

    def of(self, kind: str) -> list[Object]:
        space = self.workload["metadata"]["namespace"]
        return [o for o in self.objects if o["kind"] == kind and o["metadata"].get("namespace") == space]

    def selects(self, selector: Mapping[str, Any]) -> bool:
        labels = self.workload["spec"]["template"]["metadata"]["labels"]
        return all(labels.get(k) == v for k, v in selector.get("matchLabels", selector).items())

    @property
    def containers(self) -> list[Object]:
        return list(self.pod["containers"])


WORKLOADS = ("Deployment", "Rollout")


def objects(scene: str = "kubernetes") -> list[Object]:
    found = []
    for resource in compiled(scene).resources():
        if resource.address.type.startswith("kubernetes:"):
            kind = resource.address.type.rsplit(":", 1)[1]
            found.append({"kind": kind, **{k: encode(v) for k, v in resource.properties.items()}})
    return found


def every(judge: Callable[[Object], bool]) -> Callable[[Cluster], bool]:
    return lambda cluster: bool(cluster.containers) and all(judge(c) for c in cluster.containers)


def spoil(path: str, value: Any = None) -> Callable[[Cluster], None]:
    """Sets (or removes, without a value) a field of the first container, or of the pod where the path begins with `/`."""

    def plant(cluster: Cluster) -> None:
        place: Any = cluster.pod if path.startswith("/") else cluster.containers[0]
        *way, last = path.strip("/").split(".")
        for part in way:
            place = place.setdefault(part, {})
        if value is None:
            del place[last]
        else:
            place[last] = value

    return plant


def without(kind: str) -> Callable[[Cluster], None]:
    def plant(cluster: Cluster) -> None:
        cluster.objects = [o for o in cluster.objects if o["kind"] != kind]

    return plant


def replicated(cluster: Cluster) -> None:
    cluster.workload["spec"]["replicas"] = 3


def closed(cluster: Cluster, direction: str) -> bool:
    policies = [p["spec"] for p in cluster.of("NetworkPolicy") if cluster.selects(p["spec"]["podSelector"])]
    return any(direction in p["policyTypes"] for p in policies)


def high(c: Cluster, name: str) -> bool:
    return int(c.pod["securityContext"].get(name, 0)) > 10000


def scaled(c: Cluster) -> bool:
    names = [
        x["spec"]["scaleTargetRef"]["name"] for kind in ("HorizontalPodAutoscaler", "ScaledObject") for x in c.of(kind)
    ]
    return c.name in names


def served(c: Cluster) -> bool:
    """A Service leads to the pods, or the Rollout's controller leads one there that has no selector of its own."""
    led = c.workload["spec"]["strategy"].get("blueGreen", {}).get("activeService")
    return any(
        c.selects(s["spec"]["selector"]) if "selector" in s["spec"] else s["metadata"]["name"] == led
        for s in c.of("Service")
    )


CONTEXT = "securityContext"
CHECKS: dict[str, tuple[Callable[[Cluster], bool], Callable[[Cluster], None]]] = {
    "kube-score container-resources: CPU request": (
        every(lambda c: "cpu" in c["resources"]["requests"]),
        spoil("resources.requests.cpu"),
    ),
    "kube-score container-resources: memory request": (
        every(lambda c: "memory" in c["resources"]["requests"]),
        spoil("resources.requests.memory"),
    ),
    "kube-score container-resources: CPU limit": (
        every(lambda c: "cpu" in c["resources"]["limits"]),
        spoil("resources.limits.cpu"),
    ),
    "kube-score container-resources: memory limit": (
        every(lambda c: "memory" in c["resources"]["limits"]),
        spoil("resources.limits.memory"),
    ),
    "kube-score container-ephemeral-storage-request-and-limit": (
        every(lambda c: all("ephemeral-storage" in c["resources"][k] for k in ("requests", "limits"))),
        spoil("resources.limits.ephemeral-storage"),
    ),
    "kube-score container-image-tag, Polaris tagNotSpecified": (
        every(lambda c: bool(re.search(r"@sha256:[0-9a-f]{64}$", c["image"]))),
        spoil("image", "example.com/server:latest"),
    ),
    "kube-score container-image-pull-policy, Polaris pullPolicyNotAlways": (
        every(lambda c: c.get("imagePullPolicy") == "Always"),
        spoil("imagePullPolicy"),
    ),
    "kube-score container-ports-check": (
        every(lambda c: all(p["name"] for p in c["ports"])),
        spoil("ports", [{"name": ""}]),
    ),
    "kube-score container-security-context-user-group-id: user": (
        lambda c: high(c, "runAsUser"),
        spoil(f"/{CONTEXT}.runAsUser", 1000),
    ),
    "kube-score container-security-context-user-group-id: group": (
        lambda c: high(c, "runAsGroup"),
        spoil(f"/{CONTEXT}.runAsGroup"),
    ),
    "kube-score container-security-context-privileged, Polaris runAsPrivileged, kubesec Privileged": (
        every(lambda c: not c[CONTEXT].get("privileged")),
        spoil(f"{CONTEXT}.privileged", True),
    ),
    "kube-score container-security-context-readonlyrootfilesystem, Polaris notReadOnlyRootFilesystem": (
        every(lambda c: c[CONTEXT].get("readOnlyRootFilesystem") is True),
        spoil(f"{CONTEXT}.readOnlyRootFilesystem", False),
    ),
    "kube-score container-seccomp-profile, Pod Security restricted": (
        lambda c: c.pod[CONTEXT]["seccompProfile"] == {"type": "RuntimeDefault"},
        spoil(f"/{CONTEXT}.seccompProfile", {"type": "Unconfined"}),
    ),
    "kube-score environment-variable-key-duplication": (
        every(lambda c: len({e["name"] for e in c["env"]}) == len(c["env"])),
        spoil("env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
    ),
    "kube-score pod-probes, Polaris readinessProbeMissing and livenessProbeMissing: ready": (
        every(lambda c: "readinessProbe" in c),
        spoil("readinessProbe"),
    ),
    "kube-score pod-probes: liveness differs from readiness": (
        every(lambda c: c.get("livenessProbe") not in (None, c.get("readinessProbe"))),
        spoil("livenessProbe"),
    ),
    "kube-score pod-networkpolicy, Polaris missingNetworkPolicy: ingress": (
        lambda c: closed(c, "Ingress"),
        without("NetworkPolicy"),
    ),
    "kube-score pod-networkpolicy: egress": (lambda c: closed(c, "Egress"), without("NetworkPolicy")),
    "kube-score deployment-has-host-podantiaffinity": (
        lambda c: bool(c.pod.get("affinity", {}).get("podAntiAffinity")),
        spoil("/affinity"),
    ),
    "kube-score deployment-has-poddisruptionbudget, Polaris missingPodDisruptionBudget": (
        lambda c: any(c.selects(b["spec"]["selector"]) for b in c.of("PodDisruptionBudget")),
        without("PodDisruptionBudget"),
    ),
    "kube-score deployment-targeted-by-hpa-does-not-have-replicas-configured": (
        lambda c: not (scaled(c) and "replicas" in c.workload["spec"]),
        replicated,
    ),
    "kube-score service-targets-pod": (served, without("Service")),
    "Polaris topologySpreadConstraint": (
        lambda c: (
            {t["topologyKey"] for t in c.pod.get("topologySpreadConstraints", ())}
            == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        ),
        spoil("/topologySpreadConstraints"),
    ),
    "Polaris automountServiceAccountToken": (
        lambda c: c.pod["automountServiceAccountToken"] is False,
        spoil("/automountServiceAccountToken", True),
    ),
    "Polaris metadataAndInstanceMismatched": (
        lambda c: c.workload["metadata"]["labels"]["app.kubernetes.io/instance"] == c.name,
        lambda c: c.workload["metadata"]["labels"].update({"app.kubernetes.io/instance": "x"}),
    ),
    "Polaris hostNetworkSet, hostPIDSet, hostIPCSet, kubesec HostNetwork, HostPID, HostIPC": (
        lambda c: not any(c.pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
        spoil("/hostNetwork", True),
    ),
    "Polaris hostPortSet": (
        every(lambda c: not any("hostPort" in p for p in c["ports"])),
        spoil("ports", [{"name": "x", "hostPort": 1}]),
    ),
    "Polaris runAsRootAllowed, Pod Security restricted": (
        lambda c: c.pod[CONTEXT]["runAsNonRoot"] is True,
        spoil(f"/{CONTEXT}.runAsNonRoot", False),
    ),
    "Polaris privilegeEscalationAllowed, kubesec AllowPrivilegeEscalation, Pod Security restricted": (
        every(lambda c: c[CONTEXT].get("allowPrivilegeEscalation") is False),
        spoil(f"{CONTEXT}.allowPrivilegeEscalation"),
    ),
    "Polaris insecureCapabilities, kubesec CapSysAdmin, Pod Security restricted": (
        every(lambda c: c[CONTEXT]["capabilities"] == {"drop": ["ALL"]}),
        spoil(f"{CONTEXT}.capabilities.add", ["SYS_ADMIN"]),
    ),
    "Polaris sensitiveContainerEnvVar: a secret is referred to": (
        every(lambda c: not any("TOKEN" in e["name"] and "value" in e for e in c["env"])),
        spoil("env", [{"name": "TOKEN", "value": "x"}]),
    ),
    "kubesec DockerSock, Pod Security restricted: volumes": (
        lambda c: all(set(v) - {"name"} <= {"emptyDir", "configMap", "secret", "projected"} for v in c.pod["volumes"]),
        spoil("/volumes", [{"name": "x", "hostPath": {"path": "/var/run/docker.sock"}}]),
    ),
}


def kept(holds: Callable[[Cluster], bool], cluster: Cluster) -> bool:
    """Whether a check holds; a field that is not there at all is a finding too."""
    try:
        return holds(cluster)
    except (KeyError, TypeError, AttributeError):
        return False


@pytest.fixture(scope="module")
def manifests() -> list[Object]:
    return objects()


NAMES = ["churn", "other", "stepwise", "beside"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.capability("infrastructure/container-security", by="trueup_stacks.kubernetes.containers:security")
def test_a_workload_gives_no_finding(manifests: list[Object], name: str) -> None:
    cluster = Cluster(deepcopy(manifests), name)
    assert [check for check, (holds, _) in CHECKS.items() if not kept(holds, cluster)] == []


@pytest.mark.parametrize("name", ["mlflow", "feast"])
def test_a_server_of_the_platform_and_what_runs_before_it_give_no_finding(name: str) -> None:
    cluster = Cluster(objects("registry"), name)
    assert [check for check, (holds, _) in CHECKS.items() if not kept(holds, cluster)] == []
    cluster.pod["containers"] = cluster.pod.get("initContainers", cluster.pod["containers"])
    checks = [c for c in CHECKS if not any(word.lower() in c.lower() for word in OF_SERVERS)]
    assert len(checks) >= 18 and [check for check in checks if not kept(CHECKS[check][0], cluster)] == []


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_what_is_planted(manifests: list[Object], check: str) -> None:
    holds, plant = CHECKS[check]
    cluster = Cluster(deepcopy(manifests), "churn")
    plant(cluster)
    assert not kept(holds, cluster)


OF_SERVERS = (
    "probes",
    "ports",
    "hostPort",
    "networkpolicy",
    "affinity",
    "disruptionbudget",
    "replicas",
    "service-",
    "Spread",
    "Instance",
)
"""What a check's name has where it is about servers, or about objects around the pod."""


def batch(manifests: list[Object]) -> list[Cluster]:
    """The pods of runs and of KServe's servers, each as the first workload of a scene of its own."""
    found = []
    for o in manifests:
        if o["kind"] == "CronJob":
            pod = deepcopy(o["spec"]["jobTemplate"]["spec"]["template"]["spec"])
            pod["containers"] = [*pod.pop("initContainers", ()), *pod["containers"]]
        elif o["kind"] == "InferenceService":
            pod = deepcopy(o["spec"]["predictor"])
        else:
            continue
        workload = {
            "kind": "Deployment",
            "metadata": o["metadata"],
            "spec": {"template": {"metadata": {}, "spec": pod}},
        }
        found.append(Cluster([workload], o["metadata"]["name"]))
    return found


def test_pods_of_runs_and_of_kserve_give_no_finding(manifests: list[Object]) -> None:
    checks = {
        name: holds
        for name, (holds, _) in CHECKS.items()
        if not any(word.lower() in name.lower() for word in OF_SERVERS)
    }
    clusters = batch(manifests)
    assert len(checks) >= 18 and len(clusters) == 3
    for cluster in clusters:
        assert [name for name, holds in checks.items() if not kept(holds, cluster)] == [], cluster.name


def test_the_scenes_workloads_are_all_looked_at(manifests: list[Object]) -> None:
    assert {o["metadata"]["name"] for o in manifests if o["kind"] in WORKLOADS} == set(NAMES)


def test_a_namespace_holds_pods_to_the_restricted_level_and_is_closed(manifests: list[Object]) -> None:
    for namespace in (o for o in manifests if o["kind"] == "Namespace"):
        labels = namespace["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        inside = [o for o in manifests if o["metadata"].get("namespace") == namespace["metadata"]["name"]]
        everything = [p["spec"] for p in inside if p["kind"] == "NetworkPolicy" and p["spec"]["podSelector"] == {}]
        assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in everything


def test_a_role_gives_no_right_to_more_rights(manifests: list[Object]) -> None:
    """Polaris rolebindingClusterAdminRole and its like: no wildcard, no escalation, and only who applies reads secrets."""
    roles = [o for o in manifests if o["kind"] == "Role"]
    assert roles
    for role in roles:
        for rule in role["rules"]:
            given = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not given & {
                "*",
                "escalate",
                "bind",
                "impersonate",
                "pods/exec",
                "pods/attach",
                "roles",
                "rolebindings",
            }
            assert "secrets" not in given or role["metadata"]["name"] == "trueup-apply"
