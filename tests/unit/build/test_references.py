"""Names of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup.build import references
from trueup.build.errors import BuildError

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "host", "name", "tag", "digest"),
    [
        (f"ghcr.io/acme/risk@{DIGEST}", "ghcr.io", "acme/risk", "", DIGEST),
        (f"localhost:5000/risk:v1@{DIGEST}", "localhost:5000", "risk", "v1", DIGEST),
        ("127.0.0.1:5000/a/b:v1", "127.0.0.1:5000", "a/b", "v1", ""),
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim", ""),
        ("acme/risk", "docker.io", "acme/risk", "", ""),
    ],
)
def test_parts(text: str, host: str, name: str, tag: str, digest: str) -> None:
    found = references.parse(text)
    assert (found.host, found.name, found.tag, found.digest) == (host, name, tag, digest)


def test_layouts() -> None:
    assert references.parse(f"oci:/a/b@c@{DIGEST}").place == Path("/a/b@c")
    assert references.parse(f"oci-archive:x.tar@{DIGEST}").digest == DIGEST
    assert references.parse("oci:/a@b").digest == ""


@pytest.mark.parametrize("text", ["", "Acme/Risk", "ghcr.io/", "ghcr.io/a b", "a/b@sha256:12", "a/b:"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BuildError, match=r"no name of an image|no digest"):
        references.parse(text)


def test_docker_hub_answers_at_another_host() -> None:
    assert references.parse("python").api_host == "registry-1.docker.io"
