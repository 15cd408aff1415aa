"""`data:Bucket`: a folder that knows whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.provider.bucket import MANIFEST, Bucket
from trueup.provider.component import ComponentError, Context

URN = "urn:pulumi:dev-shop-foundation::shop::trueup:data:Bucket::files"
INPUTS: dict[str, Any] = {"uri": "home:dev/objects/shop/files", "forceDestroy": False, "owner": "data"}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A bucket's context."""
    return Context(tmp_path, URN)


def folder(context: Context) -> Path:
    """The bucket's folder."""
    return context.home / "dev/objects/shop/files"


def test_a_bucket_is_made_read_and_adopted(context: Context) -> None:
    made = Bucket().create(context, INPUTS)
    (folder(context) / "a" / "b").mkdir(parents=True)
    (folder(context) / "a" / "b" / "ü.bin").write_bytes(b"1")
    live = Bucket().read(context, made.id, INPUTS, made.outputs)
    assert live is not None and live.inputs == INPUTS and live.outputs == {"uri": INPUTS["uri"], "objects": 1}
    assert Bucket().create(context, INPUTS).outputs["objects"] == 1


def test_a_lost_manifest_is_drift_and_is_written_again(context: Context) -> None:
    made = Bucket().create(context, INPUTS)
    (folder(context) / MANIFEST).unlink()
    live = Bucket().read(context, made.id, INPUTS, made.outputs)
    assert live is not None and "forceDestroy" not in live.inputs
    Bucket().update(context, made.id, live.inputs, live.outputs, INPUTS)
    again = Bucket().read(context, made.id, INPUTS, made.outputs)
    assert again is not None and again.inputs == INPUTS


def test_a_folder_of_another_is_refused(context: Context) -> None:
    Bucket().create(context, INPUTS)
    with pytest.raises(ComponentError, match="is the bucket of urn:"):
        Bucket().create(Context(context.home, URN + "-else"), INPUTS)
    strange = {**INPUTS, "uri": "home:dev/objects/shop/strange"}
    (context.home / "dev/objects/shop/strange").mkdir()
    (context.home / "dev/objects/shop/strange/file").touch()
    with pytest.raises(ComponentError, match="holds files and is no bucket of ours; import it"):
        Bucket().create(context, strange)


def test_a_renamed_bucket_keeps_its_objects(context: Context) -> None:
    made = Bucket().create(context, INPUTS)
    (folder(context) / "a").write_text("x")
    new = {**INPUTS, "uri": "home:dev/objects/shop/renamed"}
    moved = Bucket().update(context, made.id, INPUTS, made.outputs, new)
    assert (context.home / "dev/objects/shop/renamed/a").read_text() == "x" and not folder(context).exists()
    assert Bucket().update(context, made.id, INPUTS, made.outputs, new).outputs == moved.outputs


def test_a_bucket_with_objects_is_deleted_only_by_force(context: Context) -> None:
    made = Bucket().create(context, INPUTS)
    (folder(context) / "a").touch()
    with pytest.raises(ComponentError, match="holds 1 object and is not deleted"):
        Bucket().delete(context, made.id, INPUTS, made.outputs)
    assert (folder(context) / "a").exists()
    Bucket().delete(context, made.id, {**INPUTS, "forceDestroy": True}, made.outputs)
    Bucket().delete(context, made.id, {**INPUTS, "forceDestroy": True}, made.outputs)
    assert not folder(context).exists()


def test_every_error_of_the_inputs_is_told_at_once() -> None:
    assert [f.path for f in Bucket().check({"uri": "s3://bucket"})] == ["uri"]
    assert [f.path for f in Bucket().check({"uri": "home:../x", "versioning": "yes", "forceDestroy": 1})] == [
        "uri",
        "versioning",
        "forceDestroy",
    ]
