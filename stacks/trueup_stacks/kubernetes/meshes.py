"""Mutual TLS between an endpoint's servers and who asks them, by the service mesh of the cluster: Istio or Linkerd. Called by `endpoint`.

Servers are in the mesh by their own pods, and not by their namespace: the proxy beside a pipeline's pod would never end, and so would the
pod. Where a proxy is put beside each pod, the mesh's CNI plugin has to set up its network: the pods themselves may not.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.environment.cluster import Mesh
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import naming, tokens

CONTROL_PLANE = {"istio": "istio-system", "linkerd": "linkerd"}
"""The namespace that the proxies ask for certificates and routes; both projects' default."""
_TUNNEL: dict[tuple[str, str], int] = {("istio", "ambient"): 15008, ("linkerd", "sidecar"): 4143}
"""Where encrypted requests arrive, beside the port that they are for: Istio's HBONE, Linkerd's inbound port."""


def mesh(catalog: Catalog) -> Mesh | None:
    """The mesh of the environment's cluster."""
    return naming.cluster(catalog).mesh


def namespace(given: Mesh) -> str:
    """Where the mesh's own servers run."""
    return given.namespace or CONTROL_PLANE[given.type]


def ports(catalog: Catalog) -> list[int]:
    """Ports of a server's pod that the mesh brings requests to."""
    given = mesh(catalog)
    tunnel = _TUNNEL.get((given.type, given.mode)) if given is not None else None
    return [tunnel] if tunnel is not None else []


def marks(catalog: Catalog) -> dict[str, dict[str, Value]]:
    """The labels and annotations of a pod that put it into the mesh; nothing where there is none."""
    given = mesh(catalog)
    if given is None:
        return {}
    if given.type == "linkerd":
        return {
            "annotations": {
                "linkerd.io/inject": "enabled",
                "config.linkerd.io/default-inbound-policy": "all-authenticated",
            }
        }
    if given.mode == "ambient":
        return {"labels": {"istio.io/dataplane-mode": "ambient"}}
    revision = {"istio.io/rev": given.revision} if given.revision is not None else {}
    return {"labels": {"sidecar.istio.io/inject": "true", **revision}}


def policies(document: Document, catalog: Catalog) -> Iterator[tuple[str, dict[str, Value]]]:
    """The token and the properties of what lets in only who shows a certificate of the mesh."""
    given, pods = mesh(catalog), {"matchLabels": naming.selector(document)}
    if given is None:
        return
    if given.type == "istio":
        yield tokens.PEER_AUTHENTICATION, {"spec": {"selector": pods, "mtls": {"mode": "STRICT"}}}
        return
    name = document.key.name
    server = {"group": "policy.linkerd.io", "kind": "Server", "name": name}
    anybody = {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": name}
    yield tokens.MESH_SERVER, {"spec": {"podSelector": pods, "port": "http", "proxyProtocol": "HTTP/1"}}
    yield tokens.MESH_AUTHENTICATION, {"spec": {"identities": ["*"]}}
    yield tokens.AUTHORIZATION_POLICY, {"spec": {"targetRef": server, "requiredAuthenticationRefs": [anybody]}}
