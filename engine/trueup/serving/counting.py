"""How requests of inference ended, counted for Prometheus beside the times that KServe measures. Called by `model`.

The names stand in `trueup_specs.kinds.monitor.metrics` too, which monitors are judged by; a test asks a real server for both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from kserve.errors import InferenceError, InvalidInput
from prometheus_client import Counter

OUTCOMES = ("ok", "invalid", "timeout", "error")
"""Answered, refused as the caller's mistake, not answered in time, and failed otherwise."""
REQUESTS = Counter(
    "trueup_inference_requests",
    "Requests of inference by how they ended.",
    ("model_name", "model_version", "outcome"),
)


class Requests:
    """The count of one model's version. All outcomes are there from the start, so that none is missed when it first happens."""

    def __init__(self, name: str, version: int) -> None:
        self._outcomes = {outcome: REQUESTS.labels(name, str(version), outcome) for outcome in OUTCOMES}

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Counts what is done inside by how it ends; one that is given up with its server is not counted."""
        outcome = "error"
        try:
            yield
            outcome = "ok"
        except asyncio.CancelledError:
            outcome = ""
            raise
        except InvalidInput:
            outcome = "invalid"
            raise
        except InferenceError as error:
            outcome = "timeout" if isinstance(error.__cause__, TimeoutError) else "error"
            raise
        finally:
            if outcome:
                self.count(outcome)

    def count(self, outcome: str) -> None:
        """One more that ended so."""
        self._outcomes[outcome].inc()
