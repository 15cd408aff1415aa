"""The metrics of several processes at one port, told as those of one server. Called by `container` for its workers.

A scrape reaches one of them, whichever the kernel gives it to. That one asks all of them at their own sockets and adds up what they say, so
that counts never depend on who was reached. A worker that has not begun has counted nothing; where one does not answer in time, the scrape
fails: a sum that lacks it would look as if the counts had begun anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from trueup.serving import unix_http

OWN = "/trueup/metrics"
"""Where a process says what it has counted itself."""
SECONDS = 5.0
_FIRST = ("_created", "process_start_time_seconds")
"""How names end of what began: of several, it is the first that counts."""
_SAME = "python_info"


@dataclass(frozen=True)
class Sums:
    """What Prometheus reads, in the place of a client's registry."""

    families: tuple[Metric, ...]

    def collect(self) -> tuple[Metric, ...]:
        """Every family of metrics."""
        return self.families


def added(texts: Iterable[str]) -> Sums:
    """What processes say, each in Prometheus' text format, as one: their sums, but for what is a moment or the same in all."""
    families: dict[str, Metric] = {}
    values: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[float]] = {}
    for found in (family for text in texts for family in text_string_to_metric_families(text)):
        families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
        for sample in found.samples:
            key = (found.name, sample.name, tuple(sorted(sample.labels.items())))
            values.setdefault(key, []).append(sample.value)
    for (family, name, labels), each in values.items():
        families[family].add_sample(name, dict(labels), _one(name, each))
    return Sums(tuple(families.values()))


def _one(name: str, values: Sequence[float]) -> float:
    if name.endswith(_FIRST):
        return min(values)
    return values[0] if name == _SAME else sum(values)


def tell(app: Any, sockets: Sequence[Path]) -> None:
    """Makes the `/metrics` of a server (KServe's FastAPI application) those of all processes that answer at these sockets."""
    from fastapi.responses import Response
    from fastapi.routing import APIRoute

    async def own() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def all_of_them() -> Response:
        try:
            texts = await asyncio.gather(*(asyncio.to_thread(_asked, path) for path in sockets))
        except OSError as error:
            return Response(f"A worker does not say what it has counted: {error}\n", status_code=503)
        return Response(generate_latest(added(texts)), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    # The first route that fits answers, and KServe's own is there already.
    app.router.routes[:0] = [APIRoute("/metrics", all_of_them), APIRoute(OWN, own)]


def _asked(socket: Path) -> str:
    """What one process says; nothing where it has not begun. Raises OSError where it does not answer."""
    try:
        status, text = unix_http.text(socket, OWN, SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        return ""
    if status != 200:
        raise ConnectionError(f"{socket.name} answers {status}")
    return text
