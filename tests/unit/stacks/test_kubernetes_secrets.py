"""Secrets that the cluster reads itself: an ExternalSecret in place of a value in an apply's process and state."""

from __future__ import annotations

from typing import Any

from trueup_test_scenes import scene, with_spec

from trueup.compile.compilation import compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Secret
from trueup_stacks.kubernetes import tokens

PROD = Key("Environment", "", "prod")


def made() -> dict[str, dict[str, Any]]:
    compilation = compile_catalog(scene("mesh"))
    assert [d for d in compilation.diagnostics if d.severity.name == "ERROR"] == []
    objects: dict[str, dict[str, Any]] = {}
    for resource in compilation.resources():
        objects.setdefault(resource.address.type, {})[resource.address.name] = resource.properties
    return objects


def entry(name: str, key: str, store: str, kind: str = "ClusterSecretStore", **remote: str) -> dict[str, Any]:
    source = {"storeRef": {"kind": kind, "name": store}}
    return {"secretKey": name, "remoteRef": {"key": key, **remote}, "sourceRef": source}


def test_what_is_the_clusters_is_added_to_the_secret_that_an_apply_fills() -> None:
    objects = made()
    assert objects[tokens.SECRET]["churn"]["stringData"] == {"OWN": Secret("vars", "own")}
    assert objects[tokens.EXTERNAL_SECRET]["churn"]["spec"] == {
        "refreshInterval": "30m",
        "target": {"creationPolicy": "Merge"},
        "data": [
            entry("TOKEN", "churn/api", "vault-prod", "SecretStore", property="token"),
            entry("KEY", "key", "whole"),
        ],
    }


def test_a_secret_that_is_the_clusters_alone_is_made_by_external_secrets_and_no_value_passes_through_an_apply() -> None:
    objects = made()
    assert objects[tokens.EXTERNAL_SECRET]["registry"]["spec"]["target"] == {
        "creationPolicy": "Owner",
        "template": {"type": "kubernetes.io/dockerconfigjson"},
    }
    (step,) = objects[tokens.EXTERNAL_SECRET]["report-pipeline"]["spec"]["data"]
    assert step["remoteRef"] == {"key": "token"} and step["sourceRef"]["storeRef"]["name"] == "whole"
    assert set(objects[tokens.SECRET]) == {"churn"}
    names = {m["name"] for m in objects[tokens.DEPLOYMENT]["churn"]["spec"]["template"]["spec"]["imagePullSecrets"]}
    assert names == {objects[tokens.EXTERNAL_SECRET]["registry"]["metadata"]["name"]}, (
        "pods name the Secret, which is called so too"
    )


def test_without_external_secrets_on_the_cluster_it_is_said_what_to_install() -> None:
    given = scene("mesh")
    cluster: Any = given.settings.cluster
    bare = cluster.model_copy(update={"components": ("argo-rollouts", "gateway-api", "kserve")})
    found = compile_catalog(with_spec(given, PROD, given.settings.model_copy(update={"cluster": bare})))
    said = {d.summary.split()[0]: d for d in found.diagnostics if d.code == "TRU2006"}
    assert set(said) == {"Endpoint/churn/churn", "Pipeline/churn/report"}
    assert "`external` needs External Secrets" in said["Endpoint/churn/churn"].summary
    assert "external-secrets/external-secrets" in said["Endpoint/churn/churn"].fix
