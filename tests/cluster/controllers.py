"""Controllers of components that teams install, built with Go from their modules and run beside the test cluster's control plane."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from cluster import building
from cluster.building import Module
from cluster.cluster import Cluster, _tied, free_port
from trueup import places

ROLLOUTS = Module(
    "github.com/argoproj/argo-rollouts",
    "v1.8.3",
    {"rollouts-controller": "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"},
)


def binary(module: Module) -> Path:
    """Where a module's program is, or will be."""
    return places.cache() / "tools" / f"{next(iter(module.programs))}-{module.version}"


def build(module: Module) -> Path:
    """The program, built where it is not there: minutes, once. Raises FileNotFoundError without Go."""
    made = binary(module)
    if made.is_file():
        return made
    if shutil.which("go") is None:
        raise FileNotFoundError(f"{made.name} is built with Go, which is not on PATH")
    made.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{made}.lock"):
        if not made.is_file():
            building.MODULES = (*building.MODULES, module)
            building._build(module, Path(f"{made}-build"))
    return made


@contextmanager
def rollouts(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Argo Rollouts for the Rollouts of one namespace."""
    program, metrics, health = build(ROLLOUTS), free_port(), free_port()
    command = [
        *_tied(),
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
