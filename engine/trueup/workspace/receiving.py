"""The receiver of webhooks over HTTP: wakes the loop, and does nothing else. Called by `trueup serve`; needs the extra `serve`."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from trueup.reconcile.values import Line
from trueup.workspace import answering, hooks
from trueup.workspace.hooks import Answer, Seen
from trueup.workspace.opening import Workspace
from trueup.workspace.watching import Watch

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST = 5 * 1024 * 1024
"""Bytes of a body. What is longer is refused, and found at the next poll."""
PATIENCE = 10.0
"""Seconds in which a body must have come."""


def receiver(watch: Watch, workspace: Workspace, *, with_metrics: bool) -> Starlette:
    """`POST /webhooks/github`, `/webhooks/gitlab` and `/webhooks/gitea`, with health. Raises WorkspaceError where there is no secret."""
    answering.require()
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    keys = hooks.secrets(os.environ)
    seen = Seen(workspace.home / "loop" / "deliveries.json")

    async def webhook(request: Request) -> Response:
        forge = request.path_params["forge"]
        if forge not in hooks.FORGES:
            return JSONResponse({"text": f"Deliver to /webhooks/ with one of {', '.join(hooks.FORGES)}."}, 404)
        answer = await _answer(forge, request)
        if answer.wakes:
            watch.wake()
        level = "info" if answer.status < 400 else "warning"
        fields = {"forge": forge, "status": answer.status, "reason": answer.text}
        watch.say(Line("webhook", level=level, fields=fields))  # type: ignore[arg-type]
        return JSONResponse({"text": answer.text, "looks": answer.wakes}, answer.status)

    async def _answer(forge: str, request: Request) -> Answer:
        body = await _body(request)
        if body is None:
            return Answer(413, f"The body has more than {LONGEST} bytes, or did not come in time.")
        headers = {k.lower(): v for k, v in request.headers.items()}
        return hooks.judge(forge, headers, body, keys, watch.clock(), seen)

    routes = [Route("/webhooks/{forge}", webhook, methods=["POST"])]
    return Starlette(routes=[*routes, *answering.routes(watch, with_metrics=with_metrics)])


async def _body(request: Request) -> bytes | None:
    """The body; None where it is too long or too slow. No more than allowed is ever kept."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > LONGEST:
        return None
    parts, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > LONGEST:
                    return None
                parts.append(part)
    except TimeoutError:
        return None
    return b"".join(parts)
