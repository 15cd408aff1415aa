"""The Kubernetes API over one kubeconfig context: requests, errors, and from kinds to paths. Used by every module of the stand-in."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
Object = dict[str, Any]


class ApiError(Exception):
    """The API server refused a request; the text is its message."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = dict(details or {})


class NoMatch(Exception):
    """The API server has no such kind: its CustomResourceDefinition is not there."""


class Unreachable(Exception):
    """There is no usable kubeconfig, or nobody answers."""


@dataclass(frozen=True)
class Mapped:
    """Where the objects of a kind are: the group's path, the plural, and whether they live in namespaces."""

    base: str
    plural: str
    namespaced: bool


@dataclass
class Api:
    """A connection. `context` and `cluster` override the kubeconfig's own."""

    pool: urllib3.HTTPSConnectionPool | urllib3.HTTPConnectionPool
    headers: dict[str, str]
    namespace: str
    server: str
    _known: dict[tuple[str, str], Mapped] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, kubeconfig: str, context: str = "", cluster: str = "", namespace: str = "") -> Api:
        """From a kubeconfig's text or path; by default the ambient one. Raises Unreachable."""
        found = _load(kubeconfig)
        contexts = {c["name"]: c["context"] for c in found.get("contexts") or ()}
        wanted = context or found.get("current-context") or ""
        if wanted not in contexts and (wanted or not found.get("clusters")):
            raise Unreachable(f"context {wanted!r} does not exist" if wanted else "no configuration has been provided")
        chosen = contexts.get(wanted, {})
        clusters = {c["name"]: c["cluster"] for c in found.get("clusters") or ()}
        users = {u["name"]: u["user"] for u in found.get("users") or ()}
        return cls._connect(
            clusters[cluster or chosen["cluster"]],
            users.get(chosen.get("user", ""), {}),
            namespace or chosen.get("namespace") or "default",
        )

    @classmethod
    def _connect(cls, cluster: Mapping[str, Any], user: Mapping[str, Any], namespace: str) -> Api:
        server = str(cluster["server"])
        parts = urlsplit(server)
        headers = {"Accept": "application/json"}
        if token := user.get("token"):
            headers["Authorization"] = f"Bearer {token}"
        if parts.scheme == "http":
            pool: Any = urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, maxsize=32)
        else:
            pool = urllib3.HTTPSConnectionPool(
                parts.hostname or "",
                parts.port,
                maxsize=32,
                ca_certs=_file(cluster, "certificate-authority"),
                cert_file=_file(user, "client-certificate"),
                key_file=_file(user, "client-key"),
                cert_reqs="CERT_NONE" if cluster.get("insecure-skip-tls-verify") else "CERT_REQUIRED",
            )
        return cls(pool, headers, namespace, server)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """The answer's JSON. Raises ApiError, and Unreachable where nobody answers."""
        url = f"{path}?{urlencode(query, doseq=True)}" if query else path
        data = None if body is None else json.dumps(body)
        try:
            headers = {**self.headers, "Content-Type": content}
            answer = self.pool.request(
                method, url, body=data, headers=headers, retries=urllib3.Retry(2, redirect=0), timeout=30
            )
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(f"{method} {self.server}{path}: {reason}") from None
        if answer.status >= 400:
            raise _error(answer.status, answer.data)
        return json.loads(answer.data) if answer.data else None

    def get(self, thing: Object, name: str = "") -> Object:
        """The live object of another one's kind, namespace and name."""
        found: Object = self.request("GET", self.path(thing, name))
        return found

    def patch(
        self, thing: Object, name: str, body: Any, content: str, query: Mapping[str, Any] | None = None
    ) -> Object:
        """Patches; the object as it is afterwards."""
        found: Object = self.request("PATCH", self.path(thing, name), body, content, query)
        return found

    def items(self, base: str, namespace: str, plural: str, selector: str = "") -> list[Object]:
        """The objects of a kind in a namespace; none where they cannot be listed."""
        query = {"labelSelector": selector} if selector else None
        try:
            found = self.request("GET", f"{base}/namespaces/{namespace}/{plural}", query=query)
        except ApiError:
            return []
        return list(found.get("items") or ())

    def path(self, thing: Object, name: str = "") -> str:
        """The path of an object. Raises NoMatch."""
        metadata = thing.get("metadata") or {}
        mapped = self.mapped(str(thing["apiVersion"]), str(thing["kind"]))
        namespace = metadata.get("namespace") or self.namespace
        inside = f"/namespaces/{namespace}" if mapped.namespaced else ""
        return f"{mapped.base}{inside}/{mapped.plural}/{quote(name or str(metadata['name']), safe='')}"

    def mapped(self, version: str, kind: str) -> Mapped:
        """Where a kind's objects are. Raises NoMatch."""
        if (version, kind) not in self._known:
            with self._guard:
                self._discover(version)
        try:
            return self._known[version, kind]
        except KeyError:
            raise NoMatch(f'no matches for kind "{kind}" in version "{version}"') from None

    def _discover(self, version: str) -> None:
        base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        try:
            found = self.request("GET", base)
        except ApiError:
            return
        for resource in found["resources"]:
            if "/" not in resource["name"]:
                self._known[version, resource["kind"]] = Mapped(base, resource["name"], resource["namespaced"])


def _load(kubeconfig: str) -> Any:
    """A kubeconfig's content from its text, its path, or where client-go looks for it."""
    text = kubeconfig
    if not kubeconfig or ("\n" not in kubeconfig and not kubeconfig.lstrip().startswith("{")):
        named = kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        path = Path(named).expanduser() if named else Path.home() / ".kube" / "config"
        try:
            text = path.read_text()
        except OSError as error:
            raise Unreachable(f"no configuration has been provided: {error}") from None
    try:
        return json.loads(text)
    except ValueError:
        import yaml

        return yaml.safe_load(text) or {}


def _file(entry: Mapping[str, Any], name: str) -> str | None:
    """A file that a kubeconfig names, or whose content it holds."""
    if data := entry.get(f"{name}-data"):
        with tempfile.NamedTemporaryFile(prefix="stand-in-", delete=False) as file:
            file.write(base64.b64decode(data))
        return file.name
    return entry.get(name)


def _error(code: int, data: bytes) -> ApiError:
    try:
        found = json.loads(data)
        return ApiError(code, found.get("reason", ""), found.get("message", ""), found.get("details"))
    except ValueError:
        return ApiError(code, "", data.decode("utf-8", "replace").strip())
