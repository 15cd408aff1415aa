"""Runs an image as a container would, without a container runtime: unpacked, in a chroot and as its user where root may do that, else with
this machine's Python on the image's packages.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Unpacked:
    """An image's files below `root`, and its configuration."""

    root: Path
    config: dict[str, Any]

    @property
    def confined(self) -> bool:
        """Whether it can be run with nothing but its own files."""
        return os.geteuid() == 0 and (self.root / "opt/venv/bin/python").is_symlink()

    @property
    def log(self) -> Path:
        """What its processes print."""
        return self.root.with_suffix(".log")

    def seen(self, path: str) -> str:
        """A path of the image as its processes see it."""
        return path if self.confined else f"{self.root}{path}"

    def start(
        self, *arguments: str, variables: Mapping[str, str] | None = None, folder: str = ""
    ) -> subprocess.Popen[bytes]:
        """Starts its entrypoint, with its command or other arguments."""
        runtime = self.config["config"]
        environment = dict(v.split("=", 1) for v in runtime["Env"])
        command = [*runtime["Entrypoint"], *(arguments or runtime.get("Cmd", ()))]
        uid = int(runtime["User"].partition(":")[0])
        inside = folder or runtime["WorkingDir"]
        if not self.confined:
            site = next((self.root / "opt/venv/lib").glob("python3.*/site-packages"))
            environment |= {"PYTHONPATH": str(site), "PATH": os.environ["PATH"]}
            environment |= {
                k: f"{self.root}{v}" for k, v in environment.items() if v.startswith(("/opt/model", "/app"))
            }
            command = [sys.executable, "-S", *command[1:]]

        def enter() -> None:
            if self.confined:
                os.chroot(self.root)
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                os.chdir(inside)

        return subprocess.Popen(
            command,
            env={**environment, **(variables or {})},
            cwd=None if self.confined else f"{self.root}{inside}",
            preexec_fn=enter,
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def unpack(layout: Path, digest: str, root: Path) -> Unpacked:
    """Unpacks the layers of an image in a layout, as a container runtime does."""

    def blob(name: str) -> bytes:
        return (layout / "blobs" / "sha256" / name.removeprefix("sha256:")).read_bytes()

    manifest = json.loads(blob(digest))
    root.mkdir()
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as tar:
            tar.extractall(root, filter="fully_trusted", numeric_owner=True)
    return Unpacked(root, json.loads(blob(manifest["config"]["digest"])))
