"""Controllers of components that teams install, built with Go from their modules and run beside the test cluster's control plane."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.building import KEDA, KSERVE, KUBERAY, ROLLOUTS, S3, VELERO, VELERO_ON_S3, WORKFLOWS
from cluster.certificates import Authority
from cluster.cluster import Cluster, holds, tied
from loopback import free_port


@contextmanager
def rollouts(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Argo Rollouts for the Rollouts of one namespace."""
    ROLLOUTS.build()
    metrics, health = free_port(), free_port()
    arguments = (
        f"--kubeconfig={cluster.kubeconfig}",
        "--namespaced",
        f"--namespace={namespace}",
        "--leader-elect=false",
        f"--metricsport={metrics}",
        f"--healthzPort={health}",
    )
    with _running(cluster, ROLLOUTS.binary(), arguments, health=f"http://127.0.0.1:{health}/healthz"):
        yield


@contextmanager
def workflows(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Argo Workflows for the Workflows of one namespace, whose name it gives. The pods' part of it (argoexec) is the kubelet's to have."""
    WORKFLOWS.build()
    kinds = ("workflowtaskresults", "workflowtasksets", "workflowartifactgctasks", "clusterworkflowtemplates")
    folder = WORKFLOWS.source() / "manifests" / "base" / "crds" / "minimal"
    _define(cluster, *(folder / f"argoproj.io_{kind}.yaml" for kind in kinds))
    settings = {"metricsConfig": "enabled: false\n", "telemetryConfig": "enabled: false\n"}
    cluster.apply(_config_map("workflow-controller-configmap", namespace, settings))
    arguments = (
        f"--kubeconfig={cluster.kubeconfig}",
        "--namespaced",
        f"--namespace={namespace}",
        "--executor-image=argoexec",
    )
    variables = {"LEADER_ELECTION_DISABLE": "true", "DEFAULT_REQUEUE_TIME": "1s"}
    with _running(cluster, WORKFLOWS.binary("workflow-controller"), arguments, variables):
        yield namespace


@contextmanager
def keda(cluster: Cluster, namespace: str) -> Iterator[None]:
    """KEDA for the ScaledObjects of one namespace: its operator, and the API server of external metrics that autoscalers ask."""
    KEDA.build()
    events = (f"eventing.keda.sh_{of}cloudeventsources" for of in ("", "cluster"))
    kinds = ("keda.sh_clustertriggerauthentications", *events)
    _define(cluster, *(KEDA.source() / "config" / "crd" / "bases" / f"{kind}.yaml" for kind in kinds))
    authority = Authority.made(cluster.folder / "keda")
    metrics_server = "keda-metrics-apiserver"
    certificate, key = authority.issue(f"{metrics_server}.{namespace}.svc")
    calls, health, metrics = free_port(), free_port(), free_port()
    variables = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "WATCH_NAMESPACE": namespace,
        "POD_NAMESPACE": namespace,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": namespace,
    }
    operator = (
        "--metrics-bind-address=0",
        f"--health-probe-bind-address=127.0.0.1:{health}",
        f"--metrics-service-bind-address=127.0.0.1:{calls}",
        f"--cert-dir={authority.folder}",
    )
    adapter = (
        f"--secure-port={metrics}",
        f"--port={free_port()}",
        "--bind-address=127.0.0.1",
        f"--metrics-service-address=localhost:{calls}",
        f"--cert-dir={authority.folder}",
        f"--client-ca-file={authority.path}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        *(f"--{k}-kubeconfig={cluster.kubeconfig}" for k in ("lister", "authentication", "authorization")),
    )
    address = f"http://127.0.0.1:{health}/healthz"
    with (
        _running(cluster, KEDA.binary("keda-operator"), operator, variables, address),
        _running(cluster, KEDA.binary("keda-adapter"), adapter, variables),
    ):
        service = {"name": metrics_server, "namespace": namespace}
        # No pod of it is in the cluster: the API server asks this machine.
        outside = {"type": "ExternalName", "externalName": "localhost"}
        version = {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        served = {**version, "service": {**service, "port": metrics}, "caBundle": _encoded(authority.path)}
        name = "v1beta1.external.metrics.k8s.io"
        cluster.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": service, "spec": outside},
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": name},
                "spec": served,
            },
        )
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{name}"
        try:
            cluster.until(lambda: holds(cluster.get(path), "Available"), "KEDA's metrics are served")
            yield
        finally:
            # The API server tells nobody what it serves while one that it hands requests to is gone.
            cluster.delete(path)


@contextmanager
def kuberay(cluster: Cluster, namespace: str, names: Path) -> Iterator[None]:
    """KubeRay for the RayJobs of one namespace; `names` is what it finds as `/etc/hosts`, since it asks Ray by the names of Services."""
    KUBERAY.build()
    metrics, health = free_port(), free_port()
    arguments = (
        f"--watch-namespace={namespace}",
        f"--metrics-addr=127.0.0.1:{metrics}",
        f"--health-probe-bind-address=127.0.0.1:{health}",
        "--enable-leader-election=false",
        "--log-stdout-encoder=console",
    )
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "POD_NAMESPACE": namespace}
    inside = ("unshare", "--mount", "sh", "-e", "-c", f'mount --bind {names} /etc/hosts; exec "$0" "$@"')
    address = f"http://127.0.0.1:{health}/healthz"
    with _running(cluster, KUBERAY.binary(), arguments, variables, address, inside):
        yield


@contextmanager
def velero(cluster: Cluster, namespace: str, location: str) -> Iterator[None]:
    """Velero in a namespace, for objects without volumes, and a server of S3 that keeps its backups: the storage location that is named."""
    for module in (VELERO, VELERO_ON_S3, S3):
        module.build()
    _define(cluster, *sorted((VELERO.source() / "config" / "crd").glob("v*/bases/*.yaml")))
    folder = cluster.folder / "velero"
    plugins = folder / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    shutil.copy2(VELERO_ON_S3.binary(), plugins / "velero-plugin-for-aws")
    store, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    kept = (f"-host={store}", "-backend=memory", "-initialbucket=backups", "-quiet")
    variables = {
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "VELERO_NAMESPACE": namespace,
        "VELERO_SCRATCH_DIR": str(folder),
    }
    arguments = (
        "server",
        f"--kubeconfig={cluster.kubeconfig}",
        f"--namespace={namespace}",
        f"--plugin-dir={plugins}",
        f"--metrics-address={metrics}",
        "--store-validation-frequency=2s",
        "--item-operation-sync-frequency=1s",
    )
    storage = {
        "provider": "aws",
        "objectStorage": {"bucket": "backups"},
        "config": {
            "region": "us-east-1",
            "s3ForcePathStyle": "true",
            "s3Url": f"http://{store}",
            "checksumAlgorithm": "",
        },
    }
    with (
        _running(cluster, S3.binary(), kept),
        _running(cluster, VELERO.binary(), arguments, variables, f"http://{metrics}/metrics"),
    ):
        metadata = {"name": location, "namespace": namespace}
        pods = {"containers": [{"name": "velero", "image": f"velero/velero:{VELERO.version}"}]}
        labels = {"deploy": "velero"}
        template = {"metadata": {"labels": labels}, "spec": pods}
        cluster.apply(
            {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": metadata, "spec": storage},
            # Its plugins look up in its own Deployment which image they start pods with.
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "velero", "namespace": namespace},
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
            },
        )
        path = f"/apis/velero.io/v1/namespaces/{namespace}/backupstoragelocations/{location}"
        cluster.until(
            lambda: cluster.get(path).get("status", {}).get("phase") == "Available", "the storage is available"
        )
        yield


@contextmanager
def kserve(cluster: Cluster, namespace: str) -> Iterator[None]:
    """KServe without Knative and without an ingress; it, its settings and its webhooks are in a namespace of their own."""
    KSERVE.build()
    kinds = ("clusterservingruntimes", "clusterstoragecontainers", "localmodelcaches", "localmodelnodegroups")
    folder = KSERVE.source() / "config" / "crd" / "full"
    _define(cluster, *(folder / f"serving.kserve.io_{kind}.yaml" for kind in kinds))
    gateway = {
        "kserveIngressGateway": "kserve/gateway",
        "ingressGateway": "kserve/gateway",
        "ingressDomain": "example.com",
    }
    sizes = {
        f"{what}{of}": size
        for what, size in (("cpu", "100m"), ("memory", "100Mi"))
        for of in ("Request", "Limit", "Modelcar")
    }
    settings = {
        "deploy": {"defaultDeploymentMode": "Standard"},
        "storageInitializer": {"image": "example.com/none", **sizes},
        "ingress": {**gateway, "disableIngressCreation": True, "urlScheme": "http"},
    }
    cluster.apply(_config_map("inferenceservice-config", namespace, {k: json.dumps(v) for k, v in settings.items()}))
    temporary = cluster.folder / "kserve"
    authority = Authority.made(temporary / "k8s-webhook-server" / "serving-certs")
    authority.issue("localhost")
    health, hooks = free_port(), free_port()
    arguments = ("--metrics-addr=0", f"--health-probe-addr=127.0.0.1:{health}", f"--webhook-port={hooks}")
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "POD_NAMESPACE": namespace, "TMPDIR": str(temporary)}
    with _running(cluster, KSERVE.binary(), arguments, variables, f"http://127.0.0.1:{health}/readyz"):
        configurations = [
            _webhook(kind, f"https://127.0.0.1:{hooks}", authority.path) for kind in ("Mutating", "Validating")
        ]
        cluster.apply(*configurations)
        try:
            yield
        finally:
            for kind in ("mutating", "validating"):
                cluster.delete(f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/kserve.trueup-tests")


def _webhook(kind: str, url: str, authority: Path) -> dict[str, Any]:
    """KServe's webhook of InferenceServices, as its manifests have it, on this machine."""
    path = f"{'mutate' if kind == 'Mutating' else 'validate'}-serving-kserve-io-v1beta1-inferenceservice"
    rule = {"apiGroups": ["serving.kserve.io"], "apiVersions": ["v1beta1"], "operations": ["CREATE", "UPDATE"]}
    hook = {
        "name": "inferenceservice.kserve-webhook-server.trueup-tests",
        "clientConfig": {"url": f"{url}/{path}", "caBundle": _encoded(authority)},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1beta1"],
        "rules": [{**rule, "resources": ["inferenceservices"]}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "kserve.trueup-tests"},
        "webhooks": [hook],
    }


@contextmanager
def _running(
    cluster: Cluster,
    program: Path,
    arguments: tuple[str, ...],
    variables: Mapping[str, str] | None = None,
    health: str = "",
    inside: tuple[str, ...] = (),
) -> Iterator[None]:
    """A program beside the control plane, from when `health` answers; it must not have ended by itself. `inside` starts it."""
    name = program.name.rpartition("-v")[0]
    environment = {**os.environ, "HOME": str(cluster.folder), **(variables or {})}
    with (cluster.folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [*tied(), *inside, str(program), *arguments],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
    try:
        if health:
            cluster.until(lambda: process.poll() is not None or _answers(health), f"{name} answers")
        assert process.poll() is None, cluster.log(name)[-3000:]
        yield
        assert process.poll() is None, cluster.log(name)[-3000:]
    finally:
        process.kill()
        process.wait(20)


def _define(cluster: Cluster, *files: Path) -> None:
    """Installs definitions of a component's own, which only its controllers write."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *(f"--filename={file}" for file in files))


def _config_map(name: str, namespace: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": dict(data),
    }


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
