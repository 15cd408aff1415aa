"""Registries over the distribution API, against one that behaves as the specification says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images import bases as written
from images import standin
from trueup.build import bases, publishing, references, verification
from trueup.build.bases import Base
from trueup.build.errors import BuildError
from trueup.build.images import Descriptor
from trueup.build.registry import Registry
from trueup.build.store import Store


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No login of the user counts here; the folder of Docker's configuration."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    for name in ("TRUEUP_REGISTRY_TOKEN", "TRUEUP_REGISTRY_USER", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


def filled(registry: standin.Registry, name: str, digest: str, blobs: dict[str, bytes]) -> str:
    """Puts an image into a registry; its name."""
    for key, data in blobs.items():
        registry.blobs[name, key] = data
    registry.manifests[name, digest] = (blobs[digest], "application/vnd.oci.image.manifest.v1+json")
    return f"{registry.host}/{name}@{digest}"


def image() -> tuple[str, dict[str, bytes]]:
    return written.blobs([written.layer({"usr/bin/python3.12": b"elf", "a": b"1"})])


def push(registry: standin.Registry, store: Store, make: Callable[..., Any], base: Base | None = None) -> str:
    made, attached = make()
    target = references.parse(f"{registry.host}/acme/report:v1")
    return publishing.push(target, store, made, attached, base or Base("scratch"), lambda _: None)


def test_a_base_image_is_read_by_digest(registry: standin.Registry, store: Store) -> None:
    name = filled(registry, "library/python", *image())
    found = bases.read(name, "linux/amd64", store)
    assert (found.system.python, found.system.minor) == ("/usr/bin/python3.12", 12)
    assert store.has(found.layers[0])


def test_what_was_changed_on_the_way_is_refused(registry: standin.Registry, store: Store) -> None:
    digest, blobs = image()
    name = filled(registry, "python", digest, blobs)
    layer = json.loads(blobs[digest])["layers"][0]["digest"]
    registry.garbled.add(layer)
    with pytest.raises(BuildError, match=r"gave other bytes"):
        bases.read(name, "linux/amd64", store)
    registry.manifests["python", digest] = (blobs[digest] + b" ", "application/vnd.oci.image.manifest.v1+json")
    with pytest.raises(BuildError, match=r"another manifest"):
        bases.read(name, "linux/amd64", store)


def test_a_token_is_asked_for_with_the_kept_login(
    locked_registry: standin.Registry, store: Store, nobody: Path, make: Callable[..., Any]
) -> None:
    name = filled(locked_registry, "python", *image())
    with pytest.raises(BuildError, match=r"without a login \(401 wrong password\).*docker login"):
        bases.read(name, "linux/amd64", store)
    auth = base64.b64encode(f"{standin.USER}:{standin.PASSWORD}".encode()).decode()
    (nobody / "config.json").write_text(json.dumps({"auths": {locked_registry.host: {"auth": auth}}}))
    assert bases.read(name, "linux/amd64", store).digest == name.partition("@")[2]
    assert push(locked_registry, store, make).startswith(f"{locked_registry.host}/acme/report@sha256:")


def test_variables_log_in_to_where_is_pushed(
    locked_registry: standin.Registry, store: Store, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Any]
) -> None:
    monkeypatch.setenv("TRUEUP_REGISTRY_USER", standin.USER)
    monkeypatch.setenv("TRUEUP_REGISTRY_TOKEN", standin.PASSWORD)
    name = push(locked_registry, store, make)
    base = filled(locked_registry, "python", *image())
    with pytest.raises(BuildError, match="without a login"):  # a base from anywhere is not told the token
        bases.read(base, "linux/amd64", store)
    assert bases.read(base, "linux/amd64", store, locked_registry.host).digest
    assert verification.verify(references.parse(name), Store(store.folder / "anew"), []).problems == ()
    monkeypatch.setenv("TRUEUP_REGISTRY_TOKEN", "wrong")
    with pytest.raises(BuildError, match=r"refuses pull,push of acme/report as builder"):
        push(locked_registry, store, make)


def test_a_credential_helper_is_asked(
    locked_registry: standin.Registry, store: Store, nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-tests"
    answer = json.dumps({"Username": standin.USER, "Secret": standin.PASSWORD})
    program.write_text(f"#!/bin/sh\nread host\n[ \"$host\" = {locked_registry.host} ] && echo '{answer}'\n")
    program.chmod(0o755)
    (nobody / "config.json").write_text(json.dumps({"credHelpers": {locked_registry.host: "tests"}}))
    name = filled(locked_registry, "python", *image())
    with pytest.raises(BuildError, match=r"docker-credential-tests .* not on PATH"):
        bases.read(name, "linux/amd64", store)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    assert bases.read(name, "linux/amd64", store).digest


@pytest.mark.parametrize("referrers", [True, False])
def test_what_goes_with_an_image_is_found_from_it(referrers: bool, store: Store, make: Callable[..., Any]) -> None:
    registry = standin.Registry(referrers=referrers)
    try:
        name = push(registry, store, make)
        with Registry(references.parse(name)) as reader:
            kinds = {d.artifact_type for d in reader.referrers(name.partition("@")[2])}
        assert kinds == {"application/vnd.cyclonedx+json", "application/vnd.in-toto+json"}
        listed = [r for n, r in registry.manifests if r.startswith("sha256-")]
        assert bool(listed) is not referrers
    finally:
        registry.stop()


def test_what_is_there_is_not_sent_again(registry: standin.Registry, store: Store, make: Callable[..., Any]) -> None:
    push(registry, store, make)
    registry.asked.clear()
    push(registry, store, make)
    assert not [a for a in registry.asked if "uploads" in a]


def test_layers_of_a_base_in_the_same_registry_are_mounted(registry: standin.Registry, store: Store) -> None:
    base = bases.read(filled(registry, "library/python", *image()), "linux/amd64", store)
    layer = base.layers[0]
    with Registry(references.parse(f"{registry.host}/acme/report"), push=True) as writer:
        assert not writer.push_blob(layer, store, "library/python")
        assert writer.push_blob(Descriptor("x", store.put(b"new", "x").digest, 3), store, "library/python")
    assert registry.blobs["acme/report", layer.digest] == registry.blobs["library/python", layer.digest]
    assert len([a for a in registry.asked if a.startswith("PUT") and "uploads" in a]) == 1


def test_a_registry_that_is_away_is_said() -> None:
    with (
        Registry(references.parse(f"127.0.0.1:9/python@sha256:{'0' * 64}")) as away,
        pytest.raises(BuildError, match=r"The registry 127.0.0.1:9 does not answer: .* OCI layout"),
    ):
        away.manifest("latest")


def test_an_image_that_is_not_there_is_said(registry: standin.Registry, store: Store) -> None:
    with pytest.raises(BuildError, match=r"has no python@sha256:0"):
        bases.read(f"{registry.host}/python@sha256:{'0' * 64}", "linux/amd64", store)
    with pytest.raises(BuildError, match=r"There is no image"):
        verification.verify(references.parse(f"{registry.host}/python@sha256:{'0' * 64}"), store, [])
