"""Policies and rights on a cluster: what is translated, what is left to Trueup and why, and who gets which Role."""

from __future__ import annotations

from typing import Any

import pytest
from trueup_test_scenes import catalog

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.references import Key

IMAGE = f"example.com/server@sha256:{'0' * 64}"
RULE = {"on": "resources", "expression": "resource.name != ''", "message": "No."}
DEPLOYMENTS = {"types": ["kubernetes:apps/v1:Deployment", "kubernetes:networking.k8s.io/v1:NetworkPolicy"]}


def compiled(documents: dict[str, Any], **cluster: Any) -> Compilation:
    written: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "registry": {"trackingUri": "http://m"}, "cluster": cluster},
        "Model/churn/churn": {"task": "regression", "version": 3},
        "Endpoint/churn/api": {"model": {"name": "churn"}, "predictor": {"image": IMAGE}},
        **documents,
    }
    return compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))


def found(compilation: Compilation, kind: str) -> dict[str, Any]:
    return {r.address.name: r.properties for r in compilation.resources() if r.address.type.endswith(f":{kind}")}


@pytest.mark.parametrize(
    ("expression", "translated"),
    [
        ("resource.properties.spec.replicas < 9", "object.spec.replicas < 9"),
        ("resource.name != 'resource.name'", "object.metadata.name != 'resource.name'"),
        ('environment != "prod"', '"prod" != "prod"'),
        (
            'resource.properties.metadata.annotations["environment"] == "resource.type"',
            'object.metadata.annotations["environment"] == "resource.type"',
        ),
    ],
)
def test_what_a_policy_reads_is_read_of_the_request(expression: str, translated: str) -> None:
    made = compiled({"Policy/p": {**RULE, "expression": expression, "match": DEPLOYMENTS}})
    assert made.diagnostics == ()
    spec = found(made, "ValidatingAdmissionPolicy")["p"]["spec"]
    assert spec["validations"] == [{"expression": translated, "message": "No."}]
    assert [r["resources"] for r in spec["matchConstraints"]["resourceRules"]] == [["deployments"], ["networkpolicies"]]


@pytest.mark.parametrize(
    ("change", "cluster", "reason"),
    [
        ({"level": "soft"}, {}, "its level is soft"),
        ({"on": "specs"}, {}, "it is over specs"),
        ({"match": {}}, {}, "names no type of Kubernetes"),
        ({"match": {**DEPLOYMENTS, "kinds": ["Endpoint"]}}, {}, "about kinds of documents"),
        ({"match": {**DEPLOYMENTS, "environments": ["dev"]}}, {}, "about other environments"),
        ({"expression": "resource.origin == 1"}, {}, "reads more than"),
        ({}, {"admission": False}, "cluster.admission: false"),
        ({}, {"namespaces": {"manage": False}}, "the namespaces are the platform's"),
    ],
)
def test_what_the_cluster_cannot_judge_is_left_out_and_said(change: Any, cluster: Any, reason: str) -> None:
    made = compiled({"Policy/p": {**RULE, "match": DEPLOYMENTS, **change}}, **cluster)
    assert found(made, "ValidatingAdmissionPolicy") == {}
    (said,) = made.diagnostics
    assert said.code == "TRU2007" and reason in said.summary


PEOPLE = {
    "Team/growth": {"members": [{"user": "lena", "email": "lena@example.com"}, {"user": "tomas"}], "owns": ["churn"]},
    "Team/other": {"members": [{"user": "amira"}], "owns": ["elsewhere"]},
}


def subjects(compilation: Compilation) -> dict[str, list[str]]:
    return {n: [s["name"] for s in b["subjects"]] for n, b in found(compilation, "RoleBinding").items()}


def test_an_owner_looks_at_its_namespaces_and_nobody_else_does() -> None:
    assert subjects(compiled(PEOPLE)) == {"trueup-view-growth": ["lena@example.com", "tomas"]}


def test_of_several_policies_each_must_let_a_person_apply() -> None:
    policies = {
        "AccessPolicy/a": {"on": ["apply"], "teams": ["growth"]},
        "AccessPolicy/b": {"on": ["apply"], "users": ["lena", "amira"]},
        "AccessPolicy/c": {"on": ["change"], "users": ["amira"]},
    }
    bound = subjects(compiled({**PEOPLE, **policies}))
    assert bound["trueup-apply-a"] == bound["trueup-apply-b"] == ["lena@example.com"]
    assert "trueup-apply-c" not in bound


def test_policies_that_nobody_satisfies_give_nobody_the_right() -> None:
    policies = {
        "AccessPolicy/a": {"on": ["apply"], "users": ["lena"]},
        "AccessPolicy/b": {"on": ["apply"], "users": ["amira"]},
    }
    assert set(subjects(compiled({**PEOPLE, **policies}))) == {"trueup-view-growth"}
