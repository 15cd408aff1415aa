"""What a target cannot make is refused at plan with the field and what to write; what it lacks is never passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest
from trueup_test_scenes import catalog

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.references import Key

IMAGE = f"example.com/server@sha256:{'0' * 64}"
CLUSTER: dict[str, Any] = {"target": "kubernetes", "registry": {"trackingUri": "http://mlflow.example.com"}}


def endpoint(predictor: dict[str, Any], environment: dict[str, Any] = CLUSTER, **documents: Any) -> Compilation:
    written: dict[str, Any] = {
        "Environment/prod": environment,
        "Model/churn/churn": {"task": "regression", "version": 3},
        "Endpoint/churn/api": {"model": {"name": "churn"}, "predictor": predictor},
        **documents,
    }
    return compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))


def refused(compilation: Compilation) -> list[str]:
    assert all(d.severity is Severity.ERROR and d.fix and d.location.file for d in compilation.diagnostics)
    return [d.detail.removeprefix("It is about ").removesuffix(".") for d in compilation.diagnostics]


def test_a_complete_endpoint_is_not_refused() -> None:
    made = endpoint({"image": IMAGE})
    assert made.diagnostics == ()
    assert {r.address.type for r in made.resources()} >= {"kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service"}


@pytest.mark.parametrize(
    "image", [None, "example.com/server", "example.com/server:1.0", "example.com/server@sha256:12"]
)
def test_an_image_without_a_digest_is_refused_and_nothing_is_emitted(image: str | None) -> None:
    made = endpoint({"image": image} if image else {})
    assert refused(made) == ["spec.predictor.image"]
    assert not [r for r in made.resources() if r.origin.kind == "Endpoint"]


def test_a_registry_of_this_machine_is_refused() -> None:
    assert refused(endpoint({"image": IMAGE}, {"target": "kubernetes"})) == ["Environment.spec.registry.trackingUri"]


@pytest.mark.parametrize(
    ("scaling", "field"),
    [
        ({"scaleMetric": "rps", "scaleTarget": 5}, "spec.predictor.scaleMetric"),
        ({"scaleMetric": "cpu", "scaleTarget": 50}, "spec.predictor.resources"),
        ({"resources": {"cpu": 1}, "minReplicas": 0}, "spec.predictor.minReplicas"),
    ],
)
def test_scaling_that_no_autoscaler_could_do_is_refused(scaling: dict[str, Any], field: str) -> None:
    assert set(refused(endpoint({"image": IMAGE, "maxReplicas": 4, **scaling}))) == {field}


def test_every_reason_is_given_at_once() -> None:
    made = endpoint({"maxReplicas": 4, "scaleMetric": "concurrency", "minReplicas": 0}, {"target": "kubernetes"})
    assert refused(made) == [
        "spec.predictor.image",
        *3 * ["spec.predictor.scaleMetric"],
        "spec.predictor.minReplicas",
        "Environment.spec.registry.trackingUri",
    ]


def test_a_model_that_a_cluster_would_train_is_refused() -> None:
    made = endpoint({"image": IMAGE}, **{"Model/churn/own": {"task": "regression", "pipeline": "train"}})
    assert refused(made) == ["spec.train.in"]


def test_a_bucket_without_a_region_is_refused() -> None:
    made = compile_catalog(
        catalog({Key.parse("Environment/prod"): {"target": "aws"}, Key.parse("ObjectStore/a/b"): {}})
    )
    assert refused(made) == ["Environment.spec.cloud"]


def test_a_kind_that_the_target_lacks_is_an_error_and_one_used_elsewhere_a_note() -> None:
    written = {"Environment/prod": {"target": "aws"}, "Entity/churn/customer": {"joinKey": "id"}}
    [lacking] = compile_catalog(catalog({Key.parse(k): v for k, v in written.items()})).diagnostics
    assert (lacking.code, lacking.severity) == ("TRU2004", Severity.ERROR)
    assert "the target 'aws' does not support the kind Entity yet" in lacking.summary
    sources = {"DataSource/churn/files": {"file": {"url": "a.csv", "format": "csv"}}, "ObjectStore/churn/door": {}}
    notes = [d for d in endpoint({"image": IMAGE}, **sources).diagnostics if d.code == "TRU2007"]
    assert [d.severity for d in notes] == [Severity.NOTE, Severity.NOTE]
    assert notes[0].summary.startswith("ObjectStore/churn/door becomes nothing in environment 'prod'")
    assert notes[1].summary.startswith("DataSource/churn/files becomes nothing in environment 'prod'")


def test_what_becomes_nothing_for_one_reason_is_one_note() -> None:
    files = {"file": {"url": "a.csv", "format": "csv"}}
    sources = {"DataSource/churn/a": files, "DataSource/churn/b": files, "Entity/churn/customer": {"joinKey": "id"}}
    [note] = [d for d in endpoint({"image": IMAGE}, **sources).diagnostics if d.code == "TRU2007"]
    assert note.summary == (
        "3 documents (2 DataSource, 1 Entity) become nothing in environment 'prod' (target 'kubernetes'): "
        "this target takes promoted versions only, and such documents are used where models are trained."
    )


def test_an_unknown_target_names_the_known_ones() -> None:
    made = compile_catalog(catalog({Key.parse("Environment/prod"): {"target": "gcp"}}))
    assert [(d.code, d.detail) for d in made.diagnostics] == [("TRU2001", "Known targets: aws, kubernetes, local.")]


def test_what_is_missing_on_the_cluster_is_said_with_what_to_install() -> None:
    scaled = {"image": IMAGE, "maxReplicas": 4, "scaleMetric": "rps", "scaleTarget": 5}
    made = endpoint(scaled)
    assert [d.summary.rpartition(": ")[2] for d in made.diagnostics] == [
        "scaling by rps needs KEDA, and spec.cluster.components of Environment/prod does not name it.",
        "scaling by rps needs the servers' metrics, and spec.cluster.components of Environment/prod does not name it.",
        "scaling by rps needs the servers' metrics, and environment 'prod' names no Prometheus server.",
    ]
    assert made.diagnostics[0].fix == (
        "Install KEDA (the Helm chart kedacore/keda), and add `keda` to spec.cluster.components of Environment/prod."
    )
    has = {"components": ["keda", "prometheus-operator"], "prometheus": {"url": "http://prometheus.monitoring"}}
    assert endpoint(scaled, {**CLUSTER, "cluster": has}).diagnostics == ()


@pytest.mark.parametrize("rollout", [{"strategy": "canary", "steps": [{"setWeight": 10}]}, {"strategy": "blueGreen"}])
def test_a_rollout_in_steps_needs_what_makes_them(rollout: dict[str, Any]) -> None:
    def made(environment: dict[str, Any]) -> Compilation:
        spec = {"model": {"name": "churn"}, "predictor": {"image": IMAGE}, "rollout": rollout}
        return endpoint({"image": IMAGE}, environment, **{"Endpoint/churn/api": spec})

    assert refused(made(CLUSTER)) == ["spec.rollout.strategy"]
    assert "spec.rollout.strategy" in [
        d.detail.removeprefix("It is about ").removesuffix(".") for d in made({"target": "local"}).diagnostics
    ]
    assert made({**CLUSTER, "cluster": {"components": ["argo-rollouts"]}}).diagnostics == ()


def test_kserve_without_knative_is_not_asked_for_what_it_cannot_do() -> None:
    spec = {
        "model": {"name": "churn"},
        "serving": "kserve",
        "predictor": {"image": IMAGE, "maxReplicas": 3, "scaleMetric": "rps", "scaleTarget": 9},
        "rollout": {"strategy": "blueGreen", "progressDeadline": "5m"},
    }
    components = ["kserve", "keda", "prometheus-operator"]
    cluster = {"components": components, "prometheus": {"url": "http://prometheus.monitoring"}}
    made = endpoint({}, {**CLUSTER, "cluster": cluster}, **{"Endpoint/churn/api": spec})
    assert refused(made) == ["spec.rollout.strategy", "spec.rollout.progressDeadline", "spec.predictor.scaleMetric"]
    plain = {"model": {"name": "churn"}, "serving": "kserve", "predictor": {"image": IMAGE}}
    assert refused(endpoint({}, **{"Endpoint/churn/api": plain})) == ["spec.serving"]


def test_an_analysis_needs_somebody_to_ask() -> None:
    metric = {"name": "errors", "query": "sum(errors)", "successCondition": "result[0] < 1"}
    rollout = {"strategy": "canary", "steps": [{"analysis": {"metrics": [metric]}}]}
    spec = {"model": {"name": "churn"}, "predictor": {"image": IMAGE}, "rollout": rollout}
    cluster = {**CLUSTER, "cluster": {"components": ["argo-rollouts"]}}
    assert refused(endpoint({}, cluster, **{"Endpoint/churn/api": spec})) == ["spec.rollout"]


def test_a_gateway_needs_the_gateway_api_and_its_class() -> None:
    made = endpoint({"image": IMAGE}, **{"Gateway/churn/door": {"listeners": [{"name": "a"}, {"name": "b"}]}})
    assert refused(made) == ["spec.listeners", "Environment.spec.cluster.gateway", "spec.listeners[].port"]
    cluster = {**CLUSTER, "cluster": {"components": ["gateway-api"], "gateway": {"className": "envoy"}}}
    assert endpoint({"image": IMAGE}, cluster, **{"Gateway/churn/door": {}}).diagnostics == ()


def test_a_route_without_a_gateway_is_refused() -> None:
    spec = {"model": {"name": "churn"}, "predictor": {"image": IMAGE}, "route": {"path": "/predict"}}
    assert refused(endpoint({}, **{"Endpoint/churn/api": spec})) == ["spec.route.path"]


def test_a_name_that_leaves_no_room_for_endings_is_refused() -> None:
    name = "a" * 54
    spec = {"model": {"name": "churn"}, "predictor": {"image": IMAGE}}
    assert refused(endpoint({"image": IMAGE}, **{f"Endpoint/churn/{name}": spec})) == ["metadata.name"]


@pytest.mark.parametrize(
    ("given", "requests", "limits"),
    [
        ({}, {"cpu": "250m", "memory": "512Mi"}, {"cpu": "1", "memory": "512Mi"}),
        ({"cpu": 4, "memory": "8192Mi"}, {"cpu": "4", "memory": "8Gi"}, {"cpu": "8", "memory": "8Gi"}),
        (
            {"cpuLimit": "100m", "memoryLimit": "256Mi"},
            {"cpu": "100m", "memory": "256Mi"},
            {"cpu": "100m", "memory": "256Mi"},
        ),
    ],
)
def test_what_a_server_asks_for_is_never_above_its_limit(given: Any, requests: Any, limits: Any) -> None:
    made = endpoint({"image": IMAGE, "resources": given})
    deployment = next(r for r in made.resources() if r.address.type.endswith(":Deployment"))
    found = deployment.properties["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert {k: found["requests"][k] for k in requests} == requests
    assert {k: found["limits"][k] for k in limits} == limits


def test_grpc_is_refused_with_a_sentence_and_no_route_leads_nowhere() -> None:
    (said,) = endpoint({"image": IMAGE, "protocol": "grpc-v2"}).diagnostics
    assert "sets spec.predictor.protocol" in said.summary and "over HTTP (`v2`) only" in (said.detail or "")


def test_two_issuers_of_one_gateway_are_one_too_many() -> None:
    def listener(name: str, issuer: str) -> dict[str, Any]:
        secret = {"secretName": name, "clusterIssuer": issuer}
        return {
            "name": name,
            "port": 8000 + len(name),
            "protocol": "HTTPS",
            "hostname": f"{name}.example.com",
            "tls": secret,
        }

    def said(*listeners: dict[str, Any]) -> list[str]:
        gateway = {"Gateway/churn/door": {"listeners": list(listeners)}}
        cluster = {"components": ["gateway-api"], "gateway": {"className": "envoy"}}
        written = {
            "Environment/prod": {"target": "kubernetes", "registry": {"trackingUri": "http://m"}, "cluster": cluster}
        }
        found = compile_catalog(catalog({Key.parse(k): v for k, v in {**written, **gateway}.items()}))
        return [d.summary for d in found.diagnostics]

    (text,) = said(listener("a", "staging"), listener("bb", "letsencrypt"))
    assert "one issuer for all listeners of a gateway, and these name staging, letsencrypt" in text
    assert said(listener("a", "staging"), listener("bb", "staging")) == []
