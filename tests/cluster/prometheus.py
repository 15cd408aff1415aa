"""A Prometheus that tests play, for controllers that ask one: it answers each query with the value that the test sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Prometheus:
    """Answers each query with `value`."""

    def __init__(self) -> None:
        self.value = 0.0
        self.asked: list[str] = []
        """The queries, in PromQL."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.asked += parse_qs(body).get("query", ())
                self._answer()

            def do_GET(self) -> None:
                outer.asked += parse_qs(urlsplit(self.path).query).get("query", ())
                self._answer()

            def _answer(self) -> None:
                result = [{"metric": {}, "value": [0, str(outer.value)]}]
                body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @classmethod
    @contextmanager
    def playing(cls) -> Iterator[Prometheus]:
        """One that answers within the block."""
        made = cls()
        try:
            yield made
        finally:
            made.server.shutdown()
            made.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"
