"""What a target cannot make is refused at plan with the field and what to write; what it lacks is never passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest
from trueup_test_scenes import catalog, scene

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
    assert refused(endpoint({"image": IMAGE, "maxReplicas": 4, **scaling})) == [field]


def test_every_reason_is_given_at_once() -> None:
    made = endpoint({"maxReplicas": 4, "scaleMetric": "concurrency", "minReplicas": 0}, {"target": "kubernetes"})
    assert len(refused(made)) == 4


def test_a_model_that_a_cluster_would_train_is_refused() -> None:
    made = endpoint({"image": IMAGE}, **{"Model/churn/own": {"task": "regression", "pipeline": "train"}})
    assert refused(made) == ["spec.train.in"]


def test_a_bucket_without_a_region_is_refused() -> None:
    made = compile_catalog(
        catalog({Key.parse("Environment/prod"): {"target": "aws"}, Key.parse("ObjectStore/a/b"): {}})
    )
    assert refused(made) == ["Environment.spec.cloud"]


def test_a_kind_that_the_target_lacks_is_an_error_and_one_used_elsewhere_a_note() -> None:
    made = endpoint(
        {"image": IMAGE},
        **{"Gateway/churn/door": {}, "DataSource/churn/files": {"file": {"url": "a.csv", "format": "csv"}}},
    )
    said = {d.code: d for d in made.diagnostics}
    assert said["TRU2004"].severity is Severity.ERROR
    assert "the target 'kubernetes' does not support the kind Gateway yet" in said["TRU2004"].summary
    assert said["TRU2007"].severity is Severity.NOTE
    assert "1 document of kind DataSource become" in said["TRU2007"].summary


def test_an_unknown_target_names_the_known_ones() -> None:
    made = compile_catalog(catalog({Key.parse("Environment/prod"): {"target": "gcp"}}))
    assert [(d.code, d.detail) for d in made.diagnostics] == [("TRU2001", "Known targets: aws, kubernetes, local.")]


def test_pods_meet_the_restricted_security_standard() -> None:
    for deployment in (
        r for r in compile_catalog(scene("kubernetes")).resources() if r.address.type.endswith(":Deployment")
    ):
        pod = deployment.properties["spec"]["template"]["spec"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
