"""Controllers of components that teams install, built with Go from their modules and run beside the test cluster's control plane."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.building import ROLLOUTS, WORKFLOWS
from cluster.cluster import Cluster, tied
from loopback import free_port


@contextmanager
def rollouts(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Argo Rollouts for the Rollouts of one namespace."""
    ROLLOUTS.build()
    program, metrics, health = ROLLOUTS.binary(), free_port(), free_port()
    command = [
        *tied(),
        str(program),
        f"--kubeconfig={cluster.kubeconfig}",
        "--namespaced",
        f"--namespace={namespace}",
        "--leader-elect=false",
        f"--metricsport={metrics}",
        f"--healthzPort={health}",
    ]
    with (cluster.folder / "rollouts-controller.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        cluster.until(lambda: process.poll() is not None or _answers(health), "Argo Rollouts answers")
        assert process.poll() is None, cluster.log("rollouts-controller")[-3000:]
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def workflows(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Argo Workflows for the Workflows of one namespace, whose name it gives. The pods' part of it (argoexec) is the kubelet's to have."""
    WORKFLOWS.build()
    for name in ("workflowtaskresults", "workflowtasksets", "workflowartifactgctasks", "clusterworkflowtemplates"):
        # Argo's own, which nobody else writes.
        file = WORKFLOWS.source() / "manifests" / "base" / "crds" / "minimal" / f"argoproj.io_{name}.yaml"
        cluster.kubectl("apply", "--server-side", "-f", str(file))
    settings = {"metricsConfig": "enabled: false\n", "telemetryConfig": "enabled: false\n"}
    metadata = {"name": "workflow-controller-configmap", "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": settings})
    command = [
        *tied(),
        str(WORKFLOWS.binary("workflow-controller")),
        f"--kubeconfig={cluster.kubeconfig}",
        "--namespaced",
        f"--namespace={namespace}",
        "--executor-image=argoexec",
    ]
    environment = {
        **os.environ,
        "LEADER_ELECTION_DISABLE": "true",
        "DEFAULT_REQUEUE_TIME": "1s",
        "HOME": str(cluster.folder),
    }
    with (cluster.folder / "workflow-controller.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
        )
    try:
        yield namespace
        assert process.poll() is None, cluster.log("workflow-controller")[-3000:]
    finally:
        process.kill()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
