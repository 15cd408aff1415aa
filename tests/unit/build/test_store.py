"""The store takes what is what its digest says, and nothing else."""

from __future__ import annotations

import pytest

from trueup.build.errors import BuildError
from trueup.build.images import Descriptor, digest_of
from trueup.build.store import Store


def test_other_bytes_are_not_taken(store: Store) -> None:
    blob = Descriptor("x", digest_of(b"right"), 5)
    for wrong in ([b"wrong"], [b"right", b"more"], [b"rig"]):
        with pytest.raises(BuildError, match=r"example\.com gave other bytes"):
            store.take(blob, wrong, "example.com")
        assert not store.has(blob)
    store.take(blob, [b"ri", b"ght"], "example.com")
    assert store.has(blob)
    assert store.read(blob.digest) == b"right"


def test_a_blob_that_was_changed_is_found(store: Store) -> None:
    blob = store.put(b"right", "x")
    store.path(blob.digest).write_bytes(b"wrong")
    with pytest.raises(BuildError, match="changed or cut off"):
        store.read(blob.digest)
