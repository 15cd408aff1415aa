"""The kept supervisor (supervisord): one for each folder, detached, so that it survives the apply that started it.

Called by `services` and `gateways`. It knows programs, not models: what a program is comes in as a value.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trueup.serving import processes, unix_http
from trueup.serving.processes import Identity

BROKEN = 78
"""The exit code (`EX_CONFIG`) of a server that can never start, such as for a model that does not load: it is not restarted."""

_PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "TRUEUP_HOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
)
# All that servers inherit: never the credentials of apply, state or forge.


class SupervisionError(Exception):
    """The supervisor does not start or does not answer. The text is a full sentence."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command to keep running in `count` processes, with `{process}` as its number. `stop_seconds` is the grace when it is stopped."""

    name: str
    command: tuple[str, ...]
    count: int = 1
    stop_seconds: int = 30
    log_bytes: int = 5_000_000
    stdout_log: str | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """One process as the supervisor sees it: `state` is supervisord's (`RUNNING`, `BACKOFF`, `FATAL`, `EXITED` …)."""

    group: str
    name: str
    state: str
    pid: int
    since: float
    log: str
    exit: int = 0


def configuration(folder: Path, programs: Sequence[Program]) -> str:
    """The text of `supervisord.conf`."""
    run = unix_http.sockets(folder)
    logs = folder / "logs"
    parts = [
        f"[unix_http_server]\nfile={_escaped(str(run / 'supervisor.sock'))}\nchmod=0700\n",
        f"[supervisord]\nlogfile={_escaped(str(logs / 'supervisor.log'))}\nlogfile_maxbytes=1MB\nlogfile_backups=2\n"
        f"pidfile={_escaped(str(run / 'supervisor.pid'))}\nchildlogdir={_escaped(str(logs))}\nnodaemon=false\nminfds=1024\n",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
        *(_section(logs, program) for program in programs),
    ]
    return "\n".join(parts)


def _section(logs: Path, program: Program) -> str:
    command = shlex.join(program.command).replace("%", "%%").replace("{process}", "%(process_num)d")
    log = _escaped(str(logs / f"{program.name}-")) + "%(process_num)d.log"
    errors = f"stderr_logfile={log}\nstderr_logfile_maxbytes={program.log_bytes}\nstderr_logfile_backups=2\n"
    split = f"stdout_logfile={_escaped(program.stdout_log or '')}\n{errors}"
    joined = f"stdout_logfile={log}\nredirect_stderr=true\n"
    return (
        f"[program:{program.name}]\ncommand={command}\nprocess_name=%(program_name)s-%(process_num)d\nnumprocs={program.count}\n"
        f"autostart=true\nautorestart=unexpected\nexitcodes={BROKEN}\nstartsecs=1\nstartretries=5\nstopsignal=TERM\n"
        f"stopwaitsecs={program.stop_seconds}\nstopasgroup=false\nkillasgroup=true\n"
        f"{split if program.stdout_log else joined}stdout_logfile_maxbytes={program.log_bytes}\nstdout_logfile_backups=2\n"
    )


def _escaped(text: str) -> str:
    if ";" in text or "\n" in text:
        raise SupervisionError(
            f"The folder {text!r} has a `;` or a line break in its name, which supervisord cannot read; use another."
        )
    return text.replace("%", "%%")


class Supervisor:
    """The supervisor of one folder. All methods but `start` and `identity` raise SupervisionError when it does not answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def identity(self) -> Identity | None:
        """The recorded supervisor, if that process lives."""
        try:
            found = Identity(**json.loads((self.folder / "run" / "supervisor.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.alive() else None

    def answers(self) -> bool:
        """Whether the recorded supervisor lives and can be asked."""
        if self.identity() is None:
            return False
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except SupervisionError:
            return False

    def write(self, programs: Sequence[Program]) -> None:
        """Writes the configuration; a supervisor that runs reads it at `add`, another one at its start."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        path = self.folder / "supervisord.conf"
        temporary = path.with_name(".supervisord.conf")
        temporary.write_text(configuration(self.folder, programs), encoding="utf-8")
        temporary.replace(path)

    def start(self) -> None:
        """Starts the supervisor with what is written, in a session of its own; one that hangs is ended first."""
        if (hung := self.identity()) is not None:
            processes.end([hung], grace=2)
        command = [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(self.folder / "supervisord.conf")]
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            timeout=60,
        )
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines()
            raise SupervisionError(
                f"The supervisor of {self.folder} did not start: {reason[-1] if reason else 'no reason given'}."
            )
        self._await_start()

    def _await_start(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(SupervisionError):
                identity = Identity.of(int(self._call("getPID")))
                if identity is not None:
                    processes.write_private(self.folder / "run" / "supervisor.json", asdict(identity))
                    return
            time.sleep(0.05)
        raise SupervisionError(
            f"The supervisor of {self.folder} did not answer within 30 s; see {self.folder / 'logs' / 'supervisor.log'}."
        )

    def processes(self) -> list[Process]:
        """All processes of all programs."""
        return [
            Process(
                p["group"],
                p["name"],
                p["statename"],
                int(p["pid"]),
                float(p["start"]),
                p["stdout_logfile"],
                int(p["exitstatus"]),
            )
            for p in self._call("getAllProcessInfo")
        ]

    def add(self, group: str) -> None:
        """Starts a program that was written since the supervisor started; one that it knows is started where it stopped."""
        self._call("reloadConfig")
        try:
            self._call("addProcessGroup", group)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_ADDED" not in fault.faultString:
                raise
            self._call("startProcessGroup", group, False)

    def remove(self, group: str, timeout: float) -> None:
        """Stops a program and forgets it; `timeout` must exceed its grace."""
        with contextlib.suppress(xmlrpc.client.Fault):  # a group that is not there is fine
            self._call("stopProcessGroup", group, True, timeout=timeout)
            self._call("removeProcessGroup", group)

    def restart(self, group: str, timeout: float) -> None:
        """Stops and starts all processes of a program."""
        self._call("stopProcessGroup", group, True, timeout=timeout)
        self._call("startProcessGroup", group, False)

    def stop(self, grace: float) -> None:
        """Stops the supervisor and its processes, the latter within `grace` seconds. What is stopped already is fine."""
        identity = self.identity()
        if identity is None:
            return
        with contextlib.suppress(SupervisionError, xmlrpc.client.Fault):
            self._call("shutdown")
            deadline = time.monotonic() + grace + 5
            while identity.alive() and time.monotonic() < deadline:
                time.sleep(0.05)
        processes.end([identity], grace=2)

    def _call(self, method: str, *arguments: Any, timeout: float = 10) -> Any:
        path = unix_http.sockets(self.folder) / "supervisor.sock"
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=unix_http.Transport(path, timeout))
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.ProtocolError, xmlrpc.client.ResponseError) as error:
            raise SupervisionError(
                f"The supervisor of {self.folder} does not answer ({error}); `trueup up` starts it again."
            ) from error


def last_lines(path: Path, count: int = 12) -> str:
    """The last lines of a log, for the reason of a failure; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
