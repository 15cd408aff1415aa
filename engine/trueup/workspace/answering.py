"""Health and metrics over HTTP beside the loop, and the server that carries them. Called by `trueup reconcile --listen` and `trueup serve`.

Needs the extra `serve`. Nothing here can make the loop do anything; webhooks are in `hooks`.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueup.exits import USAGE
from trueup.workspace.opening import WorkspaceError
from trueup.workspace.watching import Watch

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LOOPBACK = "127.0.0.1"
MISSING = "This needs the extra `serve`, which is not installed ({name}): pip install 'trueup[serve]'"
STARTS = 10.0


def require() -> None:
    """Raises WorkspaceError where the extra is not installed."""
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise WorkspaceError(MISSING.format(name=error.name)) from None


def operations(watch: Watch) -> Starlette:
    """What operators ask: `/healthz`, `/readyz`, `/metrics`."""
    require()
    from starlette.applications import Starlette

    return Starlette(routes=routes(watch, with_metrics=True))


def routes(watch: Watch, *, with_metrics: bool) -> list[Any]:
    """The routes of health; where operators alone ask, with metrics and with what stands how."""
    require()
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    async def healthz(_request: Request) -> Response:
        ok = watch.healthy()
        return PlainTextResponse("ok\n" if ok else "the loop does not move\n", 200 if ok else 503)

    async def readyz(_request: Request) -> Response:
        found = {s.environment: _stands(s) for s in watch.standings()}
        ok = watch.ready() and watch.healthy()
        told = {"environments": found} if with_metrics else {}
        return JSONResponse({"ready": ok, **told}, 200 if ok else 503)

    async def metrics(_request: Request) -> Response:
        from prometheus_client import CONTENT_TYPE_LATEST

        from trueup.workspace import metering

        return Response(metering.exposition(watch), media_type=CONTENT_TYPE_LATEST)

    found = [Route("/healthz", healthz), Route("/readyz", readyz)]
    return [*found, Route("/metrics", metrics)] if with_metrics else found


def _stands(standing: Any) -> str:
    if standing.error:
        return "error"
    if standing.other:
        return "standby"
    return str(standing.turn.decision.action) if standing.turn else "starting"


@dataclass(frozen=True)
class Server:
    """A server in a thread of its own."""

    url: str
    _server: Any
    _thread: threading.Thread

    def stop(self) -> None:
        """Lets requests in hand end, and waits for it."""
        self._server.should_exit = True
        self._thread.join(STARTS)


def start(app: Any, listen: str) -> Server:
    """Serves an application at `[HOST:]PORT`; by default on loopback only. Raises WorkspaceError where the port is taken."""
    require()
    import uvicorn

    host, port = address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise WorkspaceError(f"Nothing can listen at {listen}: {error.strerror}. Name another with --listen.") from None
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        limit_concurrency=64,
        timeout_keep_alive=5,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http", daemon=True)
    thread.start()
    end = time.monotonic() + STARTS
    while not server.started and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    if not server.started:
        raise WorkspaceError(f"The server at {listen} does not start.")
    shown = f"[{host}]" if ":" in host else host
    return Server(f"http://{shown}:{listener.getsockname()[1]}", server, thread)


def address(listen: str) -> tuple[str, int]:
    """`PORT` or `HOST:PORT`, with an IPv6 host in brackets. Raises WorkspaceError for anything else."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise WorkspaceError(
            f"{listen!r} is no place to listen. Write PORT or HOST:PORT, such as 127.0.0.1:9464.", USAGE
        )
    return host.strip("[]") or LOOPBACK, int(port)
