"""Real model servers of real versions: answers, restarts, versions that change under load, broken versions, healing, down and up."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup.provider.component import ComponentError, Context
from trueup.provider.service import Service
from trueup.serving import control, processes
from trueup.serving.answers import answered
from trueup.serving.supervision import Supervisor

pytestmark = pytest.mark.slow
Inputs = Callable[..., dict[str, Any]]


def path(context: Context, folder: str) -> Path:
    return context.home / folder.removeprefix("home:")


def eventually(true: Callable[[], bool], seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return True
        except (OSError, AssertionError):
            pass
        time.sleep(0.2)
    return False


@pytest.mark.capability("model-management/serving-infrastructure", by="trueup.serving.deployments:deploy")
def test_replicas_answer_the_protocol(
    context: Context, service_inputs: Inputs, http: Any, rows: Any, folder: str
) -> None:
    wanted = service_inputs(1, replicas=2, logging={"mode": "all", "samplePercent": 100})
    state = Service().create(context, wanted)
    assert state.outputs["version"] == 1 and len(state.outputs["endpoints"]) == 2
    for endpoint in state.outputs["endpoints"]:
        assert http(f"http://{endpoint}/v2/health/ready") == {"ready": True}
        described = http(f"http://{endpoint}/v2/models/risk")
        assert described["versions"] == ["1"]
        assert {i["name"] for i in described["inputs"]} == {"seniority", "time", "age", "home", "amount"}
        answer = {o["name"]: o["data"] for o in http(f"http://{endpoint}/v2/models/risk/infer", rows)["outputs"]}
        assert set(answer["predict"]) <= {"good", "bad"} and len(answer["predict"]) == 2
        assert answer["predict_proba"][0] + answer["predict_proba"][1] == pytest.approx(1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        http(f"http://{endpoint}/v2/models/risk/infer", {"inputs": rows["inputs"][:2]})
    assert refused.value.code == 400 and "age, home, amount" in refused.value.read().decode()
    seen = answered(path(context, folder), 1)
    assert seen.outcomes == {"ok": 2, "invalid": 1, "timeout": 0, "error": 0}, "of both replicas together"
    assert seen.buckets[float("inf")] >= 2 and seen.number("errorRatio") == 0
    latency = seen.number("latencyP99")
    assert latency is not None and 0 < latency < 10
    assert answered(path(context, folder), 2).number("requests") == 0
    lines = (path(context, folder) / "logs" / "inference.jsonl").read_text().splitlines()
    assert len(lines) == 2 and json.loads(lines[0])["inputs"]["home"] == ["rent", None]
    live = Service().read(context, state.id, wanted, state.outputs)
    assert live is not None and (live.inputs, live.outputs, live.not_ready) == (wanted, state.outputs, None)


def test_a_version_changes_under_load_without_a_lost_request(
    context: Context, service_inputs: Inputs, http: Any, rows: Any
) -> None:
    state = Service().create(context, service_inputs(1))
    url = f"http://{state.outputs['endpoints'][0]}/v2/models/risk/infer"
    failures: list[Exception] = []
    versions: list[str] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            try:
                versions.append(http(url, rows)["model_version"])
            except Exception as error:  # noqa: BLE001 - any failure counts
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    changed = Service().update(context, state.id, service_inputs(1), state.outputs, service_inputs(2))
    done.set()
    for thread in threads:
        thread.join()
    assert changed.outputs == {**state.outputs, "version": 2}
    assert not failures and set(versions) == {"1", "2"} and len(versions) > 50
    assert http(url, rows)["model_version"] == "2"


@pytest.mark.capability("infrastructure/redundancy", by="trueup.serving.deployments:deploy")
def test_a_version_that_does_not_load_leaves_the_old_one_answering(
    context: Context, service_inputs: Inputs, http: Any, rows: Any
) -> None:
    state = Service().create(context, service_inputs(1))
    url = f"http://{state.outputs['endpoints'][0]}/v2/models/risk/infer"
    assert http(url, rows)["model_version"] == "1"
    with pytest.raises(ComponentError, match="a_library_that_is_not_there"):
        Service().update(context, state.id, service_inputs(1), state.outputs, service_inputs(3))
    assert http(url, rows)["model_version"] == "1"
    live = Service().read(context, state.id, service_inputs(1), state.outputs)
    assert live is not None and live.inputs == service_inputs(1) and live.not_ready is None
    with pytest.raises(ComponentError, match="no version 9"):
        Service().update(context, state.id, service_inputs(1), state.outputs, service_inputs(9))


@pytest.mark.capability("infrastructure/health-monitoring", by="trueup.serving.liveness:Watch.look")
def test_a_hung_server_is_found_and_restarted(
    context: Context, service_inputs: Inputs, http: Any, rows: Any, folder: str
) -> None:
    state = Service().create(context, service_inputs(1))
    url = f"http://{state.outputs['endpoints'][0]}/v2/models/risk/infer"
    assert http(url, rows)["model_version"] == "1"
    (hung,) = processes.living(path(context, folder))
    os.kill(hung.pid, signal.SIGSTOP)
    try:
        assert eventually(lambda: not hung.identity.alive())
    finally:
        if hung.identity.alive():
            os.kill(hung.pid, signal.SIGKILL)
    assert eventually(lambda: http(url, rows)["model_version"] == "1")


@pytest.mark.capability("infrastructure/recovery-automation", by="trueup.serving.deployments:deploy")
def test_killed_servers_come_back_and_a_killed_supervisor_is_named_and_healed(
    context: Context, service_inputs: Inputs, http: Any, rows: Any, folder: str
) -> None:
    wanted, place = service_inputs(1), path(context, folder)
    state = Service().create(context, wanted)
    url = f"http://{state.outputs['endpoints'][0]}/v2/models/risk/infer"
    assert http(url, rows)["model_version"] == "1"
    (killed,) = processes.living(place)
    os.kill(killed.pid, signal.SIGKILL)
    assert eventually(lambda: http(url, rows)["model_version"] == "1")
    supervisor = Supervisor(place).identity()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    assert eventually(lambda: not supervisor.alive())
    live = Service().read(context, state.id, wanted, state.outputs)
    assert live is not None and "supervisor" in str(live.not_ready)
    assert http(url, rows)["model_version"] == "1"
    assert Service().update(context, state.id, wanted, state.outputs, wanted) == state
    assert http(url, rows)["model_version"] == "1" and len(processes.living(place)) == 1
    healed = Service().read(context, state.id, wanted, state.outputs)
    assert healed is not None and healed.not_ready is None


def test_down_up_and_delete(context: Context, service_inputs: Inputs, http: Any, rows: Any, folder: str) -> None:
    wanted, place = service_inputs(1), path(context, folder)
    state = Service().create(context, wanted)
    url = f"http://{state.outputs['endpoints'][0]}/v2/models/risk/infer"
    control.stop(place)
    assert not processes.living(place)
    with pytest.raises(AssertionError, match="no answer"):
        http(url, rows)
    control.start(place)
    assert http(url, rows)["model_version"] == "1"
    assert any("listening at port" in line for line in control.logs(place))
    Service().delete(context, state.id, wanted, state.outputs)
    assert not place.exists() and not processes.living(place)
    assert Service().read(context, state.id, wanted, state.outputs) is None


def test_all_input_errors_at_once(service_inputs: Inputs) -> None:
    wrong = service_inputs(
        0, name="", replicas=-1, workers=0, strategy="canary", timeoutSeconds=0, features={"repo": ""}
    )
    wrong["logging"]["mode"] = "some"
    wrong["liveness"] = {"periodSeconds": 0, "failureThreshold": 0}
    assert {f.path for f in Service().check(wrong)} == {
        "name",
        "model.version",
        "replicas",
        "workers",
        "strategy",
        "timeoutSeconds",
        "logging.mode",
        "liveness.periodSeconds",
        "liveness.failureThreshold",
        "features.repo",
        "features.project",
        "features.service",
    }
