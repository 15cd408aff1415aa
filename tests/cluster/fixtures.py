"""The control plane as fixtures, for every test: `tests/conftest.py` loads this as a plugin. See README.md beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import building
from cluster.cluster import CRDS, Cluster, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who uses the cluster may wait for its build."""
    if building.built():
        return
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(2400))


@pytest.fixture(scope="session")
def control_plane_programs() -> None:
    """What `running` needs is built; skips where it cannot be."""
    try:
        building.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cluster(control_plane_programs: None) -> Iterator[Cluster]:
    """A control plane with six nodes in three zones; namespaces of the tests have names of their own."""
    folder = Path(tempfile.mkdtemp(prefix="trueup-cluster-"))
    try:
        with running(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def crds(cluster: Cluster) -> Cluster:
    """The cluster with the CRDs of the projects whose resources Trueup writes; skips where their files are not there."""
    if not cluster.install_crds():
        pytest.skip(f"the CustomResourceDefinitions are not in {CRDS}")
    return cluster
