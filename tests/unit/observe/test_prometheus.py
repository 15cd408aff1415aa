"""What a version has answered on a cluster, asked of a server that speaks Prometheus's HTTP API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser
import pytest

from trueup.observe import prometheus
from trueup.observe.prometheus import PrometheusError

Answer = Callable[[str], tuple[int, Any]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Starts a server that answers queries; gives its URL."""
    running = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                assert asked.path == "/prefix/api/v1/query"
                code, body = answer(parse_qs(asked.query)["query"][0])
                text = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/prefix/"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def vector(label: str, numbers: dict[str, str]) -> dict[str, Any]:
    result = [{"metric": {label: name}, "value": [1700000000.0, number]} for name, number in numbers.items()]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_the_pods_of_the_endpoint_and_the_version_are_asked_for(serve: Callable[[Answer], str]) -> None:
    queries: list[str] = []

    def answer(query: str) -> tuple[int, Any]:
        queries.append(query)
        if "_bucket" in query:
            return 200, vector("le", {"0.1": "90", "+Inf": "100.5"})
        return 200, vector("outcome", {"ok": "99", "error": "1.5"})

    found = prometheus.answered(serve(answer), "shop-credit", "risk", 7, 3600.2)
    assert found.outcomes == {"ok": 99.0, "error": 1.5} and found.buckets == {0.1: 90.0, float("inf"): 100.5}
    assert queries == [
        "sum by (outcome) (increase(trueup_inference_requests_total"
        '{namespace="shop-credit", model_name="risk", model_version="7"}[3601s]))',
        'sum by (le) (increase(request_predict_seconds_bucket{namespace="shop-credit", model_name="risk"}[3601s]))',
    ]
    for query in queries:
        promql_parser.parse(query)


def test_where_nothing_was_answered_there_is_no_number(serve: Callable[[Answer], str]) -> None:
    found = prometheus.answered(serve(lambda _q: (200, vector("le", {}))), "credit", "risk", 1, 0)
    assert found.number("requests") == 0 and found.number("latencyP95") is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((422, {"status": "error", "errorType": "execution", "error": "too many samples"}), "too many samples"),
        ((200, "<html>sign in</html>"), r"answers 200 .* not as Prometheus does; check cluster\.prometheus\.url"),
        ((503, "upstream away"), "answers 503"),
        ((200, {"status": "success", "data": {"result": [{"metric": {}, "value": [0, "1"]}]}}), "not as Prometheus"),
    ],
)
def test_what_is_no_answer_is_said(serve: Callable[[Answer], str], answer: tuple[int, Any], said: str) -> None:
    url = serve(lambda _q: answer)
    with pytest.raises(PrometheusError, match=said):
        prometheus.answered(url, "credit", "risk", 1, 60)


def test_a_prometheus_that_is_away_is_said() -> None:
    with pytest.raises(PrometheusError, match="does not answer"):
        prometheus.answered("http://127.0.0.1:1", "credit", "risk", 1, 60)
