"""Mutual TLS by the mesh that an environment names: who is in it, who is let in, and which ways are opened for it."""

from __future__ import annotations

from typing import Any

from trueup_test_scenes import scene, with_spec

from trueup.compile.compilation import compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.kubernetes import tokens

PROD = Key("Environment", "", "prod")
OWN = {"app.kubernetes.io/name": "churn", "app.kubernetes.io/component": "predictor"}


def made(**mesh: Any) -> dict[str, dict[str, Any]]:
    """The objects of the scene with another mesh: properties by type and name."""
    given = scene("mesh")
    cluster: Any = given.settings.cluster
    found = cluster.mesh.model_copy(update={"revision": None, "namespace": None, **mesh})
    spec = given.settings.model_copy(update={"cluster": cluster.model_copy(update={"mesh": found})})
    compilation = compile_catalog(with_spec(given, PROD, spec))
    assert [d for d in compilation.diagnostics if d.severity.name == "ERROR"] == []
    objects: dict[str, dict[str, Any]] = {}
    for resource in compilation.resources():
        objects.setdefault(resource.address.type, {})[resource.address.name] = resource.properties
    return objects


def template(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = objects[tokens.DEPLOYMENT]["churn"]["spec"]["template"]["metadata"]
    return found


def ports(objects: dict[str, dict[str, Any]]) -> list[int]:
    (rule,) = objects[tokens.NETWORK_POLICY]["churn"]["spec"]["ingress"]
    return [p["port"] for p in rule["ports"]]


def reached(objects: dict[str, dict[str, Any]]) -> list[str]:
    """The namespaces that egress is open to by name."""
    rules = objects[tokens.NETWORK_POLICY]["allow-egress"]["spec"]["egress"]
    names = (
        peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        for rule in rules
        for peer in rule["to"]
    )
    return [n for n in names if n]


def test_istio_lets_in_only_who_shows_a_certificate() -> None:
    objects = made(type="istio")
    assert {n: p["spec"] for n, p in objects[tokens.PEER_AUTHENTICATION].items()} == {
        "churn": {"selector": {"matchLabels": OWN}, "mtls": {"mode": "STRICT"}},
        "managed": {
            "selector": {"matchLabels": {**OWN, "app.kubernetes.io/name": "managed"}},
            "mtls": {"mode": "STRICT"},
        },
    }
    assert template(objects)["labels"]["sidecar.istio.io/inject"] == "true" and ports(objects) == [8080]
    assert (
        objects[tokens.INFERENCE_SERVICE]["managed"]["spec"]["predictor"]["labels"]["sidecar.istio.io/inject"] == "true"
    )
    assert reached(objects) == ["kube-system", "istio-system"]


def test_a_revision_and_another_namespace_are_istios_own() -> None:
    objects = made(type="istio", revision="stable", namespace="istio-control")
    assert template(objects)["labels"]["istio.io/rev"] == "stable"
    assert "istio-control" in reached(objects)


def test_in_ambient_mode_requests_come_through_the_nodes_tunnel() -> None:
    objects = made(type="istio", mode="ambient")
    labels = template(objects)["labels"]
    assert labels["istio.io/dataplane-mode"] == "ambient" and "sidecar.istio.io/inject" not in labels
    assert ports(objects) == [8080, 15008]


def test_linkerd_lets_in_only_who_is_of_the_mesh() -> None:
    objects = made(type="linkerd")
    assert template(objects)["annotations"]["linkerd.io/inject"] == "enabled"
    predictor = objects[tokens.INFERENCE_SERVICE]["managed"]["spec"]["predictor"]
    assert predictor["annotations"]["linkerd.io/inject"] == "enabled", "KServe hands it on to the pods"
    assert objects[tokens.MESH_SERVER]["churn"]["spec"] == {
        "podSelector": {"matchLabels": OWN},
        "port": "http",
        "proxyProtocol": "HTTP/1",
    }
    group = {"group": "policy.linkerd.io", "name": "churn"}
    assert objects[tokens.AUTHORIZATION_POLICY]["churn"]["spec"] == {
        "targetRef": {**group, "kind": "Server"},
        "requiredAuthenticationRefs": [{**group, "kind": "MeshTLSAuthentication"}],
    }
    assert objects[tokens.MESH_AUTHENTICATION]["churn"]["spec"] == {"identities": ["*"]}
    assert ports(objects) == [8080, 4143] and "linkerd" in reached(objects)


def test_a_pipelines_pods_stay_out_since_their_proxies_would_never_end() -> None:
    for mesh in ({"type": "istio"}, {"type": "istio", "mode": "ambient"}, {"type": "linkerd"}):
        objects = made(**mesh)
        pod = objects[tokens.CRON_JOB]["report-pipeline"]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]
        assert not any("istio" in k or "linkerd" in k for k in (*pod["labels"], *pod.get("annotations", {})))
        namespace = objects[tokens.NAMESPACE]["churn"]["metadata"]["labels"]
        assert not any("istio" in k or "linkerd" in k for k in namespace)
