"""What several processes count, told as one server's: sums, and a scrape that fails rather than to leave one out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from trueup.serving import sums


def told(requests: int, seconds: list[float], started: float) -> str:
    """What a process says that has answered so many requests."""
    registry = CollectorRegistry()
    counter = Counter("answers", "Answers.", ("outcome",), registry=registry)
    counter.labels("ok").inc(requests)
    histogram = Histogram("took_seconds", "Times.", buckets=(0.1, 1.0), registry=registry)
    for value in seconds:
        histogram.observe(value)
    for name, value in {"process_start_time_seconds": started, "process_resident_memory_bytes": 100.0}.items():
        Gauge(name, "Of the process.", registry=registry).set(value)
    Gauge("python_info", "The interpreter.", ("version",), registry=registry).labels("3.11").set(1)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, str], float]:
    """The samples by name, and the last of their labels."""
    found = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return {(s.name, next(iter(s.labels.values()), "")): s.value for s in found}


def test_counts_and_times_are_added_and_a_moment_is_the_first() -> None:
    found = samples(generate_latest(sums.added([told(3, [0.05, 5], 20.0), told(4, [0.5], 10.0)])).decode())
    assert found["answers_total", "ok"] == 7
    buckets = {le: n for (name, le), n in found.items() if name == "took_seconds_bucket"}
    assert buckets == {"0.1": 1, "1.0": 2, "+Inf": 3}
    assert (found["took_seconds_count", ""], found["took_seconds_sum", ""]) == (3, pytest.approx(5.55))
    assert found["process_start_time_seconds", ""] == 10 and found["process_resident_memory_bytes", ""] == 200
    assert found["python_info", "3.11"] == 1


def test_what_one_process_says_is_told_as_it_is() -> None:
    text = told(3, [0.05, 5], 20.0)
    assert samples(generate_latest(sums.added([text])).decode()) == samples(text)


class Worker(ThreadingMixIn, UnixStreamServer):
    """A process that answers at its socket."""

    daemon_threads = True
    text, status = "", 200


class _Answer(BaseHTTPRequestHandler):
    server: Worker

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == sums.OWN else 404)
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def address_string(self) -> str:
        return "worker"

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    made = []
    for number in range(2):
        worker = Worker(str(tmp_path / f"{number}.sock"), _Answer)
        worker.text = told(number + 1, [], 1.0)
        threading.Thread(target=worker.serve_forever, daemon=True).start()
        made.append(worker)
    yield made
    for worker in made:
        worker.shutdown()
        worker.server_close()


def scraped(sockets: list[Path]) -> tuple[int, str]:
    """What an application that adds up answers to Prometheus; its own route comes before one that is there already."""
    from fastapi import FastAPI

    app = FastAPI()
    app.add_api_route("/metrics", lambda: "KServe's own")
    sums.tell(app, sockets)
    first = next(r for r in app.router.routes if getattr(r, "path", "") == "/metrics")
    answer = asyncio.run(first.endpoint())  # type: ignore[attr-defined]
    return answer.status_code, answer.body.decode()


def test_a_scrape_of_one_has_what_all_have_counted_and_one_that_has_not_begun_counts_nothing(
    workers: list[Worker], tmp_path: Path
) -> None:
    sockets = [tmp_path / f"{number}.sock" for number in range(3)]
    status, text = scraped(sockets)
    assert status == 200 and samples(text)["answers_total", "ok"] == 3


def test_where_a_worker_does_not_say_what_it_has_counted_the_scrape_fails(
    workers: list[Worker], tmp_path: Path
) -> None:
    workers[1].status = 500
    status, text = scraped([tmp_path / "0.sock", tmp_path / "1.sock"])
    assert status == 503 and "1.sock answers 500" in text
