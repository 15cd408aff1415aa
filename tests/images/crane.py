"""crane, built once with Go from its pinned module: reads and serves images as the rest of the field does."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from gotools import Module

CRANE = Module(
    "github.com/google/go-containerregistry", "v0.20.6", {"crane": "github.com/google/go-containerregistry/cmd/crane"}
)


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
