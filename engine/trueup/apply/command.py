"""One run of the Pulumi CLI: its process, its engine events, and the servers that it calls back. Called by `pulumi.py` and `recovery.py`.

The Automation API's `up()` runs `stack output` twice and `stack history` after it, which costs a second; so the CLI is called
here as the Automation API calls it (`--client`, `--event-log`, pinned version), with the same language server. Private names of the SDK
are used in this module only.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.apply import processes

RawEvent = Mapping[str, Any]
NOT_BEGUN = 130
"""The code of what an interrupt kept from beginning, as a shell gives it for what one ended."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A CLI run that has ended."""

    code: int
    stdout: str
    stderr: str
    interrupted: bool = False


class Command:
    """The CLI with its working folder and environment: everything but the arguments."""

    def __init__(self, cli: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._cli = cli
        self._folder = folder
        self._environment = environment
        self._running: dict[int, bool] = {}
        self._guard = threading.Lock()
        self.stopping = False
        """Whether an interrupt came: nothing more is to be begun."""

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        started: Callable[[int], None] = lambda _pid: None,
        text: str | None = None,
        begins: bool = False,
    ) -> Completed:
        """Runs the CLI to its end. `started` gets the process id, which is also its session's, at once. `text` is its input.

        A KeyboardInterrupt in the calling thread becomes one SIGINT of the CLI: running creates end and are recorded. What `begins`
        something is not run at all after an interrupt, however shortly before it came.
        """
        with self._guard:  # so that an interrupt comes before the process, which is then not begun, or finds it
            if begins and self.stopping:
                return Completed(NOT_BEGUN, "", "", interrupted=True)
            process = subprocess.Popen(
                [*_tied(), str(self._cli), "--non-interactive", "--color", "never", *arguments],
                cwd=self._folder,
                env={**os.environ, **self._environment, **(environment or {})},
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running[process.pid] = False
        try:
            started(process.pid)
            stdout, stderr = self._await(process, text)
        finally:
            with self._guard:
                interrupted = self._running.pop(process.pid)
            if process.poll() is None:
                processes.end_group(process.pid)
                process.wait()
        return Completed(process.returncode, stdout, stderr, interrupted)

    def interrupt(self) -> None:
        """One SIGINT to each CLI that runs: running operations end and are recorded, nothing new begins. A second one is abrupt."""
        with self._guard:
            self.stopping = True
            running = list(self._running)
            self._running.update(dict.fromkeys(running, True))
        for pid in running:
            processes.interrupt(pid)

    def _await(self, process: subprocess.Popen[str], text: str | None) -> tuple[str, str]:
        """The output. `communicate` may be entered again after an interrupt, and goes on where it stood."""
        while True:
            try:
                return process.communicate(text)
            except KeyboardInterrupt:
                self.interrupt()


@functools.cache
def _tied() -> tuple[str, ...]:
    """What makes Linux end the CLI with the thread that started it.

    The native provider dies with the driver. A CLI that outlived them would record what was under way as failed and forget it,
    though it may have been made; ended at once, it leaves it as pending, which recovery settles.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


@contextmanager
def program_server(program: Callable[[], None]) -> Iterator[str]:
    """Serves an inline program to the CLI; gives the argument that names it."""
    import grpc
    from pulumi.automation._server import LanguageServer
    from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
    from pulumi.runtime.proto import language_pb2_grpc

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"--client=127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def event_server(on_event: Callable[[RawEvent], None]) -> Iterator[str]:
    """Takes the engine's events, each as the dictionary of its JSON; gives the URL for `--event-log`.

    All events have been handled when the context ends: the stream is closed by the CLI, and the server waits for it.
    """
    import grpc
    from google.protobuf import empty_pb2
    from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
    from pulumi.runtime.proto import events_pb2_grpc

    class Servicer(events_pb2_grpc.EventsServicer):
        def StreamEvents(self, request_iterator: Any, context: Any) -> Any:
            for request in request_iterator:
                on_event(json.loads(request.event))
            return empty_pb2.Empty()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), options=_GRPC_CHANNEL_OPTIONS)
    events_pb2_grpc.add_EventsServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        server.stop(5).wait()
