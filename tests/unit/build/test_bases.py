"""Base images: by digest, for a platform, and what is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from images import bases as written
from trueup.build import bases
from trueup.build.errors import BuildError
from trueup.build.store import Store
from trueup.build.systems import System, SystemPackage

STATUS = b"""Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.11-1)
Version: 3.0.11-1~deb12u2

Package: gone
Status: deinstall ok config-files
Version: 1
"""


def read(tmp_path: Path, store: Store, *layers: bytes, **config: object) -> System:
    return bases.read(written.write(tmp_path / "layout", *written.blobs(layers, config)), "linux/amd64", store).system


@pytest.mark.parametrize("text", ["python:3.12-slim", "ghcr.io/acme/base", "ghcr.io/acme/base:v1"])
def test_a_tag_is_refused(text: str, store: Store) -> None:
    with pytest.raises(BuildError, match=r"not named by digest: a tag can mean another image tomorrow.*crane digest"):
        bases.read(text, "linux/amd64", store)


def test_a_layout_without_a_digest_says_which_it_has(tmp_path: Path, store: Store) -> None:
    name = written.write(tmp_path / "layout", *written.blobs([written.layer({"a": b""})]))
    place, _, digest = name.partition("@")
    with pytest.raises(BuildError, match=f"It holds {digest}"):
        bases.read(place, "linux/amd64", store)


def test_the_python_at_the_end_of_links(tmp_path: Path, store: Store) -> None:
    first = written.layer(
        {"usr/lib/py/python3.12": b"elf", "usr/bin/python3.9": b"elf"},
        {
            "bin": "usr/bin",
            "usr/bin/python3": "/etc/alternatives/py",
            "etc/alternatives/py": "../../usr/lib/py/python3.12",
        },
    )
    found = read(tmp_path, store, first, config={"Env": ["PATH=/nowhere:/bin"]})
    assert (found.python, found.minor) == ("/bin/python3", 12)


def test_what_an_upper_layer_removed_is_gone(tmp_path: Path, store: Store) -> None:
    lower = written.layer({"usr/bin/python3.11": b"elf", "usr/local/bin/python3.12": b"elf", "usr/local/x": b""})
    upper = written.layer({"usr/local/bin/python3.12": None})
    assert read(tmp_path, store, lower, upper).minor == 11


def test_packages_of_debian_name_their_source(tmp_path: Path, store: Store) -> None:
    part = b"Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n"
    layer = written.layer(
        {
            "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
            "var/lib/dpkg/status": STATUS,
            "var/lib/dpkg/status.d/tzdata": part,
            "var/lib/dpkg/status.d/tzdata.md5sums": b"Package: none\nVersion: 1\n",
        }
    )
    found = read(tmp_path, store, layer)
    assert (found.id, found.version) == ("debian", "12")
    assert found.packages == (
        SystemPackage("deb", "libssl3", "3.0.11-1~deb12u2", "openssl", "3.0.11-1", "amd64"),
        SystemPackage("deb", "tzdata", "2024a-0+deb12u1", "tzdata", "2024a-0+deb12u1", "all"),
    )


def test_packages_of_alpine_and_its_c_library(tmp_path: Path, store: Store) -> None:
    layer = written.layer(
        {
            "etc/os-release": b"ID=alpine\nVERSION_ID=3.20.1\n",
            "lib/ld-musl-x86_64.so.1": b"",
            "lib/apk/db/installed": b"C:Q1x\nP:libcrypto3\nV:3.3.1-r0\nA:x86_64\no:openssl\n\nP:musl\nV:1.2.5-r0\n",
        }
    )
    found = read(tmp_path, store, layer)
    assert found.musl
    assert [(p.name, p.source, p.version) for p in found.packages] == [
        ("libcrypto3", "openssl", "3.3.1-r0"),
        ("musl", "musl", "1.2.5-r0"),
    ]


def test_the_manifest_of_the_platform_is_taken(tmp_path: Path, store: Store) -> None:
    found: dict[str, bytes] = {}
    entries = []
    for machine in ("amd64", "arm64"):
        digest, blobs = written.blobs([written.layer({"machine": machine.encode()})], {"architecture": machine})
        found |= blobs
        platform = {"os": "linux", "architecture": machine, **({"variant": "v8"} if machine == "arm64" else {})}
        kind = "application/vnd.oci.image.manifest.v1+json"
        entries.append({"mediaType": kind, "digest": digest, "size": len(blobs[digest]), "platform": platform})
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    digest = f"sha256:{hashlib.sha256(index).hexdigest()}"
    name = written.write(tmp_path / "layout", digest, {**found, digest: index})
    for platform, entry in zip(("linux/amd64", "linux/arm64"), entries, strict=True):
        assert bases.read(name, platform, store).digest == entry["digest"]
    with pytest.raises(BuildError, match=r"not there for linux/riscv64; it has: linux/amd64, linux/arm64/v8"):
        bases.read(name, "linux/riscv64", store)


def test_an_image_for_another_machine_is_refused(tmp_path: Path, store: Store) -> None:
    name = written.write(tmp_path / "layout", *written.blobs([], {"architecture": "arm64"}))
    with pytest.raises(BuildError, match=r"is for linux/arm64, not for linux/amd64"):
        bases.read(name, "linux/amd64", store)


def test_a_layout_that_lacks_a_blob_is_said(tmp_path: Path, store: Store) -> None:
    digest, found = written.blobs([written.layer({"a": b""})])
    layer = json.loads(found[digest])["layers"][0]["digest"]
    name = written.write(tmp_path / "layout", digest, {k: v for k, v in found.items() if k != layer})
    with pytest.raises(BuildError, match=f"lacks {layer}"):
        bases.read(name, "linux/amd64", store)


@pytest.mark.parametrize("content", [None, b"", b"{}x", b"[]"])
def test_what_is_no_layout_is_said(content: bytes | None, tmp_path: Path, store: Store) -> None:
    place = tmp_path / "place"
    if content is not None:
        place.mkdir()
        (place / "index.json").write_bytes(content)
    with pytest.raises(BuildError, match=r"no OCI layout"):
        bases.read(f"oci:{place}@sha256:{'0' * 64}", "linux/amd64", store)
