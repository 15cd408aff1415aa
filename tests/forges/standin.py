"""What the stand-ins of GitHub and GitLab share: a server on a loopback port, routes, pages, and troubles that a test scripts.

They behave as the forges' documentation says, for the requests that Trueup makes; any other request is answered 404, and noted.
"""

from __future__ import annotations

import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit


@dataclass
class Asked:
    """A request that arrived."""

    method: str
    path: str
    """As it was sent, with its escapes."""
    query: dict[str, str]
    headers: dict[str, str]
    """By lower-case names."""
    body: Any
    user: str = ""
    """The login that the token belongs to."""


@dataclass
class Answer:
    """What is answered."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Trouble:
    """What goes wrong with the next requests that match."""

    method: str = ".*"
    path: str = ".*"
    times: int = 1
    status: int = 0
    """The status to answer; 0 with `drop` or a `delay` only."""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before anything is answered."""
    drip: float = 0.0
    """Seconds between the bytes of the answer's body."""
    drop: bool = False
    """The connection breaks without an answer."""
    done: bool = False
    """The work is done all the same: the answer is lost, not the request."""

    def matches(self, asked: Asked) -> bool:
        return bool(re.fullmatch(self.method, asked.method) and re.search(self.path, asked.path))


Handler = Callable[..., Answer]


class Refusal(Exception):
    """Ends a handler with an answer."""

    def __init__(self, status: int, body: Any) -> None:
        self.answer = Answer(status, body)


class StandIn(ABC):
    """A forge in memory. `tokens` says which token belongs to whom."""

    name = ""
    page_size = 30
    longest_page = 100

    def __init__(self, project: str = "acme/specs") -> None:
        self.project = project
        self.tokens: dict[str, str] = {}
        self.asked: list[Asked] = []
        self.unknown: list[str] = []
        self.now: datetime | None = None
        """The moment that things happen at; the real one where a test sets none."""
        self._troubles: list[Trouble] = []
        self._lock = threading.RLock()
        self._ids = 1000
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.routes()
        stand_in = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet
            disable_nagle_algorithm = True

            def do(self) -> None:
                stand_in._serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                return  # a client that gave up

        self._server = Server(("127.0.0.1", 0), Requests)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    # --- for tests ---

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def trouble(self, **what: Any) -> Trouble:
        """Scripts what goes wrong next: the fields of Trouble."""
        made = Trouble(**what)
        with self._lock:
            self._troubles.append(made)
        return made

    def requests(self, method: str = ".*", path: str = ".*") -> list[Asked]:
        """What was asked so far."""
        with self._lock:
            return [a for a in self.asked if re.fullmatch(method, a.method) and re.search(path, a.path)]

    def token(self, login: str, token: str = "") -> str:
        """A token of a login."""
        made = token or f"{self.name}-token-of-{login}-{self.new_id()}"
        self.tokens[made] = login
        return made

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # --- for the forges ---

    @abstractmethod
    def routes(self) -> None:
        """Names what is answered at which paths, by `route`."""

    def route(self, method: str, path: str, handler: Handler) -> None:
        """`{name}` in a path stands for one part; it comes unescaped as a keyword."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self._routes.append((method, re.compile(pattern), handler))

    def new_id(self) -> int:
        with self._lock:
            self._ids += 1
            return self._ids

    def moment(self, after: float = 0.0) -> str:
        found = (self.now or datetime.now(UTC)) + timedelta(seconds=after)
        return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @abstractmethod
    def authenticate(self, asked: Asked) -> None:
        """Finds out who asks; raises Refusal."""

    def always(self) -> dict[str, str]:
        """Headers of every answer."""
        return {}

    def page(self, asked: Asked, items: list[Any], size_name: str = "per_page") -> tuple[list[Any], dict[str, Any]]:
        """The asked page of a list, and its numbers."""
        size = min(int(asked.query.get(size_name, self.page_size)), self.longest_page)
        number = max(int(asked.query.get("page", 1)), 1)
        last = max(1, -(-len(items) // size))
        return items[(number - 1) * size : number * size], {
            "page": number,
            "last": last,
            "size": size,
            "total": len(items),
        }

    def link(self, asked: Asked, numbers: dict[str, Any]) -> str:
        """A Link header: first, prev, next, last."""

        def url(page: int) -> str:
            return f"{self.url}{asked.path}?{urlencode({**asked.query, 'page': page})}"

        page, last = numbers["page"], numbers["last"]
        parts = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        wanted = {
            k: v
            for k, v in parts.items()
            if (k in ("next", "last") and page < last) or (k in ("prev", "first") and page > 1)
        }
        return ", ".join(f'<{url(number)}>; rel="{rel}"' for rel, number in wanted.items())

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("content-length") or 0)
        raw = request.rfile.read(length) if length else b""
        parts = urlsplit(request.path)
        asked = Asked(
            request.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {k.lower(): v for k, v in request.headers.items()},
            json.loads(raw) if raw else None,
        )
        with self._lock:
            self.asked.append(asked)
            trouble = next((t for t in self._troubles if t.times > 0 and t.matches(asked)), None)
            if trouble is not None:
                trouble.times -= 1
        if trouble is None:
            self._answer(request, self._work(asked))
            return
        result = self._work(asked) if trouble.done or not (trouble.status or trouble.drop) else Answer()
        if trouble.delay:
            time.sleep(trouble.delay)
        if trouble.drop:
            request.close_connection = True
            request.connection.shutdown(2)
            return
        answer = Answer(trouble.status, trouble.body, dict(trouble.headers)) if trouble.status else result
        self._answer(request, answer, trouble.drip)

    def _work(self, asked: Asked) -> Answer:
        with self._lock:
            try:
                self.authenticate(asked)
                for method, pattern, handler in self._routes:
                    found = pattern.fullmatch(asked.path)
                    if method == asked.method and found:
                        return handler(asked, **{k: unquote(v) for k, v in found.groupdict().items()})
            except Refusal as refusal:
                return refusal.answer
            self.unknown.append(f"{asked.method} {asked.path}")
        return Answer(404, {"message": "Not Found"})

    def _answer(self, request: BaseHTTPRequestHandler, answer: Answer, drip: float = 0.0) -> None:
        raw = (
            answer.body.encode()
            if isinstance(answer.body, str)
            else b""
            if answer.body is None
            else json.dumps(answer.body).encode()
        )
        kind = "text/html" if isinstance(answer.body, str) else "application/json"
        try:
            request.send_response(answer.status)
            for key, value in {
                **self.always(),
                "Content-Type": kind,
                **answer.headers,
                "Content-Length": str(len(raw)),
            }.items():
                request.send_header(key, value)
            request.end_headers()
            for piece in [raw[i : i + 1] for i in range(len(raw))] if drip else [raw]:
                request.wfile.write(piece)
                request.wfile.flush()
                time.sleep(drip)
        except OSError:  # the client gave up
            request.close_connection = True
