"""Whether an image is what it says: what was changed, left out or signed by another is found."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.build import layouts, publishing, references, signing, verification
from trueup.build.errors import BuildError
from trueup.build.images import Descriptor
from trueup.build.signing import Trusted
from trueup.build.store import Store
from trueup.build.verification import Report


@pytest.fixture
def key(tmp_path: Path) -> Any:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return signing.private_key(path)


@pytest.fixture
def mine(key: Any, tmp_path: Path) -> Trusted:
    return Trusted("me", signing.public_key((tmp_path / "id.pub").read_text(), "id.pub"))


@pytest.fixture
def layout(make: Callable[..., Any], key: Any, store: Store, tmp_path: Path) -> str:
    """A signed image in a layout; its name."""
    image, attached = make(key=key)
    publishing.write(tmp_path / "layout", store, image, attached, "v1")
    return f"oci:{tmp_path / 'layout'}@{image.manifest.digest}"


def verified(name: str, tmp_path: Path, *keys: Trusted) -> Report:
    return verification.verify(references.parse(name), Store(tmp_path / "anew"), keys)


def test_a_signed_image_is_as_it_says(layout: str, tmp_path: Path, mine: Trusted) -> None:
    report = verified(layout, tmp_path, mine)
    assert report is not None
    assert report.problems == ()
    assert report.signed_by == ("me",)
    assert report.signed_inventory
    assert report.signed_provenance


def test_it_is_the_same_as_an_archive(
    make: Callable[..., Any], key: Any, store: Store, tmp_path: Path, mine: Trusted
) -> None:
    image, attached = make(key=key)
    publishing.write(tmp_path / "a.tar", store, image, attached, "v1")
    publishing.write(tmp_path / "b.tar", store, image, attached, "v1")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert verified(f"oci-archive:{tmp_path / 'a.tar'}@{image.manifest.digest}", tmp_path, mine).problems == ()


def test_anothers_key_does_not_count(layout: str, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = Trusted("other", signing.public_key((tmp_path / "other.pub").read_text(), ""))
    report = verified(layout, tmp_path, other)
    assert report.problems == ("No signature of it is by a key that counts here.",)
    assert not report.signed_inventory


def test_a_changed_blob_is_found(layout: str, tmp_path: Path, mine: Trusted) -> None:
    place = references.parse(layout).place
    assert place is not None
    digest = layout.partition("@")[2]
    layer = json.loads(layouts.Layout(place).read(digest))["layers"][0]["digest"]
    path = place / "blobs" / "sha256" / layer.removeprefix("sha256:")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert "gave other bytes" in verified(layout, tmp_path, mine).problems[0]
    manifest = place / "blobs" / "sha256" / digest.removeprefix("sha256:")
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(BuildError, match="other bytes"):
        verified(layout, tmp_path, mine)


def test_signature_and_statements_of_another_image_do_not_count(
    make: Callable[..., Any], key: Any, store: Store, tmp_path: Path, mine: Trusted
) -> None:
    _, foreign = make(b"harmless", key=key)
    image, _ = make(b"harmful")
    moved = []
    for one in foreign:
        value = json.loads(store.read(one.manifest.digest)) | {"subject": image.manifest.json()}
        blob = store.put(json.dumps(value).encode(), one.manifest.media_type)
        moved.append(type(one)(Descriptor(blob.media_type, blob.digest, blob.size), one.blobs, one.tag))
    publishing.write(tmp_path / "moved", store, image, moved, "v1")
    report = verified(f"oci:{tmp_path / 'moved'}@{image.manifest.digest}", tmp_path, mine)
    assert report.signed_by == ()
    assert not report.signed_inventory
    assert any("of another image" in p for p in report.problems)
    assert any("about another image" in p for p in report.problems)


def test_an_unsigned_inventory_beside_a_signature_is_said(
    make: Callable[..., Any], key: Any, store: Store, tmp_path: Path, mine: Trusted
) -> None:
    image, attached = make(key=key)
    publishing.write(tmp_path / "some", store, image, attached[:3], "v1")
    report = verified(f"oci:{tmp_path / 'some'}@{image.manifest.digest}", tmp_path, mine)
    assert report.signed_by == ("me",)
    assert report.problems == (
        "The image is signed, and its inventory or its provenance is not: somebody else may have written it.",
    )


def test_what_is_not_there_is_said(make: Callable[..., Any], store: Store, tmp_path: Path, mine: Trusted) -> None:
    image, _ = make()
    publishing.write(tmp_path / "bare", store, image, [], "v1")
    report = verified(f"oci:{tmp_path / 'bare'}@{image.manifest.digest}", tmp_path, mine)
    assert len(report.problems) == 3
    with pytest.raises(BuildError, match="not named by digest"):
        verified(f"oci:{tmp_path / 'bare'}", tmp_path, mine)


def test_what_lies_elsewhere_is_not_overwritten(make: Callable[..., Any], store: Store, tmp_path: Path) -> None:
    image, attached = make()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BuildError, match=r"is there already and is no OCI layout"):
        publishing.write(tmp_path / "mine", store, image, attached, "v1")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_cosign_finds_what_it_reads(make: Callable[..., Any], key: Any, store: Store, mine: Trusted) -> None:
    image, attached = make(key=key)
    tags = {a.tag: json.loads(store.read(a.manifest.digest)) for a in attached if a.tag}
    hexadecimal = image.manifest.digest.removeprefix("sha256:")
    assert set(tags) == {f"sha256-{hexadecimal}.sig", f"sha256-{hexadecimal}.att"}
    (layer,) = tags[f"sha256-{hexadecimal}.sig"]["layers"]
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    mark = base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"])
    assert signing.signer([mine], store.read(layer["digest"]), mark) == "me"
    kinds = {e["annotations"]["predicateType"] for e in tags[f"sha256-{hexadecimal}.att"]["layers"]}
    assert kinds == {"https://cyclonedx.org/bom", "https://slsa.dev/provenance/v1"}
