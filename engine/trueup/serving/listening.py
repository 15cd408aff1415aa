"""KServe's REST server as a uvicorn server that opens its port when its revision is the active one. Imported in a server process only.

Both libraries take seconds to import, so `serving/server.py` comes here once it knows that it has a model to serve.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from kserve import ModelRepository
from kserve.model_server import app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer

from trueup.serving import settings

if TYPE_CHECKING:
    from trueup.serving.settings import Revision

APP = "kserve.model_server:app"


@dataclass(frozen=True, slots=True)
class Place:
    """What one process serves, and where."""

    folder: Path
    group: str
    replica: int
    revision: Revision
    sockets: Callable[[], list[socket.socket]]
    """Opens the replica's port, or takes its sockets over; may block."""


class Plane(DataPlane):  # type: ignore[misc]
    """KServe's data plane, with what it leaves out."""

    def __init__(self, models: ModelRepository, version: int) -> None:
        super().__init__(model_registry=models)
        self._version = version

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """KServe's, with the version."""
        found: dict[str, Any] = await super().model_metadata(model_name)
        return {**found, "versions": [str(self._version)], "platform": "mlflow"}


class Server(uvicorn.Server):
    """Opens the port when its group is active; ends without losing a request."""

    def __init__(self, config: uvicorn.Config, place: Place) -> None:
        super().__init__(config)
        self._place = place
        self.opened: tuple[socket.socket, ...] = ()

    async def on_tick(self, counter: int) -> bool:
        if not self.opened and not self.should_exit and settings.active(self._place.folder) == self._place.group:
            await self._open()
        return await super().on_tick(counter)

    async def _open(self) -> None:
        found = await asyncio.to_thread(self._place.sockets)
        loop = asyncio.get_running_loop()
        for sock in found:
            sock.setblocking(False)
            self.servers.append(await loop.create_server(self._protocol, sock=sock, backlog=self.config.backlog))
        self.opened = tuple(found)
        port = self._place.revision.ports[self._place.replica]
        logging.info("listening at port %s as replica %s of %s", port, self._place.replica, self._place.group)

    def _protocol(self) -> Any:
        state: Any = self.config.http_protocol_class
        return state(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        end = time.monotonic() + min(settings.DRAIN_SECONDS, self._place.revision.grace)
        while self.server_state.connections and time.monotonic() < end:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def server(place: Place, model: Any) -> Server:
    """The server of a model that is loaded. It listens only where it is told to, and at its port when it is active."""
    revision = place.revision
    models = ModelRepository()
    models.update(model)
    plane = Plane(models, revision.model_version)
    rest = RESTServer(APP, plane, ModelRepositoryExtension(models), revision.ports[place.replica])
    rest.create_application()
    config = uvicorn.Config(
        APP,
        log_config=None,
        access_log=False,
        loop="asyncio",
        timeout_graceful_shutdown=max(1, math.ceil(revision.grace)),
        timeout_keep_alive=75,
    )
    made = Server(config, place)
    _status(made, place)
    return made


def _status(made: Server, place: Place) -> None:
    """What the deployment asks: who answers here, and whether the port is open."""

    async def serving() -> dict[str, Any]:
        return {
            "group": place.group,
            "pid": os.getpid(),
            "model": place.revision.model_name,
            "version": place.revision.model_version,
            "listening": bool(made.opened),
        }

    app.add_api_route("/trueup/serving", serving, methods=["GET"])
