"""The requests that a version has answered on a cluster, as its Prometheus has them. Called by the workspace; changes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import httpx

from trueup.gates.live import Answered
from trueup_specs.kinds.monitor.metrics import PREDICT, REQUESTS

SECONDS = 10.0


class PrometheusError(Exception):
    """It does not answer, or not with numbers. A full sentence."""


def answered(url: str, namespace: str, endpoint: str, version: int, seconds: float) -> Answered:
    """What the pods of an endpoint have answered with a version in the last `seconds`. Raises PrometheusError."""
    pods = {"namespace": namespace, "model_name": endpoint}
    window = f"[{max(60, math.ceil(seconds))}s]"
    counted = f"increase({REQUESTS}{_matching({**pods, 'model_version': str(version)})}{window})"
    timed = f"increase({PREDICT}_bucket{_matching(pods)}{window})"
    outcomes = _asked(url, f"sum by (outcome) ({counted})", "outcome")
    buckets = _asked(url, f"sum by (le) ({timed})", "le")
    return Answered(outcomes, {float(bound): count for bound, count in buckets.items()})


def _matching(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _asked(url: str, query: str, label: str) -> dict[str, float]:
    """The numbers of an instant query by one label."""
    try:
        response = httpx.get(f"{url.rstrip('/')}/api/v1/query", params={"query": query}, timeout=SECONDS)
        body: dict[str, Any] = response.json()
        if body["status"] != "success":
            raise PrometheusError(f"Prometheus at {url} refuses the query {query}: {body.get('error')}.")
        return {r["metric"][label]: float(r["value"][1]) for r in body["data"]["result"]}
    except httpx.HTTPError as error:
        raise PrometheusError(f"Prometheus at {url} does not answer: {error or type(error).__name__}.") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise PrometheusError(
            f"{url} answers {response.status_code} to a query, and not as Prometheus does; check cluster.prometheus.url."
        ) from error
