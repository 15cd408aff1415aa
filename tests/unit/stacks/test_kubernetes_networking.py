"""Who may reach whom on a cluster: what is closed, and exactly what is opened."""

from __future__ import annotations

from typing import Any

import pytest
from trueup_test_scenes import catalog

from trueup.compile.compilation import compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource
from trueup_stacks.kubernetes.routes import duration

IMAGE = f"example.com/server@sha256:{'0' * 64}"


def made(uri: str = "http://mlflow.example.com:5000", documents: Any = None, **cluster: Any) -> list[Resource]:
    written: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "registry": {"trackingUri": uri}, "cluster": cluster},
        "Model/churn/churn": {"task": "regression", "version": 3},
        "Endpoint/churn/api": {"model": {"name": "churn"}, "predictor": {"image": IMAGE}},
        **(documents or {}),
    }
    compilation = compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))
    assert compilation.diagnostics == ()
    return list(compilation.resources())


def policy(resources: list[Resource], name: str) -> Any:
    return next(
        r.properties["spec"] for r in resources if r.address.name == name and r.address.type.endswith(":NetworkPolicy")
    )


def named(space: str) -> Any:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}


ENVIRONMENT = {"matchLabels": {"trueup/environment": "prod"}}
EVERYBODY = "0.0.0.0/0"


@pytest.mark.parametrize(
    ("uri", "opened"),
    [
        ("http://mlflow.ml.svc:5000", {"to": [named("ml")]}),
        ("http://mlflow.ml.svc.cluster.local", {"to": [named("ml")]}),
        (
            "https://10.0.0.7",
            {"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]},
        ),
        (
            "http://mlflow.example.com:5000",
            {"to": [{"ipBlock": {"cidr": EVERYBODY}}], "ports": [{"port": 5000, "protocol": "TCP"}]},
        ),
    ],
)
def test_the_way_to_the_registry_is_opened_as_narrowly_as_its_address_allows(uri: str, opened: Any) -> None:
    rules = policy(made(uri), "allow-egress")["egress"]
    dns, inside, registry = rules
    assert dns["to"] == [named("kube-system")] and {p["port"] for p in dns["ports"]} == {53}
    assert inside["to"] == [{"podSelector": {}}, {"namespaceSelector": ENVIRONMENT}]
    assert registry == opened


def test_an_opening_called_registry_takes_the_place_of_the_one_to_all_addresses() -> None:
    kept = {"egress": [{"name": "registry", "cidr": "10.1.0.0/24", "ports": [5000]}]}
    rules = policy(made(namespaces=kept), "allow-egress")["egress"]
    assert EVERYBODY not in str(rules)
    assert rules[-1] == {"to": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [{"port": 5000, "protocol": "TCP"}]}


@pytest.mark.parametrize(
    ("cluster", "sources"),
    [
        ({}, [{"namespaceSelector": ENVIRONMENT}]),
        ({"namespaces": {"manage": False}}, [{"namespaceSelector": {}}]),
        ({"gateway": {"className": "envoy", "namespace": "envoy-system"}}, [named("envoy-system")]),
        (
            {"gateway": {"className": "istio"}},
            [
                {
                    "namespaceSelector": ENVIRONMENT,
                    "podSelector": {
                        "matchExpressions": [{"key": "gateway.networking.k8s.io/gateway-name", "operator": "Exists"}]
                    },
                }
            ],
        ),
        (
            {"gateway": {"className": "envoy", "namespace": "envoy-system"}, "prometheus": {"url": "http://p"}},
            [named("envoy-system"), named("monitoring")],
        ),
        ({"components": ["prometheus-operator"]}, [{"namespaceSelector": ENVIRONMENT}, named("monitoring")]),
    ],
)
def test_servers_let_in_their_namespace_the_gateway_and_prometheus(cluster: Any, sources: Any) -> None:
    found = policy(made(**cluster), "api")
    assert found["policyTypes"] == ["Ingress"]
    assert found["ingress"] == [{"from": [{"podSelector": {}}, *sources], "ports": [{"port": 8080, "protocol": "TCP"}]}]


@pytest.mark.parametrize(("space", "opened"), [({}, True), ({"namespace": "envoy-system"}, False)])
def test_a_gateways_own_pods_are_reached_where_they_stand_in_a_closed_namespace(space: Any, opened: bool) -> None:
    documents = {"Gateway/churn/door": {}}
    resources = made(documents=documents, components=["gateway-api"], gateway={"className": "istio", **space})
    names = [r.address.name for r in resources if r.address.type.endswith(":NetworkPolicy")]
    assert ("door-gateway" in names) == opened
    if opened:
        found = policy(resources, "door-gateway")
        assert found["podSelector"] == {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "door"}}
        assert found["ingress"] == [{}]


def test_where_the_platform_keeps_the_namespaces_nothing_of_them_is_made() -> None:
    resources = made(namespaces={"manage": False})
    assert {r.address.stack.layer for r in resources} == {"model", "serving"}
    assert all(not a.type.endswith(":Namespace") for r in resources for a in r.depends_on)


@pytest.mark.parametrize(
    ("written", "said"), [("30s", "30s"), ("1500ms", "1s500ms"), ("90m", "1h30m"), ("1d", "24h"), ("0s", "0s")]
)
def test_a_length_of_time_is_one_of_the_gateway_api(written: str, said: str) -> None:
    assert duration(written) == said
