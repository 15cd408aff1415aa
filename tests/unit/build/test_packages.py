"""Packages as files of a layer: installed by uv from wheels of the tests' own, and equal on every machine."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from images import wheels
from trueup.build import locks, packages
from trueup.build.errors import BuildError
from trueup.build.locks import Lock
from trueup.build.packages import Packages
from trueup.build.store import Store
from trueup.build.systems import System

SYSTEM = System("/usr/bin/python3", 12)
SITE = "opt/venv/lib/python3.12/site-packages"


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def lock_of(*built: Path) -> Lock:
    return locks.read("requirements.txt", wheels.requirements(*built).encode(), {})


def files(store: Store, made: Packages) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.read(made.layer.blob.digest)))) as tar:
        return {m.name: (tar.extractfile(m) or io.BytesIO()).read() if m.isreg() else m.linkname.encode() for m in tar}


def test_modules_scripts_and_records_are_those_of_the_image(store: Store, wheel: Callable[..., Path]) -> None:
    made = packages.locked(
        store, lock_of(wheel("tool", "1.2", {"tool.py": "def main(): pass\n"}, "tool:main")), SYSTEM, "linux/amd64", 0
    )
    found = files(store, made)
    assert found[f"{SITE}/tool.py"] == b"def main(): pass\n"
    assert found["opt/venv/bin/tool"].startswith(b"#!/opt/venv/bin/python\n")
    assert found["opt/venv/bin/python"] == b"/usr/bin/python3"
    assert b"home = /usr/bin\n" in found["opt/venv/pyvenv.cfg"]
    record = list(csv.reader(io.StringIO(found[f"{SITE}/tool-1.2.dist-info/RECORD"].decode())))
    assert {r[0] for r in record} >= {"tool.py", "../../../bin/tool", "tool-1.2.dist-info/METADATA"}
    for name, digest, size in record:
        if digest:
            path = f"{SITE}/{name}" if not name.startswith("..") else "opt/venv/bin/tool"
            mark = base64.urlsafe_b64encode(hashlib.sha256(found[path]).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={mark}", len(found[path])), name
    assert [(d.name, d.version, d.license) for d in made.distributions] == [("tool", "1.2", "MIT")]


def test_two_machines_make_the_same_layer(
    tmp_path: Path, wheel: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of(
        wheel("tool", "1.2", {"tool.py": "def main(): pass\n"}, "tool:main"), wheel("six", "1", {"six.py": ""})
    )
    found = []
    for number in range(2):
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / f"uv-{number}"))
        place = tmp_path / ("machine-with-a-long-name" * (1 + 6 * number))
        found.append(packages.locked(Store(place), lock, SYSTEM, "linux/amd64", 0))
    assert found[0] == found[1]


def test_a_second_build_takes_the_layer_that_is_there(
    store: Store, wheel: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of(wheel("tool", "1.2", {"tool.py": ""}))
    made = packages.locked(store, lock, SYSTEM, "linux/amd64", 0)
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    assert packages.locked(store, lock, SYSTEM, "linux/amd64", 0) == made
    path = store.path(made.layer.blob.digest)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(BuildError):  # what was changed is not taken, and there is nothing to make it anew from
        packages.locked(store, lock, SYSTEM, "linux/amd64", 0)


def test_wheels_are_those_of_the_images_platform(store: Store, wheel: Callable[..., Path]) -> None:
    built = [
        wheel("fast", "1", {"fast.py": f"machine = {machine!r}\n"}, tag=f"cp312-cp312-manylinux_2_17_{machine}")
        for machine in ("x86_64", "aarch64")
    ]
    hashes = " ".join(f"--hash=sha256:{hashlib.sha256(w.read_bytes()).hexdigest()}" for w in built)
    lock = locks.read("requirements.txt", f"fast==1 {hashes}".encode(), {})
    for platform, machine in (("linux/amd64", b"x86_64"), ("linux/arm64", b"aarch64")):
        assert machine in files(store, packages.locked(store, lock, SYSTEM, platform, 0))[f"{SITE}/fast.py"]


def test_another_file_than_was_locked_is_refused(store: Store, wheel: Callable[..., Path], tmp_path: Path) -> None:
    lock = lock_of(wheel("tool", "1.2", {"tool.py": ""}))
    wheel("tool", "1.2", {"tool.py": "import os  # changed"})
    with pytest.raises(BuildError, match=r"[Hh]ash mismatch.*find out why"):
        packages.locked(store, lock, SYSTEM, "linux/amd64", 0)


def test_a_package_without_a_wheel_is_not_built(store: Store, tmp_path: Path) -> None:
    import tarfile

    folder = tmp_path / "wheels"
    folder.mkdir()
    setup = b"open('/tmp/trueup-ran-setup', 'w')\nfrom setuptools import setup\nsetup(name='evil', version='1')\n"
    with tarfile.open(folder / "evil-1.tar.gz", "w:gz") as tar:
        for name, data in (("setup.py", setup), ("PKG-INFO", b"Metadata-Version: 2.1\nName: evil\nVersion: 1\n")):
            info = tarfile.TarInfo(f"evil-1/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    digest = hashlib.sha256((folder / "evil-1.tar.gz").read_bytes()).hexdigest()
    lock = locks.read("requirements.txt", f"evil==1 --hash=sha256:{digest}".encode(), {})
    with pytest.raises(BuildError, match=r"builds no package from source"):
        packages.locked(store, lock, SYSTEM, "linux/amd64", 0)
    assert not Path("/tmp/trueup-ran-setup").exists()


def test_trueup_itself(store: Store) -> None:
    made = packages.own(0, store, 12)
    found = files(store, made)
    assert f"{SITE}/trueup/steps/main.py" in found
    assert f"{SITE}/trueup_specs/core/steps.py" in found
    assert not [n for n in found if "__pycache__" in n]
    assert made.distributions[0].name == "trueup"
