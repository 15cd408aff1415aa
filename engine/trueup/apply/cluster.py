"""The API of a Kubernetes cluster, as far as reading live objects takes it. Called by `observe`, `remedies` and `restores`.

Resources are made, changed and deleted by Pulumi's provider; only `remedies.py` and `restores.py` write from here. The kubeconfig is read
by the client of the Kubernetes project, which knows every way to sign in; its typed API is not used, since what is compared is plain JSON.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
TIMEOUT = 15.0
"""Seconds for an answer."""


class ClusterError(Exception):
    """The cluster cannot be asked, or refuses. The text is a full sentence; `code` is the HTTP status, 0 where nobody answered."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the objects of a kind are."""

    base: str
    """The path of its group and version."""
    plural: str
    namespaced: bool


@dataclass
class Cluster:
    """A connection to one cluster. Safe for several threads."""

    host: str
    pool: Any
    """An HTTP pool (urllib3) with the kubeconfig's certificates."""
    authorization: Mapping[str, str] = field(default_factory=dict)
    _kinds: dict[tuple[str, str], Kind | None] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        query: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Any:
        """The answer's JSON. Raises ClusterError."""
        data = self._answer(method, path, body, content, query, accept)
        return json.loads(data) if data else None

    def _answer(
        self, method: str, path: str, body: Any, content: str, query: Mapping[str, str] | None, accept: str
    ) -> bytes:
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self.authorization, "Accept": accept, "Content-Type": content}
        data = None if body is None else json.dumps(body)
        try:
            answer = self.pool.request(method, url, body=data, headers=headers, timeout=TIMEOUT, retries=1)
        except Exception as error:  # noqa: BLE001 — whatever its HTTP library raises means that nobody answered
            raise ClusterError(
                f"The cluster at {self.host} does not answer ({_cause(error)}). Is it up, and does the kubeconfig name the right one?"
            ) from None
        if answer.status >= 400:
            raise _refusal(self.host, method, path, answer.status, answer.data)
        return bytes(answer.data or b"")

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The answer's text, such as a container's log. Raises ClusterError."""
        return self._answer("GET", path, None, "application/json", query, "*/*").decode("utf-8", "replace")

    def get(self, thing: Mapping[str, Any]) -> Object | None:
        """The live object of a manifest's kind, namespace and name; None where it, or its kind, is not there. Raises ClusterError."""
        path = self.path(thing)
        if path is None:
            return None
        try:
            found: Object = self.request("GET", path)
        except ClusterError as error:
            if error.code == 404:
                return None
            raise
        return found

    def dry_run(self, thing: Mapping[str, Any], manager: str) -> Object:
        """What the object would be if the manifest were applied by its field manager now; nothing is changed. Raises ClusterError."""
        path = self.path(thing)
        assert path is not None, "Only what is there is compared."
        query = {"fieldManager": manager, "force": "true", "dryRun": "All"}
        found: Object = self.request("PATCH", path, thing, APPLY, query)
        return found

    def items(self, version: str, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """The objects of a kind in a namespace; none where the kind is not there or may not be listed. Raises ClusterError."""
        found = self.kind(version, kind)
        if found is None:
            return []
        query = {"labelSelector": selector} if selector else None
        try:
            listed = self.request("GET", f"{found.base}/namespaces/{namespace}/{found.plural}", query=query)
        except ClusterError as error:
            if error.code == 403:
                return []
            raise
        return list(listed.get("items") or ())

    def path(self, thing: Mapping[str, Any]) -> str | None:
        """The path of an object; None where the cluster has no such kind. Raises ClusterError."""
        metadata = thing["metadata"]
        found = self.kind(str(thing["apiVersion"]), str(thing["kind"]))
        if found is None:
            return None
        inside = f"/namespaces/{metadata.get('namespace') or 'default'}" if found.namespaced else ""
        return f"{found.base}{inside}/{found.plural}/{quote(str(metadata['name']), safe='')}"

    def kind(self, version: str, kind: str) -> Kind | None:
        """Where a kind is; None where the cluster has none of that name and version. Raises ClusterError."""
        with self._guard:
            if (version, kind) not in self._kinds:
                self._kinds[version, kind] = None
                base = f"/apis/{version}" if "/" in version else f"/api/{version}"
                for found in self._resources(base):
                    if "/" not in found["name"]:
                        self._kinds[version, found["kind"]] = Kind(base, found["name"], bool(found["namespaced"]))
            return self._kinds[version, kind]

    def _resources(self, base: str) -> list[Mapping[str, Any]]:
        try:
            return list(self.request("GET", base)["resources"])
        except ClusterError as error:
            if error.code == 404:
                return []
            raise


def connect(kubeconfig: Path | None, context: str | None) -> Cluster:
    """The cluster of a kubeconfig's context; by default the ambient kubeconfig, inside a pod its own cluster. Raises ClusterError."""
    try:
        import kubernetes
    except ImportError:
        raise ClusterError(
            "Reading a cluster needs the Python package kubernetes: install Trueup with the extra `kubernetes`."
        ) from None
    config: Any = kubernetes.config  # what it exports has no types
    path = str(kubeconfig) if kubeconfig else None
    try:
        client = config.new_client_from_config(config_file=path, context=context)
    except Exception as error:  # noqa: BLE001 — a bad file, a missing context and a failed sign-in raise whatever they like
        if path is None and context is None and (inside := _inside()) is not None:
            client = inside
        else:
            named = f"context {context!r} of " if context else ""
            raise ClusterError(
                f"The {named}kubeconfig {path or 'of this machine'} cannot be used: {_cause(error)}. "
                "Name another in `cluster.kubeconfig` or `cluster.context` of the environment, or sign in."
            ) from None
    settings = client.configuration
    found = settings.auth_settings().values()
    authorization = {str(f["key"]): str(f["value"]) for f in found if f.get("in") == "header" and f.get("value")}
    return Cluster(str(settings.host).rstrip("/"), client.rest_client.pool_manager, authorization)


def _inside() -> Any:
    """A client with the service account of the pod that this runs in; None elsewhere."""
    import kubernetes

    config: Any = kubernetes.config
    try:
        config.load_incluster_config()
    except config.ConfigException:
        return None
    return kubernetes.client.ApiClient()


def _refusal(host: str, method: str, path: str, code: int, data: bytes) -> ClusterError:
    try:
        said = str(json.loads(data).get("message") or "")
    except ValueError:
        said = data.decode("utf-8", "replace").strip()[:500]
    if code == 401:
        return ClusterError(
            f"The cluster at {host} does not accept the credentials of the kubeconfig. Sign in anew.", code
        )
    return ClusterError(f"The cluster at {host} refuses {method} {path}: {said or f'status {code}'}", code)


def _cause(error: Exception) -> str:
    """The last reason in an HTTP library's chain of them, without its object's address."""
    reason = getattr(error, "reason", None)
    while isinstance(reason, Exception) and getattr(reason, "reason", None) is not None:
        reason = getattr(reason, "reason")  # noqa: B009 — not every exception has one
    text = str(reason or error) or type(error).__name__
    return text.rpartition(">: ")[2].rpartition("object at")[0] or text.rpartition(">: ")[2]
