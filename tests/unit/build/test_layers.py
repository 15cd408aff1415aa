"""Layers: their bytes depend on their files alone, and every other reader of gzip and tar reads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.build import compression, layers
from trueup.build.layers import Item
from trueup.build.store import Store

ITEMS = (
    Item("opt/a.txt", b"a"),
    Item("opt/bin/tool", b"#!/bin/sh\n", executable=True),
    Item("opt/link", link="a.txt"),
    Item("work", folder=True, owner=65532),
)


def entries(store: Store, digest: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.read(digest)))) as tar:
        return {m.name: m for m in tar}


def test_order_folder_time_and_umask_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number, items in enumerate((ITEMS, tuple(reversed(ITEMS)))):
        folder = tmp_path / f"place-{number}"
        folder.mkdir()
        file = folder / "big.bin"
        file.write_bytes(b"x" * 3_000_000)
        os.utime(file, (number * 1000, number * 1000))
        file.chmod(0o600 + number)
        monkeypatch.setattr(time, "time", lambda now=number: 1.7e9 + now)
        monkeypatch.setattr(os, "cpu_count", lambda cores=number: 1 + 7 * cores)
        found.append(layers.layer(Store(folder / "store"), "files", (*items, Item("opt/big.bin", file)), 0))
    assert found[0] == found[1]


def test_a_changed_byte_a_mode_a_link_and_a_time_each_change_it(store: Store) -> None:
    changed = [
        (*ITEMS[1:], Item("opt/a.txt", b"b")),
        (*ITEMS[1:], Item("opt/a.txt", b"a", executable=True)),
        (*ITEMS[:2], Item("opt/link", link="b.txt"), ITEMS[3]),
        ITEMS[:3],
    ]
    digests = [layers.layer(store, "files", items, 0).diff_id for items in (ITEMS, *changed)]
    digests.append(layers.layer(store, "files", ITEMS, 1).diff_id)
    assert len(set(digests)) == len(digests)


def test_what_stands_in_it(store: Store) -> None:
    made = layers.layer(store, "files", ITEMS, 77)
    found = entries(store, made.blob.digest)
    assert list(found) == ["opt", "opt/a.txt", "opt/bin", "opt/bin/tool", "opt/link", "work"]
    assert {m.mtime for m in found.values()} == {77}
    assert {m.uname + m.gname for m in found.values()} == {""}
    assert (found["opt/bin/tool"].mode, found["opt/a.txt"].mode, found["opt"].mode) == (0o755, 0o644, 0o755)
    assert found["opt/link"].linkname == "a.txt"
    assert (found["work"].uid, found["opt/a.txt"].uid) == (65532, 0)


def test_both_digests_are_those_of_the_content(store: Store) -> None:
    made = layers.layer(store, "files", ITEMS, 0)
    data = store.path(made.blob.digest).read_bytes()
    assert made.blob.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert made.blob.size == len(data)
    assert made.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"


def compressed(content: bytes, piece: int) -> bytes:
    """What comes out where the content comes in pieces of a size."""
    found = bytearray()
    compressor = compression.Compressor(found.extend)
    for place in range(0, len(content), piece):
        compressor.write(content[place : place + piece])
    compressor.close()
    return bytes(found)


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=300), st.integers(min_value=0, max_value=9000), st.integers(min_value=5000, max_value=2_000_000)
)
def test_gzip_reads_what_was_compressed_however_it_came(block: bytes, times: int, piece: int) -> None:
    content = block * times
    made = compressed(content, piece)
    assert gzip.decompress(made) == content
    assert made == compressed(content, 1 << 20)


def test_the_gzip_header_names_neither_file_nor_time() -> None:
    assert compressed(b"content", 3)[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
