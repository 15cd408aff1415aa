"""Two models behind one gateway: real model servers, a real Envoy."""

from __future__ import annotations

import json
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.provider.component import Context
from trueup.provider.gateway import Gateway
from trueup.provider.service import Service
from trueup.serving import deployments, gateways

pytestmark = pytest.mark.slow


def version(http: Any, url: str, rows: Any) -> str:
    """Which version answers, or why none does."""
    try:
        return str(http(url, rows)["model_version"])
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}"


@pytest.mark.capability("model-management/multi-model-serving", by="trueup.serving.deployments:deploy")
@pytest.mark.capability("model-management/load-balancing", by="trueup.serving.gateways:apply")
def test_two_models_behind_one_gateway_and_replicas_share_the_requests(
    context: Context, service_inputs: Callable[..., dict[str, Any]], http: Any, rows: Any, folder: str
) -> None:
    edge = {
        "name": "edge",
        "folder": f"{folder}-edge",
        "listeners": [{"name": "http", "address": "127.0.0.1", "port": 0}],
        "healthCheck": {"path": "/v2/health/ready", "intervalSeconds": 1, "timeoutSeconds": 1},
        "accessLog": True,
    }
    other = service_inputs(2, name="score", folder=f"{folder}-score")
    places = [context.home / str(x["folder"]).removeprefix("home:") for x in (edge, other)]
    try:
        risk = Service().create(context, service_inputs(1, replicas=2))
        score = Service().create(context, other)
        routes = [
            {
                "path": f"/{name}",
                "hosts": [],
                "timeoutSeconds": 10,
                "retries": {"attempts": 2, "on": ["connect-failure"], "perTryTimeoutSeconds": None},
                "backends": [{"name": name, "weight": 100, "endpoints": state.outputs["endpoints"]}],
            }
            for name, state in (("risk", risk), ("score", score))
        ]
        state = Gateway().create(context, {**edge, "routes": routes})
        url = state.outputs["url"]
        assert version(http, f"{url}/score/v2/models/score/infer", rows) == "2"
        for _ in range(20):
            assert version(http, f"{url}/risk/v2/models/risk/infer", rows) == "1"
        time.sleep(1)  # Envoy writes its log every quarter of a second
        lines = [json.loads(line) for line in Path(state.outputs["accessLogPath"]).read_text().splitlines()]
        servers = Counter(line["server"] for line in lines if line["backend"] == "risk")
        assert set(servers) == set(risk.outputs["endpoints"]) and min(servers.values()) >= 5, servers
    finally:
        gateways.remove(places[0])
        deployments.remove(places[1])
