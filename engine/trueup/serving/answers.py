"""The requests that the processes of an endpoint have answered, by version: their metrics, each asked at its own socket.

Called by the workspace. A process counts from its start, so what one that ended had counted is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trueup.gates.live import Answered
from trueup.serving import processes, server, unix_http
from trueup_specs.kinds.monitor.metrics import PREDICT, REQUESTS

SECONDS = 10.0


def answered(folder: Path, version: int) -> Answered:
    """What all processes of a version have answered since they began. Raises OSError where one of them does not say it."""
    found = Answered()
    for process in processes.living(folder):
        if process.version == str(version):
            found += _told(server.health(folder, process.pid))
    return found


def _told(socket: Path) -> Answered:
    from prometheus_client.parser import text_string_to_metric_families

    status, text = unix_http.text(socket, "/metrics", SECONDS)
    if status != 200:
        raise ConnectionError(f"the server process at {socket.name} answers {status} when it is asked for its metrics")
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return Answered(_by(samples, REQUESTS, "outcome"), _buckets(samples))


def _by(samples: Iterable[Any], name: str, label: str) -> dict[str, float]:
    return {s.labels[label]: s.value for s in samples if s.name == name}


def _buckets(samples: Iterable[Any]) -> dict[float, float]:
    return {float(le): n for le, n in _by(samples, f"{PREDICT}_bucket", "le").items()}
