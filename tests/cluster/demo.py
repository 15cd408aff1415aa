"""`make demo-kubernetes`: examples/churn trained on this machine and served on the test cluster, by the commands that a user would type.

Pods run nothing there (README.md); Pulumi's provider is the stand-in of tests/providers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import building
from cluster.cluster import Cluster, kubectl

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NAMESPACE = "churn"


def main() -> int:
    """The exit code of what failed, else 0."""
    began = time.monotonic()
    building.build()
    top = Path(tempfile.mkdtemp(prefix="trueup-kubernetes-"))
    cluster = Cluster(top / "cluster")
    try:
        print(
            "Starting a control plane: etcd, API server, controllers, scheduler, and KWOK's six nodes in three zones.",
            flush=True,
        )
        cluster.start()
        if not cluster.install_crds("gateway-api"):
            print("The CustomResourceDefinitions of ../shared/crds are not there, and the example has a gateway.")
            return 1
        folder = _repository(top)
        try:
            code = _loop(folder, cluster)
        finally:
            _trueup(folder, cluster, "down", "dev")
    finally:
        cluster.stop()
        shutil.rmtree(top, ignore_errors=True)
    print(f"The demo took {time.monotonic() - began:.0f} s.")
    return code


def _repository(top: Path) -> Path:
    """The example, with this cluster and one registry for both environments, a file, instead of a user's server."""
    folder, uri = top / "churn", f"sqlite:///{top / 'registry.db'}"
    shutil.copytree(ROOT / "examples" / "churn", folder)
    for file, old, new in (
        ("environments.yaml", "    concurrency: 2\n", f'    concurrency: 2\n  registry: {{ trackingUri: "{uri}" }}\n'),
        ("cluster.yaml", "http://mlflow.example.com:5000", uri),
        ("cluster.yaml", "context: churn", "context: trueup-tests"),
    ):
        text = (folder / file).read_text()
        assert old in text, f"{file} of the example has no {old!r} any more"
        (folder / file).write_text(text.replace(old, new))
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        _git(folder, *arguments)
    return folder


def _loop(folder: Path, cluster: Cluster) -> int:
    """What a user does: train, apply, look; somebody scales by hand, and it is put right."""
    for environment in ("dev", "cluster"):
        if code := _trueup(folder, cluster, "apply", environment, "--yes"):
            return code
    _say("kubectl get pods --namespace churn --output wide")
    print(cluster.kubectl("get", "pods", "--namespace", NAMESPACE, "--output", "wide"))
    if code := _trueup(folder, cluster, "status", "cluster") or _trueup(
        folder, cluster, "plan", "cluster", "--refresh"
    ):
        return code
    _say("kubectl scale deployment/churn --replicas=1 --namespace churn")
    print(cluster.kubectl("scale", "deployment/churn", "--replicas=1", "--namespace", NAMESPACE))
    return _trueup(folder, cluster, "drift", "cluster") or _trueup(folder, cluster, "apply", "cluster", "--yes")


def _trueup(folder: Path, cluster: Cluster, *arguments: str) -> int:
    _say(f"trueup {' '.join(arguments)}")
    command = [str(BIN / "trueup"), *arguments]
    return subprocess.run(command, cwd=folder, env=_environment(folder, cluster), check=False).returncode


def _environment(folder: Path, cluster: Cluster) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "tests" / "providers"), str(BIN), str(kubectl().parent), os.environ["PATH"]])
    kept = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("GIT_")}
    state = str(folder.parent / "state")
    return {**kept, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig), "XDG_STATE_HOME": state}


def _git(folder: Path, *arguments: str) -> None:
    who = {
        f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in (("NAME", "You"), ("EMAIL", "you@example.com"))
    }
    subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **who}, check=True)


def _say(command: str) -> None:
    print(f"\n$ {command}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
