"""Controllers of components that teams install, built with Go from their modules and run beside the test cluster's control plane."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.building import ROLLOUTS
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


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
