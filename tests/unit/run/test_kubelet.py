"""The tests' kubelet: what a container of it can do to this machine, and cannot. (Pods from manifests: test_conformance.)"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster import kubelet_containers
from cluster.kubelet_containers import Container, Mount, expanded


def container(folder: Path, script: str, *mounts: Mount, **more: Any) -> Container:
    return Container(
        {"name": "it", "command": ["sh", "-c", script], **more}, {"A": "1"}, list(mounts), folder / "container"
    )


@pytest.mark.parametrize(("written", "meant"), [
    ("$(A) $(NONE) $A", "1 $(NONE) $A"), ("$$(A) $$$$", "$(A) $$"), ("a $ b", "a $ b"), ("$$$(A)", "$1"),
])  # fmt: skip
def test_references_are_read_as_kubernetes_does(written: str, meant: str) -> None:
    assert expanded(written, {"A": "1"}) == meant


def test_a_container_sees_its_volumes_where_the_manifest_says(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    made = container(tmp_path, "echo $A > /data/in/it; cat /data/in/it; exit 5", Mount(volume, "/data/in"))
    assert made.run() == 5
    assert made.log.read_text() == "1\n" and (volume / "it").read_text() == "1\n"


@pytest.mark.skipif(not kubelet_containers.namespaces(), reason="a root of its own needs root")
def test_a_signal_to_everybody_stays_inside(tmp_path: Path) -> None:
    outside = subprocess.Popen(["sleep", "60"])
    try:
        made = container(tmp_path, "test -e /proc/2 || sleep 60 & kill -TERM -1; echo alone $$$$")
        assert made.run() == 0
        assert made.log.read_text() == "alone 1\n"
        assert outside.poll() is None
    finally:
        outside.kill()
        outside.wait()


@pytest.mark.skipif(not kubelet_containers.namespaces(), reason="a root of its own needs root")
def test_a_root_that_is_read_only_is(tmp_path: Path) -> None:
    closed = container(tmp_path, "touch /etc/it", securityContext={"readOnlyRootFilesystem": True})
    assert closed.run() != 0 and "Read-only file system" in closed.log.read_text()
    assert container(tmp_path, "touch /etc/it").run() == 0 and not Path("/etc/it").exists()
