"""The door to `uv`, which unpacks the packages of a lock file for the image's platform. Called by `locks` and `packages`.

It only ever unpacks wheels: `--no-build` keeps it from running a package's build, and `--require-hashes` from taking another file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from trueup.build.errors import BuildError

_PLATFORMS = {
    ("linux/amd64", False): "x86_64-manylinux_2_28",
    ("linux/arm64", False): "aarch64-manylinux_2_28",
    ("linux/amd64", True): "x86_64-unknown-linux-musl",
    ("linux/arm64", True): "aarch64-unknown-linux-musl",
}
PLATFORMS = tuple(sorted({platform for platform, _ in _PLATFORMS}))


def uv(*arguments: str, folder: Path, what: str) -> str:
    """What uv prints. Raises BuildError with its own words where it fails."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise BuildError("Images are built with uv, which is not installed: `pip install 'trueup[build]'`.")
    done = subprocess.run(
        [found, *arguments],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.replace("error: ", "").split())
        raise BuildError(f"{what}: {said[-1500:]}{_advice(said)}")
    return done.stdout


def _advice(said: str) -> str:
    if "mismatch" in said.lower():
        return " The index gave another file than was locked: find out why before you lock it anew."
    if (
        "no wheels with a matching" in said
        or "building source distributions is disabled" in said.lower()
        or "no usable wheels" in said
    ):
        return (
            " Trueup builds no package from source, for that runs its code: lock a version that has a wheel for this platform and Python, "
            "or put a wheel of your own into an index."
        )
    return ""


def install(lock: Path, target: Path, platform: str, minor: int, musl: bool) -> None:
    """Unpacks the packages of a lock file into a folder. Raises BuildError."""
    uv(
        *("pip", "install", "--quiet", "--no-build", "--no-deps", "--require-hashes"),
        *(
            "--python",
            sys.executable,
            "--python-platform",
            _PLATFORMS[platform, musl],
            "--python-version",
            f"3.{minor}",
        ),
        *("--preview-features", "pylock", "--target", str(target), "--requirements", str(lock)),
        folder=lock.parent,
        what="The packages of the lock file cannot be installed",
    )
