"""The native provider's gRPC server: it adapts components to Pulumi's provider protocol. Used by `main` and by `apply`.

The protocol is served as Pulumi defines it (`pulumirpc.ResourceProvider`), with the classes that Pulumi generates from it, and not
through `pulumi.provider.experimental`, which drops the old inputs and has no "created but not ready". Handlers block: each runs in
a thread of its own. It decides nothing about a resource; that is the component's.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from trueup import __version__
from trueup.provider import differences, journal
from trueup.provider.catalogue import PACKAGE, component
from trueup.provider.component import Component, ComponentError, Context, Properties, State
from trueup.provider.wire import Secrets, masked, properties

THREADS = 64
"""As many operations at once: runs and servers wait for minutes, and must not hold up the rest."""
MESSAGE_BYTES = 1024 * 1024 * 400
"""Pulumi's own limit of a message."""


class NotReady(Exception):
    """A resource is there but not ready; carries what Pulumi must keep."""

    def __init__(self, detail: provider_pb2.ErrorResourceInitFailed) -> None:
        super().__init__("; ".join(detail.reasons))
        self.detail = detail


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process as the engine sees it. Serves one stack operation at a time."""

    def __init__(self, home: Path, engine: str = "") -> None:
        self.home = home
        self.engine = engine
        self.stopping = threading.Event()
        self._channel: grpc.Channel | None = None
        self._lock = threading.Lock()

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Empty:
        """The engine connects to a server that runs already."""
        self.close()
        self.engine = request.address
        return Empty()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=__version__)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": PACKAGE, "version": __version__}))

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        # Cancel also comes at the end of a normal operation; a new one begins here.
        self.stopping.clear()
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Empty:
        self.stopping.set()
        return Empty()

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        with Guard(self, request, context, request.news) as guard:
            failures = guard.component.check(properties(request.news))
            found = [provider_pb2.CheckFailure(property=f.path, reason=guard.secrets.scrub(f.reason)) for f in failures]
            return provider_pb2.CheckResponse(inputs=request.news, failures=found)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        with Guard(self, request, context, request.old_inputs, request.news) as guard:
            return difference(guard.component, properties(request.old_inputs), properties(request.news))

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        with Guard(self, request, context, request.properties) as guard:
            inputs = properties(request.properties)
            if request.preview:
                outputs = guard.component.preview(inputs, None)
                return provider_pb2.CreateResponse(properties=guard.marked(outputs))
            with journal.creation(self.home, request.urn, masked(request.properties)):
                state = guard.component.create(guard.context, inputs)
            guard.require_ready(state)
            return provider_pb2.CreateResponse(id=state.id, properties=guard.marked(state.outputs))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        with Guard(self, request, context, request.inputs, request.properties) as guard:
            live = guard.component.read(
                guard.context, request.id, properties(request.inputs), properties(request.properties)
            )
            if live is None:
                return provider_pb2.ReadResponse()
            guard.require_ready(State(request.id, live.outputs, live.not_ready), live.inputs)
            return provider_pb2.ReadResponse(
                id=request.id, properties=guard.marked(live.outputs), inputs=guard.secrets.marked(live.inputs)
            )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        with Guard(self, request, context, request.old_inputs, request.olds, request.news) as guard:
            old, new, olds = (properties(p) for p in (request.old_inputs, request.news, request.olds))
            if request.preview:
                outputs = guard.component.preview(new, State(request.id, olds))
                return provider_pb2.UpdateResponse(properties=guard.marked(outputs))
            state = guard.component.update(guard.context, request.id, old, olds, new)
            guard.require_ready(State(request.id, state.outputs, state.not_ready))
            return provider_pb2.UpdateResponse(properties=guard.marked(state.outputs))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Empty:
        with Guard(self, request, context, request.old_inputs, request.properties) as guard:
            inputs = properties(request.old_inputs)
            guard.component.delete(guard.context, request.id, inputs, properties(request.properties))
            return Empty()

    def say(self, urn: str, text: str, severity: Any = engine_pb2.INFO) -> None:
        """Shows a line beside the resource; progress is never a reason to fail."""
        with suppress(grpc.RpcError, ValueError):
            if not self.engine:
                return
            with self._lock:
                self._channel = self._channel or grpc.insecure_channel(self.engine)
            stub = engine_pb2_grpc.EngineStub(self._channel)
            transient = severity == engine_pb2.INFO
            stub.Log(
                engine_pb2.LogRequest(severity=severity, message=text, urn=urn, streamId=0, ephemeral=transient),
                timeout=5,
            )

    def close(self) -> None:
        """Closes the connection to the engine."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None


class Guard:
    """One operation: its component, its secrets, and the door that every error leaves through."""

    def __init__(self, servicer: Servicer, request: Any, rpc: grpc.ServicerContext, *holding_secrets: Any) -> None:
        self._servicer, self._rpc, self._urn = servicer, rpc, request.urn
        self.secrets = Secrets.of(*holding_secrets)
        seconds = getattr(request, "timeout", 0)
        deadline = time.monotonic() + seconds if seconds else None
        self.context = Context(servicer.home, request.urn, self._log, self._cancelled(deadline))
        self._type = request.urn.split("::")[-2].rsplit("$", 1)[-1]

    @property
    def component(self) -> Component:
        """The component that the operation is for."""
        return component(self._type)

    def _log(self, line: str) -> None:
        self._servicer.say(self._urn, self.secrets.scrub(line))

    def _cancelled(self, deadline: float | None) -> Callable[[], bool]:
        return lambda: self._servicer.stopping.is_set() or (deadline is not None and time.monotonic() > deadline)

    def marked(self, outputs: Properties) -> Any:
        """Outputs for the wire, secrets marked."""
        return self.secrets.marked(outputs, self.component.secret_outputs)

    def require_ready(self, state: State, inputs: Properties | None = None) -> None:
        """Raises NotReady for a state that says so."""
        if state.not_ready is None:
            return
        raise NotReady(
            provider_pb2.ErrorResourceInitFailed(
                id=state.id,
                properties=self.marked(state.outputs),
                reasons=[self.secrets.scrub(state.not_ready)],
                inputs=None if inputs is None else self.secrets.marked(inputs),
            )
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, NotReady):
            self._fail(str(error), error.detail)
        if isinstance(error, (ComponentError, LookupError)) and not isinstance(error, (KeyError, IndexError)):
            self._fail(self.secrets.scrub(str(error)))
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("trueup"):
            self._fail(
                f"{self._type} needs the Python package {str(error.name).partition('.')[0]!r}, which is not installed: "
                "pip install 'trueup[local]'."
            )
        if isinstance(error, Exception):
            where = "".join(traceback.format_exception(error))
            self._servicer.say(self._urn, self.secrets.scrub(where), engine_pb2.DEBUG)
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self._fail(
                self.secrets.scrub(f"This is a bug of Trueup's provider in {self._type}, please report it: {text}")
            )

    def _fail(self, message: str, *details: Any) -> NoReturn:
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
        for detail in details:
            status.details.add().Pack(detail)
        self._rpc.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        self._rpc.abort(grpc.StatusCode.UNKNOWN, message)
        raise AssertionError("abort() raises")


def difference(component: Component, old: Properties, new: Properties) -> Any:
    """Whether new inputs replace the resource. Without a replacement the engine itself finds every changed path.

    An input that is not known yet counts as changed: a preview rather shows a replacement too many than hides one.
    """
    replaces = sorted(k for k in component.replace_on if old.get(k) != new.get(k))
    if not replaces:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_UNKNOWN)
    found = dict(differences.paths(old, new))
    kinds = {p: f"{k}_replace" if differences.top(p) in component.replace_on else k for p, k in found.items()}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME,
        replaces=replaces,
        diffs=sorted({differences.top(p) for p in found}),
        detailedDiff={
            p: provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.Kind.Value(k.upper()), inputDiff=True)
            for p, k in kinds.items()
        },
        hasDetailedDiff=True,
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A provider that is being served. Stops at the end of a `with` block."""

    port: int
    servicer: Servicer
    server: grpc.Server
    threads: ThreadPoolExecutor

    @property
    def debug_providers(self) -> str:
        """The value of `PULUMI_DEBUG_PROVIDERS` that lets the engine find this server."""
        return f"{PACKAGE}:{self.port}"

    def stop(self, grace: float = 0.0) -> None:
        """Tells running operations to end, waits `grace` seconds for them, and closes the port."""
        self.servicer.stopping.set()
        self.server.stop(grace).wait(grace + 5)
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.servicer.close()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def serve(home: Path, engine: str = "") -> Served:
    """Serves the provider on a free port of 127.0.0.1 in threads of this process; any number of them may run side by side."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="trueup-provider")
    limits = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    # No port is ever shared: without this option Linux would let a second server listen on the same one.
    server = grpc.server(threads, options=[*limits, ("grpc.so_reuseport", 0)])
    servicer = Servicer(home, engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return Served(port, servicer, server, threads)
