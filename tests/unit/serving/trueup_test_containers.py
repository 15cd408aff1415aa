"""A container of a manifest as a process of this machine: its own command, with a port and a home of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueup.serving import ports


class Contained:
    """The process. It is given what its secrets hold, and other places for what the cluster mounts."""

    def __init__(
        self, made: Any, folder: Path, secrets: Mapping[str, str] | None = None, places: Mapping[str, str] | None = None
    ) -> None:
        self.made, self.port, self.log = made, ports.free(), folder / f"{made['name']}.log"
        given = {e["name"]: e["value"] if "value" in e else (secrets or {})[e["name"]] for e in made["env"]}
        words = [*made["command"], *made.get("args", ())]
        if "ports" in made:
            asked = re.compile(rf"(--\w*port=){made['ports'][0]['containerPort']}")
            words = [asked.sub(rf"\g<1>{self.port}", word) for word in words]
        for name, value in {**{f"$({k})": v for k, v in given.items()}, **(places or {})}.items():
            words = [word.replace(name, value) for word in words]
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
        environment = {**os.environ, **given, "HOME": str(folder), "TMPDIR": str(folder)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def get(self, path: str, **headers: str) -> int:
        """The status of an answer; 0 while nobody listens."""
        return self.ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers))

    def ask(self, request: urllib.request.Request) -> int:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def probe(self, name: str) -> int:
        """The status of one of the container's own probes: `startup`, `readiness` or `liveness`."""
        return self.get(self.made[f"{name}Probe"]["httpGet"]["path"])

    def started(self) -> None:
        """Waits as long as the startup probe would."""
        given = self.made["startupProbe"]
        end = time.monotonic() + given["periodSeconds"] * given["failureThreshold"]
        while self.probe("startup") != 200:
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def end(self, seconds: float = 30) -> int:
        """Ends it as Kubernetes does, and says with which code it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def clear(self) -> None:
        """Nothing of it is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
