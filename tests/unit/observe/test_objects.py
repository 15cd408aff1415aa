"""Drift of a cluster's objects, by an API server itself: thirty things that people and other programs do to what was applied, each named or
rightly ignored, and all put right by one apply. Pulumi's provider is the tests' stand-in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trueup.apply import backend, remedies
from trueup.apply.cluster import ClusterError, connect
from trueup.apply.pulumi import Driver
from trueup.observe import objects
from trueup.plan.values import ABSENT
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import State
from trueup_stacks.core.resources import Address, Resource, Secret, Stack, StackId

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROVIDERS = Path(__file__).resolve().parents[2] / "providers"
STACK = StackId("prod", "drift", "serving")
NAME = "drifting"
LABELS = {"app": "web"}
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
CONTAINER = {
    "name": "web",
    "image": "example.com/web:1",
    "env": [{"name": "LEVEL", "value": "info"}, {"name": "MODE", "value": "a"}],
    "ports": [{"name": "http", "containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
    "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"memory": "1Gi"}},
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


def manifest(kind: str, name: str, metadata: Any = None, **rest: Any) -> Resource:
    inside = {} if kind.endswith(":Namespace") else {"namespace": NAME}
    found = {"name": name, **inside, "labels": {"team": "growth", "of": "trueup"}, **(metadata or {})}
    return Resource(
        Address(STACK, f"kubernetes:{kind}", name), {"metadata": found, **rest}, Key("Endpoint", "drift", name)
    )


def deployment(name: str, **spec: Any) -> Resource:
    pod = {
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [CONTAINER],
    }
    found = {
        "selector": {"matchLabels": {"app": name}},
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        **spec,
    }
    return manifest("apps/v1:Deployment", name, {"annotations": {"note": "a"}}, spec=found)


def applied() -> tuple[Resource, ...]:
    enforce = {"pod-security.kubernetes.io/enforce": "restricted", "team": "growth"}
    namespace = manifest("core/v1:Namespace", NAME, {"labels": enforce})
    pods = {"matchLabels": LABELS}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "elastic"}
    utilisation = {"type": "Utilization", "averageUtilization": 80}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": utilisation}}
    rest = (
        deployment("web", replicas=2),
        deployment("elastic"),
        manifest("core/v1:Service", "web", spec={"selector": LABELS, "ports": [{"name": "http", "port": 80}]}),
        manifest("core/v1:ConfigMap", "settings", data={"a": "1", "b": "2"}),
        manifest("core/v1:Secret", "key", stringData={"token": Secret("env", "TOKEN")}),
        manifest("core/v1:ServiceAccount", "web", automountServiceAccountToken=False),
        manifest("core/v1:ResourceQuota", "quota", spec={"hard": {"pods": "50"}}),
        manifest("policy/v1:PodDisruptionBudget", "web", spec={"maxUnavailable": 1, "selector": pods}),
        manifest("policy/v1:PodDisruptionBudget", "gone", spec={"maxUnavailable": 1, "selector": pods}),
        manifest("networking.k8s.io/v1:NetworkPolicy", "web", spec={"podSelector": pods, "policyTypes": ["Ingress"]}),
        manifest("rbac.authorization.k8s.io/v1:Role", "view", rules=[RULE]),
        manifest(
            "rbac.authorization.k8s.io/v1:RoleBinding",
            "view",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "view"},
            subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ana"}],
        ),
        manifest(
            "autoscaling/v2:HorizontalPodAutoscaler",
            "elastic",
            spec={"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4, "metrics": [metric]},
        ),
    )
    inside = tuple(Resource(r.address, r.properties, r.origin, (namespace.address,)) for r in rest)
    return (namespace, *inside)


POD = "spec.template.spec"
WEB = f"{POD}.containers[web]"
EXPECTED = {
    "Deployment web": {
        *("spec.replicas", f"{WEB}.image", f"{WEB}.env[LEVEL].value", f"{WEB}.env[MODE]", f"{WEB}.env[EXTRA]"),
        *(f"{WEB}.readinessProbe.periodSeconds", f"{WEB}.resources.requests.cpu", f"{WEB}.resources.limits.cpu"),
        *(f"{POD}.containers[debug]", f"{POD}.volumes", f"{POD}.nodeSelector", f"{POD}.terminationGracePeriodSeconds"),
        *("metadata.labels.team", "metadata.annotations.note", "spec.strategy.rollingUpdate.maxSurge", "spec.paused"),
    },
    "Service web": {"spec.ports[http].port", "spec.ports[more]", "spec.selector.app", "metadata.labels.team"},
    "ConfigMap settings": {"data.a", "data.b", "data.c"},
    "Secret key": {"data.token"},
    "ServiceAccount web": {"automountServiceAccountToken"},
    "ResourceQuota quota": {"spec.hard.pods"},
    "PodDisruptionBudget web": {"spec.maxUnavailable"},
    "NetworkPolicy web": {"spec.ingress"},
    "Role view": {"rules[0].verbs[1]"},
    "RoleBinding view": {"subjects[mallory]"},
    "HorizontalPodAutoscaler elastic": {"spec.maxReplicas"},
    f"Namespace {NAME}": {"metadata.labels.pod-security.kubernetes.io/enforce"},
}


def change(cluster: Any) -> None:
    """What people do with kubectl."""
    core, apps = f"/api/v1/namespaces/{NAME}", f"/apis/apps/v1/namespaces/{NAME}/deployments"
    container = {
        **CONTAINER,
        "image": "example.com/web:2",
        "env": [{"name": "LEVEL", "value": "debug"}, {"name": "EXTRA", "value": "x"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 9},
        "resources": {"requests": {"cpu": "900m", "memory": "1Gi"}, "limits": {"memory": "1Gi", "cpu": "2"}},
    }
    pod = {
        "containers": [container, {**CONTAINER, "name": "debug", "ports": []}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "nodeSelector": {"disk": "ssd"},
        "terminationGracePeriodSeconds": 1,
    }
    spec = {"paused": True, "strategy": {"rollingUpdate": {"maxSurge": 2}}, "template": {"spec": pod}}
    cluster.patch(f"{apps}/web", {"metadata": {"labels": {"team": None}, "annotations": {"note": "b"}}, "spec": spec})
    cluster.kubectl("scale", "deployment/web", "--replicas=1", "--namespace", NAME)
    ports = [{"name": "http", "port": 81}, {"name": "more", "port": 90}]
    service = {"metadata": {"labels": {"team": None}}, "spec": {"ports": ports, "selector": {"app": "other"}}}
    cluster.patch(f"{core}/services/web", service)
    cluster.patch(f"{core}/configmaps/settings", {"data": {"a": "9", "b": None, "c": "3"}})
    cluster.patch(f"{core}/secrets/key", {"data": {"token": "eA=="}})
    cluster.patch(f"{core}/serviceaccounts/web", {"automountServiceAccountToken": True})
    cluster.patch(f"{core}/resourcequotas/quota", {"spec": {"hard": {"pods": "99"}}})
    budgets = f"/apis/policy/v1/namespaces/{NAME}/poddisruptionbudgets"
    cluster.patch(f"{budgets}/web", {"spec": {"maxUnavailable": 5}})
    cluster.delete(f"{budgets}/gone")
    open_to_all = {"spec": {"ingress": [{}]}}
    cluster.patch(f"/apis/networking.k8s.io/v1/namespaces/{NAME}/networkpolicies/web", open_to_all)
    rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAME}"
    cluster.patch(f"{rights}/roles/view", {"rules": [{**RULE, "verbs": ["get", "delete"]}]})
    who = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": n} for n in ("ana", "mallory")]
    cluster.patch(f"{rights}/rolebindings/view", {"subjects": who})
    scalers = f"/apis/autoscaling/v2/namespaces/{NAME}/horizontalpodautoscalers"
    cluster.patch(f"{scalers}/elastic", {"spec": {"maxReplicas": 9}})
    cluster.patch(f"/api/v1/namespaces/{NAME}", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}})


def leave_alone(cluster: Any) -> None:
    """What others may do: an autoscaler's replicas, a restart, labels and annotations, a field that another manager owns."""
    elastic = f"/apis/apps/v1/namespaces/{NAME}/deployments/elastic"
    cluster.kubectl("scale", "deployment/elastic", "--replicas=3", "--namespace", NAME)
    cluster.kubectl("rollout", "restart", "deployment/elastic", "--namespace", NAME)
    marks = {"metadata": {"labels": {"cost": "a1"}, "annotations": {"seen": "yes"}}}
    cluster.patch(elastic, marks, manager="cost-agent")
    priority = {"spec": {"template": {"spec": {"priorityClassName": "system-cluster-critical"}}}}
    cluster.patch(elastic, priority, manager="priority-injector")


def named(sight: Any) -> dict[str, set[str]]:
    return {
        f"{a.type.rpartition(':')[2]} {a.name}": {c.path for c in s.changes} for a, s in sight.seen.items() if s.changes
    }


@pytest.mark.capability("infrastructure/container-security", by="trueup.apply.remedies:put_right")
def test_thirty_kinds_of_drift_are_named_or_ignored_and_put_right(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trueup.apply.cli import ensure_cli

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join([str(PROVIDERS), os.environ["PATH"]]))
    settings = {"kubernetes:enableSecretMutable": "true", "kubernetes:enableConfigMapMutable": "true"}
    variables = {"KUBECONFIG": str(cluster.kubeconfig)}
    cli = ensure_cli(lambda _line: None)
    driver = Driver("demo", backend.resolve(State(), tmp_path), tmp_path, cli, variables, configuration=settings)
    stack = Stack(STACK, applied())

    def look() -> Any:
        state = driver.state(STACK)
        assert state is not None
        return objects.look([state], lambda: connect(cluster.kubeconfig, None))

    done = driver.up(stack, {}, lambda _s: "told")
    assert done.ok and not done.not_ready, done
    leave_alone(cluster)
    assert named(look()) == {}, "what others may do is no drift, nor are defaults and quantities"
    change(cluster)
    seen = look()
    assert named(seen) == EXPECTED
    assert sum(map(len, EXPECTED.values())) + 1 >= 30
    assert [a.name for a in seen.observation().gone] == ["gone"]
    (secret,) = (c for s in seen.seen.values() for c in s.changes if c.path == "data.token")
    assert "eA==" not in str(secret) and "kubectl-edit" in str(secret.desired)
    debug = next(c for s in seen.seen.values() for c in s.changes if c.path.endswith("[debug]"))
    assert debug.recorded == ABSENT and debug.desired["name"] == "debug"

    live = connect(cluster.kubeconfig, None)
    for found in seen.seen.values():
        if found.remedy is not None:
            remedies.put_right(live, found.remedy)
    healed = driver.up(stack, {}, lambda _s: "told", refresh=True)
    assert healed.ok and not healed.not_ready, healed
    assert named(look()) == {}
    elastic = cluster.get(f"/apis/apps/v1/namespaces/{NAME}/deployments/elastic")
    assert elastic["metadata"]["labels"]["cost"] == "a1" and elastic["spec"]["replicas"] == 3
    assert elastic["spec"]["template"]["spec"]["priorityClassName"] == "system-cluster-critical"


def test_a_cluster_that_does_not_answer_and_a_missing_context_say_what_to_do(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"context 'other' of kubeconfig .* cannot be used: .*cluster\.context"):
        connect(cluster.kubeconfig, "other")
    away = tmp_path / "kubeconfig"
    away.write_text(cluster.kubeconfig.read_text().replace(f":{cluster.port}", ":9"))
    with pytest.raises(ClusterError, match=r"The cluster at https://127\.0\.0\.1:9 does not answer \(.*refused.*\)"):
        connect(away, None).request("GET", "/version")
    stranger = tmp_path / "stranger"
    stranger.write_text(cluster.kubeconfig.read_text().replace('"token": "admin"', '"token": "nobody"'))
    with pytest.raises(ClusterError, match="does not accept the credentials"):
        connect(stranger, None).request("GET", "/version")
