"""Runs made of commands and functions, in a home of their own, with nothing left behind."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trueup.run import folders, local, processes
from trueup.run.parsing import parse
from trueup.run.requests import RunRequest
from trueup.run.states import RunStatus

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from trueup_test_runners import Bench

    from cluster.cluster import Cluster
    from cluster.kubelet import Kubelet


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "trueup"))
    home = tmp_path / "home"
    home.mkdir()
    yield home
    for status in local.runs(home):
        local.cancel(home, status.fingerprint)
        local.wait(home, status.fingerprint, 10)
        processes.end_leftovers(folders.run_folder(home, status.fingerprint))


@pytest.fixture
def request_of() -> Callable[..., RunRequest]:
    """A request from steps as the compiler writes them."""

    def made(*steps: dict[str, Any], **more: Any) -> RunRequest:
        mark = more.pop("fingerprint", f"f{uuid.uuid4().hex}")
        return parse({"fingerprint": mark, "pipeline": "credit/training", "steps": list(steps), **more})

    return made


@pytest.fixture
def run(home: Path, request_of: Callable[..., RunRequest]) -> Callable[..., RunStatus]:
    """Submits and waits for the end."""

    def done(*steps: dict[str, Any], seconds: float = 60, **more: Any) -> RunStatus:
        request = request_of(*steps, **more)
        local.submit(home, request)
        found = local.wait(home, request.fingerprint, seconds)
        assert found is not None
        return found

    return done


RUNNERS = ["local", *(pytest.param(name, marks=pytest.mark.slow) for name in ("jobs", "argo", "ray"))]


@pytest.fixture(scope="session")
def node(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    """A node on which pods run."""
    from cluster import kubelet

    with kubelet.running(cluster, tmp_path_factory.mktemp("kubelet")) as made:
        yield made


@pytest.fixture(scope="session")
def jobs(cluster: Cluster, node: Kubelet) -> Bench:
    """The runner `jobs`, in a namespace that holds pods to the level `restricted`."""
    from trueup_test_runners import OnCluster

    return OnCluster(cluster, node, "jobs", node.namespace("runs-jobs"))


@pytest.fixture(scope="session")
def argo(cluster: Cluster, node: Kubelet) -> Iterator[Bench]:
    """The runner `argo`, with the controller of Argo Workflows."""
    from trueup_test_runners import OnCluster

    from cluster import building, controllers, kubelet_containers

    if "TRUEUP_SOAK" not in os.environ:
        pytest.skip(
            "Argo Workflows takes minutes to build, and its definitions half a minute to install: `make soak` does it"
        )
    if not kubelet_containers.namespaces():
        pytest.skip("Argo's executor needs a root and a process namespace of its own, and so root")
    if not cluster.install_crds("argo-workflows"):
        pytest.skip("the CustomResourceDefinitions are not there")
    building.WORKFLOWS.build()
    node.put("argoexec", building.WORKFLOWS.binary("argoexec"))
    with controllers.workflows(cluster, node.namespace("runs-argo")) as namespace:
        yield OnCluster(cluster, node, "argo", namespace)


@pytest.fixture(scope="session")
def ray(cluster: Cluster, node: Kubelet) -> Iterator[Bench]:
    """The runner `ray`, with the operator of KubeRay and Ray itself."""
    from trueup_test_runners import RAY, OnCluster

    import ray_itself
    from cluster import controllers, kubelet_containers

    if "TRUEUP_SOAK" not in os.environ:
        pytest.skip("KubeRay takes minutes to build, and Ray a gigabyte: `make soak` does it")
    if not kubelet_containers.namespaces():
        pytest.skip("Ray's pods need a root and a process namespace of their own, and so root")
    if not cluster.install_crds("kuberay"):
        pytest.skip("the CustomResourceDefinitions are not there")
    for name, program in ray_itself.programs(RAY).items():
        node.put(name, program)
    namespace = node.namespace("runs-ray")
    with controllers.kuberay(cluster, namespace, node.names):
        yield OnCluster(cluster, node, "ray", namespace)


@pytest.fixture(params=RUNNERS)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each runner in turn."""
    from trueup_test_runners import OnThisMachine

    return (
        OnThisMachine(request.getfixturevalue("home"))
        if request.param == "local"
        else request.getfixturevalue(request.param)
    )
