"""A real Envoy in front of small HTTP servers: routes, weights, retries, changes while it runs, drift and healing."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trueup.provider.component import ComponentError, Context, State
from trueup.provider.gateway import Gateway
from trueup.serving import control, gateways, ports, processes
from trueup.serving.supervision import Supervisor

pytestmark = pytest.mark.slow
FOLDER = "home:dev/gateways/credit/edge"


class Backend(ThreadingHTTPServer):
    """Answers with its name and the path that it was asked for."""

    daemon_threads = True
    ended = False

    def __init__(self, name: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.server.ended:  # type: ignore[attr-defined]
                    self.close_connection = True
                    return
                body = json.dumps({"backend": name, "path": self.path}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def end(self) -> None:
        """As a killed process: no new connection, no further answer on those that are open."""
        self.ended = True
        self.shutdown()
        self.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def backend() -> Iterator[Callable[[str], Backend]]:
    made: list[Backend] = []

    def make(name: str) -> Backend:
        made.append(Backend(name))
        return made[-1]

    yield make
    for server in made:
        if not server.ended:
            server.end()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    yield Context(tmp_path, "urn:pulumi:dev.credit.serving::demo::trueup:serve:Gateway::edge")
    gateways.remove(tmp_path / FOLDER.removeprefix("home:"))


@pytest.fixture
def folder(context: Context) -> Path:
    return context.home / FOLDER.removeprefix("home:")


def route(path: str, *backends: tuple[str, int, list[str]], hosts: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "path": path,
        "hosts": list(hosts),
        "timeoutSeconds": 10,
        "retries": {"attempts": 2, "on": ["connect-failure", "reset"], "perTryTimeoutSeconds": None},
        "backends": [{"name": name, "weight": weight, "endpoints": endpoints} for name, weight, endpoints in backends],
        **more,
    }


def inputs(*routes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "edge",
        "folder": FOLDER,
        "listeners": [{"name": "http", "address": "127.0.0.1", "port": 0}],
        "routes": list(routes),
        "healthCheck": {
            "path": "/v2/health/ready",
            "intervalSeconds": 0.5,
            "timeoutSeconds": 1,
            "healthyThreshold": 1,
            "unhealthyThreshold": 2,
        },
        "accessLog": True,
        "owner": "risk",
        **more,
    }


def get(url: str, host: str | None = None) -> dict[str, Any]:
    """The answer; a gateway that does not give one fails the test, an HTTP status is raised."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            found: dict[str, Any] = json.load(response)
            return found
    except urllib.error.HTTPError:
        raise
    except (OSError, HTTPException) as error:
        raise AssertionError(f"{url} gives no answer: {error}") from error


def update(context: Context, state: State, old: dict[str, Any], new: dict[str, Any]) -> State:
    return Gateway().update(context, state.id, old, state.outputs, new)


@pytest.mark.capability("model-management/api-gateway", by="trueup.serving.gateways:apply")
def test_routes_by_path_and_host_with_the_prefix_taken_away(
    context: Context, backend: Callable[[str], Backend]
) -> None:
    risk, scores, partner = backend("risk"), backend("scores"), backend("partner")
    state = Gateway().create(
        context,
        inputs(
            route("/risk", ("credit/risk", 100, [risk.address])),
            route("/risk/scores", ("credit/scores", 100, [scores.address])),
            route("/risk", ("credit/partner", 100, [partner.address]), hosts=("partner.example.com",)),
            route("/empty"),
        ),
    )
    url = state.outputs["url"]
    assert get(f"{url}/risk/v2/models/risk") == {"backend": "risk", "path": "/v2/models/risk"}
    assert get(f"{url}/risk?x=1") == {"backend": "risk", "path": "/?x=1"}
    assert get(f"{url}/risk/scores/v2") == {"backend": "scores", "path": "/v2"}
    assert get(f"{url}/risk/v2", "partner.example.com:80") == {"backend": "partner", "path": "/v2"}
    for path, status in (("/risky", 404), ("/empty/v2", 503)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(url + path)
        assert refused.value.code == status


@pytest.mark.capability("infrastructure/load-balancing", by="trueup.serving.gateways:apply")
def test_weights_share_the_requests_and_change_while_it_runs(
    context: Context, backend: Callable[[str], Backend]
) -> None:
    old, new = backend("old"), backend("new")

    def weighted(one: int, two: int) -> dict[str, Any]:
        return inputs(route("/risk", ("old", one, [old.address]), ("new", two, [new.address])))

    state = Gateway().create(context, weighted(80, 20))
    url = f"{state.outputs['url']}/risk/v2"
    counts = Counter(get(url)["backend"] for _ in range(400))
    assert 30 < counts["new"] < 140, counts
    update(context, state, weighted(80, 20), weighted(0, 100))
    assert {get(url)["backend"] for _ in range(40)} == {"new"}


@pytest.mark.parametrize("name", ["canary", "zone"])
def test_a_backend_is_taken_away_whatever_its_name(
    context: Context, backend: Callable[[str], Backend], name: str
) -> None:
    risk, other = ("risk", 100, [backend("risk").address]), (name, 10, [backend(name).address])
    state = Gateway().create(context, inputs(route("/risk", risk, other)))
    assert set(re.findall(r"^(\w+)::observability_name", clusters(state), re.MULTILINE)) == {"risk", name}
    update(context, state, inputs(route("/risk", risk, other)), inputs(route("/risk", risk)))
    assert set(re.findall(r"^(\w+)::observability_name", clusters(state), re.MULTILINE)) == {"risk"}


@pytest.mark.capability("infrastructure/failover-mechanisms", by="trueup.serving.gateways:apply")
def test_a_dead_backend_costs_no_request_and_is_left_out(context: Context, backend: Callable[[str], Backend]) -> None:
    one, two = backend("one"), backend("two")
    state = Gateway().create(context, inputs(route("/risk", ("risk", 100, [one.address, two.address]))))
    url = f"{state.outputs['url']}/risk/v2"
    assert {get(url)["backend"] for _ in range(20)} == {"one", "two"}
    one.end()
    assert {get(url)["backend"] for _ in range(60)} == {"two"}
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and "failed_active_hc" not in clusters(state):
        time.sleep(0.1)
    assert f"{one.address}::health_flags::/failed_active_hc" in clusters(state)


def clusters(state: State) -> str:
    with urllib.request.urlopen(f"{state.outputs['adminUrl']}/clusters", timeout=5) as response:
        return str(response.read().decode())


def test_changes_lose_no_request(context: Context, backend: Callable[[str], Backend]) -> None:
    servers = [backend(name) for name in "abc"]
    steps = [inputs(route("/risk", (f"b{i}", 100, [servers[i % 3].address]))) for i in range(6)]
    state = Gateway().create(context, steps[0])
    url, failures, answers, done = f"{state.outputs['url']}/risk/v2", [], Counter[str](), threading.Event()

    def load() -> None:
        while not done.is_set():
            try:
                answers[get(url)["backend"]] += 1
            except (OSError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for before, after in itertools.pairwise(steps):
        update(context, state, before, after)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures and sum(answers.values()) > 50 and set(answers) == {"a", "b", "c"}


def test_a_route_changed_by_hand_is_found_and_healed(
    context: Context, folder: Path, backend: Callable[[str], Backend]
) -> None:
    risk, other = backend("risk"), backend("other")
    wanted = inputs(route("/risk", ("risk", 100, [risk.address]), ("other", 0, [other.address])))
    state = Gateway().create(context, wanted)
    url = f"{state.outputs['url']}/risk/v2"
    clean = Gateway().read(context, state.id, wanted, state.outputs)
    assert clean is not None and clean.inputs == wanted and clean.not_ready is None
    path = folder / "envoy" / "rds.json"
    edited = json.loads(path.read_text())
    edited["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]["weighted_clusters"]["clusters"] = [
        {"name": "other", "weight": 100}
    ]
    processes.write_private(path, edited)
    deadline = time.monotonic() + 10
    while get(url)["backend"] != "other" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert get(url)["backend"] == "other"
    live = Gateway().read(context, state.id, wanted, state.outputs)
    assert live is not None and live.inputs["routes"][0]["backends"] == [{"name": "other", "weight": 100}]
    update(context, state, wanted, wanted)
    assert {get(url)["backend"] for _ in range(20)} == {"risk"}
    healed = Gateway().read(context, state.id, wanted, state.outputs)
    assert healed is not None and healed.inputs == wanted and healed.not_ready is None


def test_a_killed_envoy_comes_back_and_a_killed_supervisor_is_healed_at_the_same_port(
    context: Context, folder: Path, backend: Callable[[str], Backend]
) -> None:
    wanted = inputs(route("/risk", ("risk", 100, [backend("risk").address])))
    state = Gateway().create(context, wanted)
    url = f"{state.outputs['url']}/risk/v2"
    (envoy,) = processes.living(folder)
    os.kill(envoy.pid, signal.SIGKILL)
    assert eventually(lambda: get(url)["backend"] == "risk" and processes.living(folder)[0].pid != envoy.pid)
    supervisor = Supervisor(folder).identity()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    assert eventually(lambda: not supervisor.alive())
    live = Gateway().read(context, state.id, wanted, state.outputs)
    assert live is not None and "supervisor" in str(live.not_ready)
    assert update(context, state, wanted, wanted).outputs == state.outputs
    assert get(url)["backend"] == "risk"
    assert len(processes.living(folder)) == 1


def eventually(true: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return True
        except (OSError, IndexError, AssertionError):
            pass
        time.sleep(0.1)
    return False


@pytest.mark.capability("model-management/api-monitoring", by="trueup.serving.gateways:apply")
def test_requests_stand_in_the_access_log(context: Context, backend: Callable[[str], Backend]) -> None:
    risk = backend("risk")
    state = Gateway().create(context, inputs(route("/risk", ("credit/risk", 100, [risk.address]))))
    get(f"{state.outputs['url']}/risk/v2/models/risk")
    log = Path(state.outputs["accessLogPath"])
    assert eventually(lambda: bool(log.read_text().strip()))
    line = json.loads(log.read_text().splitlines()[-1])
    assert (line["path"], line["status"], line["backend"]) == ("/risk/v2/models/risk", 200, "credit/risk")
    assert line["server"] == risk.address


def test_stopped_and_started_at_the_same_address(
    context: Context, folder: Path, backend: Callable[[str], Backend]
) -> None:
    wanted = inputs(route("/risk", ("risk", 100, [backend("risk").address])))
    state = Gateway().create(context, wanted)
    control.stop(folder)
    assert not processes.living(folder)
    live = Gateway().read(context, state.id, wanted, state.outputs)
    assert live is not None and "not running" in str(live.not_ready)
    control.start(folder)
    assert get(f"{state.outputs['url']}/risk/v2")["backend"] == "risk"
    Gateway().delete(context, state.id, wanted, state.outputs)
    assert not folder.exists()
    assert Gateway().read(context, state.id, wanted, state.outputs) is None


def test_a_port_that_another_program_took_meanwhile_is_said_and_taken_back_once_it_is_free(
    context: Context, folder: Path, backend: Callable[[str], Backend]
) -> None:
    wanted = inputs(route("/risk", ("risk", 100, [backend("risk").address])))
    state = Gateway().create(context, wanted)
    port = int(str(state.outputs["url"]).rsplit(":", 1)[1])
    control.stop(folder)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(control.ControlError, match="already in use"):
            control.start(folder)
        assert not processes.living(folder)
    control.start(folder)
    assert get(f"{state.outputs['url']}/risk/v2")["backend"] == "risk"


def test_what_envoy_refuses_changes_nothing(context: Context, backend: Callable[[str], Backend]) -> None:
    risk, taken = backend("risk"), backend("taken")
    wanted = inputs(route("/risk", ("risk", 100, [risk.address])))
    state = Gateway().create(context, wanted)
    elsewhere = {"name": "http", "address": "127.0.0.1", "port": taken.server_address[1]}
    port = ports.free()
    twice = [{"name": name, "address": "127.0.0.1", "port": port} for name in ("a", "b")]
    with pytest.raises(ComponentError, match="in use by another program"):
        update(context, state, wanted, {**wanted, "listeners": [elsewhere]})
    with pytest.raises(ComponentError, match="Envoy refuses"):
        update(context, state, wanted, {**wanted, "listeners": twice})
    assert get(f"{state.outputs['url']}/risk/v2")["backend"] == "risk"
    live = Gateway().read(context, state.id, wanted, state.outputs)
    assert live is not None and live.inputs == wanted and live.not_ready is None


def test_all_input_errors_at_once() -> None:
    wrong = inputs(
        route("risk", ("risk", -1, ["nowhere"])),
        route("/a", hosts=("x",)),
        route("/a", hosts=("x",)),
        name="",
        accessLog="yes",
    )
    wrong["listeners"] = [{"name": "http", "address": "edge.example.com", "port": 70000}]
    wrong["healthCheck"]["intervalSeconds"] = 0
    assert {f.path for f in Gateway().check(wrong)} == {
        "name",
        "listeners[0].port",
        "listeners[0].address",
        "routes[0].path",
        "routes[0].backends[0].weight",
        "routes[0].backends[0].endpoints",
        "routes[2].path",
        "healthCheck.intervalSeconds",
        "accessLog",
    }
