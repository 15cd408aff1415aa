"""A registry in memory that behaves as the OCI distribution specification 1.1 says, with the token challenge of the field's registries."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PATH = re.compile(r"^/v2/(?P<name>.+?)/(?P<kind>manifests|blobs|referrers)/(?P<rest>.+)$")
USER, PASSWORD, TOKEN = "builder", "correct-horse", "token-of-builder"


class Registry:
    """The server and what it holds: `blobs` by (name, digest), `manifests` by (name, reference) as (bytes, media type)."""

    def __init__(self, *, login: bool = False, referrers: bool = True) -> None:
        self.login, self.knows_referrers = login, referrers
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.asked: list[str] = []
        self.garbled: set[str] = set()
        """Digests for which other bytes are given."""
        handler = type("Handler", (_Handler,), {"registry": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    registry: Registry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self._chunked()
        place = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(place.query).items()}
        self.registry.asked.append(f"{self.command} {place.path}")
        if place.path == "/token":
            self._token(query)
        elif self.registry.login and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f'Bearer realm="http://{self.registry.host}/token",service="tests",scope="repository:x:pull"'
            self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}', {"WWW-Authenticate": realm})
        elif (found := _PATH.match(place.path)) is None:
            self._answer(404, b"{}")
        elif found["rest"].startswith("uploads"):
            self._upload(found["name"], query, body)
        else:
            getattr(self, f"_{found['kind']}")(found["name"], found["rest"], body)

    def _chunked(self) -> bytes:
        found = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return found

    def _token(self, query: dict[str, str]) -> None:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
            return
        assert re.fullmatch(r"repository:\S+:pull(,push)?", query["scope"]), query
        self._answer(200, json.dumps({"token": TOKEN}).encode())

    def _upload(self, name: str, query: dict[str, str], body: bytes) -> None:
        blobs = self.registry.blobs
        if self.command == "POST":
            if "mount" in query and (query["from"], query["mount"]) in blobs:
                blobs[name, query["mount"]] = blobs[query["from"], query["mount"]]
                self._answer(201, b"", {"Location": f"/v2/{name}/blobs/{query['mount']}"})
            else:
                self._answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/1?state=x"})
            return
        digest = query["digest"]
        if query.get("state") != "x" or _digest(body) != digest:
            self._answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"other bytes than the digest says"}]}')
            return
        blobs[name, digest] = body
        self._answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}"})

    def _blobs(self, name: str, digest: str, _: bytes) -> None:
        found = self.registry.blobs.get((name, digest))
        if found is None:
            self._answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
        else:
            self._answer(200, found[:-1] + b"!" if digest in self.registry.garbled else found)

    def _manifests(self, name: str, reference: str, body: bytes) -> None:
        kept = self.registry.manifests
        if self.command != "PUT":
            data, kind = kept.get((name, reference), (b"", ""))
            self._answer(
                200 if kind else 404, data or b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', {"Content-Type": kind}
            )
            return
        value = json.loads(body)
        blobs = [*(value.get("layers") or ()), *([value["config"]] if "config" in value else ())]
        if absent := [b["digest"] for b in blobs if (name, b["digest"]) not in self.registry.blobs]:
            text = json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": f"no {absent}"}]})
            self._answer(400, text.encode())
            return
        kept[name, reference] = kept[name, _digest(body)] = (body, self.headers["Content-Type"])
        subject = (value.get("subject") or {}).get("digest")
        self._answer(201, b"", {"OCI-Subject": subject} if subject and self.registry.knows_referrers else {})

    def _referrers(self, name: str, digest: str, _: bytes) -> None:
        if not self.registry.knows_referrers:
            self._answer(404, b"{}")
            return
        found = {}
        for (owner, _reference), (data, kind) in self.registry.manifests.items():
            value = json.loads(data)
            if owner == name and (value.get("subject") or {}).get("digest") == digest:
                entry = {"mediaType": kind, "digest": _digest(data), "size": len(data)}
                found[entry["digest"]] = {**entry, "artifactType": value.get("artifactType")}
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
        self._answer(200, json.dumps({**index, "manifests": list(found.values())}).encode())

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
