"""crane, built once with Go from its pinned module: reads and serves images as the rest of the field does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from filelock import FileLock

from trueup import places

VERSION = "v0.20.6"
PACKAGE = "github.com/google/go-containerregistry/cmd/crane"


def binary() -> Path:
    """Where it is, or will be."""
    return places.cache() / "tools" / f"crane-{VERSION}"


def build() -> Path:
    """The program, built where it is not (about a minute, once). Raises FileNotFoundError without Go."""
    if shutil.which("go") is None and not binary().is_file():
        raise FileNotFoundError("crane is built with Go, which is not on PATH")
    folder = binary().with_name(f"crane-{VERSION}-build")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(binary().with_name(f"crane-{VERSION}.lock")):
        if not binary().is_file():
            (folder / "go.mod").write_text("module crane\n\ngo 1.24\n")
            environment = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
            part = binary().with_suffix(".part")
            for command in (["go", "get", f"{PACKAGE}@{VERSION}"], ["go", "build", "-o", str(part), PACKAGE]):
                subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            part.replace(binary())
    return binary()


class Server:
    """`crane registry serve`, until it is stopped."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.log = folder / "registry.log"
        with self.log.open("wb") as log:
            command = [str(program), "registry", "serve", "--address", "127.0.0.1:0"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 30
        while (found := re.search(r"serving on port (\d+)", self.log.read_text())) is None:
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        self.host = f"127.0.0.1:{found[1]}"

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(10)
