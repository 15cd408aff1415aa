"""A container as a process of this machine, from its manifest. Called by `kubelet_pods`.

Where the tests are root, its root is an overlay over this machine's, in namespaces of its own for mounts and for processes: volumes stand
where the manifest says, `readOnlyRootFilesystem` holds, and no signal of the container's reaches a process outside (Argo's executor sends
some to all that it sees). The image is this machine: of `image` nothing is used but the name. Elsewhere (`NAMESPACES` is
false) the folders of volumes are written into command and environment in place of their mount paths. Users, capabilities, limits and
networks are not acted out: the API server judges those.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.cluster import tied

_REFERENCE = re.compile(r"\$(?:\$|\(([-._A-Za-z0-9]+)\))")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
DEVICES = ("null", "zero", "full", "random", "urandom")
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL; a cluster of a cloud gives thirty."""


@functools.cache
def namespaces() -> bool:
    """Whether containers get a root of their own."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "sh", "-c", "test $$ -eq 1"], capture_output=True).returncode == 0


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Kubernetes' `$(NAME)` and `$$`, as a kubelet reads them in commands and values."""

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


@dataclass(frozen=True)
class Mount:
    """A folder, and where a container sees it."""

    source: Path
    target: str
    read_only: bool = False


def environment(container: Mapping[str, Any], value_of: Callable[[Mapping[str, Any]], str]) -> dict[str, str]:
    """The variables of a container; `value_of` resolves a `valueFrom`."""
    found: dict[str, str] = {}
    for variable in container.get("env", ()):
        given = value_of(variable["valueFrom"]) if "valueFrom" in variable else variable.get("value", "")
        found[variable["name"]] = given if "valueFrom" in variable else expanded(given, found)
    return found


@dataclass
class Container:
    """One container's process, and what became of it."""

    manifest: Mapping[str, Any]
    variables: Mapping[str, str]
    mounts: list[Mount]
    folder: Path
    programs: Mapping[str, Path] = field(default_factory=dict)
    names: Path | None = None
    """What it finds as `/etc/hosts`."""
    process: subprocess.Popen[bytes] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def log(self) -> Path:
        """What it printed, over all its tries."""
        return self.folder / "log"

    def run(self) -> int:
        """Runs it once; its exit code."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [*self.manifest.get("command", ()), *self.manifest.get("args", ())]
        command = [expanded(part, self.variables) for part in command]
        given = {"PATH": PATH, **self.variables}
        if namespaces():
            command = [*UNSHARE, "sh", "-e", "-c", self._setup(), "sh", *command]
        else:
            command = [self._rewritten(part) for part in command]
            given = {name: self._rewritten(value) for name, value in given.items()}
            given["PATH"] = os.pathsep.join([*{str(p.parent) for p in self.programs.values()}, os.environ["PATH"]])
        with self.log.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    [*tied(), *command],
                    env=given,
                    cwd=self.folder if not namespaces() else "/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                return 128
            code = self.process.wait()
        self._signal(signal.SIGKILL)
        return code if code >= 0 else 128 - code

    def end(self, grace: float = GRACE) -> None:
        """Ends the process and what it started: first as a kubelet asks, then at once."""
        self.stopping.set()
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
            self._signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Sends a signal to the container's first process alone."""
        if (first := self._first()) is not None:
            os.kill(first, number)

    def holds(self, command: list[str], seconds: float) -> bool:
        """Whether a command succeeds in the container, as a probe asks."""
        first = self._first()
        if first is None:
            return False
        enter = ("nsenter", f"--target={first}", "--mount", "--pid", "--root", "--wd=/")
        try:
            found = subprocess.run(
                [*enter, *command], env={"PATH": PATH, **self.variables}, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return False
        return found.returncode == 0

    def _first(self) -> int | None:
        """The container's first process."""
        if self.process is None or self.process.poll() is not None or not namespaces():
            return None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def _signal(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _setup(self) -> str:
        """What makes the container's root, and goes into it."""
        layers = {name: self.folder / name for name in ("upper", "work", "root")}
        shutil.rmtree(layers["upper"], ignore_errors=True)
        for layer in layers.values():
            layer.mkdir(exist_ok=True)
        root = shlex.quote(str(layers["root"]))
        options = f"lowerdir=/,upperdir={layers['upper']},workdir={layers['work']}"
        lines = ["test $$ -eq 1"]  # in a namespace of its own, or not at all
        lines += [f"mount -t overlay overlay -o {shlex.quote(options)} {root}"]
        for name, program in self.programs.items():
            lines.append(f"mkdir -p {root}/usr/local/bin; cp {shlex.quote(str(program))} {root}/usr/local/bin/{name}")
        lines += [f"mount -t tmpfs tmpfs {root}/dev", f"mkdir {root}/dev/shm", f"mount -t proc proc {root}/proc"]
        lines += [f"touch {root}/dev/{name}" for name in DEVICES]
        lines += [f"mount --bind /dev/{name} {root}/dev/{name}" for name in (*DEVICES, "shm")]
        named = [Mount(self.names, "/etc/hosts", read_only=True)] if self.names is not None else []
        for mount in (*named, *self.mounts):
            name = shlex.quote(mount.target)
            make = f"mkdir -p {name}" if mount.source.is_dir() else f"mkdir -p $(dirname {name}); touch {name}"
            # Made and found from inside: `/var/run` may be a link, which must not lead out.
            lines.append(f"target={root}$(chroot {root} sh -c {shlex.quote(f'{make}; realpath {name}')})")
            lines.append(f"mount --bind {shlex.quote(str(mount.source))} $target")
            if mount.read_only:
                lines.append("mount -o remount,bind,ro $target")
        if self.manifest.get("securityContext", {}).get("readOnlyRootFilesystem"):
            lines.append(f"mount -o remount,ro {root}")
        directory = shlex.quote(self.manifest.get("workingDir", "/"))
        return "; ".join([*lines, f'exec chroot {root} sh -c \'cd "$0" && exec "$@"\' {directory} "$@"'])

    def _rewritten(self, text: str) -> str:
        for mount in sorted(self.mounts, key=lambda m: -len(m.target)):
            text = re.sub(rf"(?<![\w/.-]){re.escape(mount.target)}(?![\w.-])", str(mount.source), text)
        return text
