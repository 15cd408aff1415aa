"""What `trueup render` writes: YAML that other tools read, with what it leaves out named."""

from __future__ import annotations

import json
import re

import pytest
from ruamel.yaml import YAML

from trueup.views.programs import render
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address, Options, Resource, Secret, Stack, StackId

MODEL = StackId("prod", "churn", "model")
SERVING = StackId("prod", "churn", "serving")
GATE = Resource(Address(MODEL, "trueup:run:Gate", "churn"), {"model": "churn.churn"}, Key("Model", "churn", "churn"))
METADATA = {"name": "api", "namespace": "prod-churn", "labels": {"tier": "gold"}}
TOKEN = Resource(
    Address(SERVING, "kubernetes:core/v1:Secret", "api"),
    {"metadata": METADATA, "stringData": {"TOKEN": Secret("vault", "token"), "COST": "${5}"}},
    Key("Endpoint", "churn", "api"),
    options=Options(retain=True, protect=True),
)
DEPLOYMENT = Resource(
    Address(SERVING, "kubernetes:apps/v1:Deployment", "api"),
    {"metadata": METADATA, "spec": {"replicas": GATE.output("acceptedVersion")}},
    Key("Endpoint", "churn", "api"),
    (TOKEN.address,),
)
SERVICE = Resource(
    Address(SERVING, "kubernetes:core/v1:Service", "api"),
    {"metadata": METADATA, "spec": {"ports": [{"port": 80}]}},
    Key("Endpoint", "churn", "api"),
)
BUDGET = Resource(
    Address(SERVING, "kubernetes:policy/v1:PodDisruptionBudget", "api"),
    {"metadata": METADATA, "spec": {"maxUnavailable": 1}},
    Key("Endpoint", "churn", "api"),
)
STACKS = [Stack(MODEL, (GATE,)), Stack(SERVING, (TOKEN, DEPLOYMENT, SERVICE, BUDGET))]
LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")


def test_a_pulumi_program_has_every_resource_and_refers_to_others() -> None:
    rendered = render(STACKS, "shop", "pulumi")
    serving = YAML(typ="safe").load(rendered.files["prod.churn.serving/Pulumi.yaml"])
    assert serving["runtime"] == "yaml" and serving["name"] == "shop"
    resources = serving["resources"]
    assert resources["deployment-api"]["properties"]["spec"]["replicas"] == (
        '${stack-prod.churn.model.outputs["gate-churn"].acceptedVersion}'
    )
    assert resources["stack-prod.churn.model"]["properties"]["name"] == "organization/shop/prod.churn.model"
    assert resources["deployment-api"]["options"] == {"dependsOn": ["${secret-api}"]}
    assert resources["secret-api"]["options"] == {"protect": True, "retainOnDelete": True}
    model = YAML(typ="safe").load(rendered.files["prod.churn.model/Pulumi.yaml"])
    assert model["outputs"] == {"gate-churn": "${gate-churn}"}


def test_a_secret_is_configuration_that_is_named_and_text_is_not_read_as_a_reference() -> None:
    rendered = render(STACKS, "shop", "pulumi")
    serving = YAML(typ="safe").load(rendered.files["prod.churn.serving/Pulumi.yaml"])
    assert serving["resources"]["secret-api"]["properties"]["stringData"] == {
        "TOKEN": "${vault-token}",
        "COST": "$${5}",
    }
    assert serving["config"] == {"vault-token": {"type": "string", "secret": True}}
    assert any("pulumi config set --secret vault-token" in text for text in rendered.omitted)


def test_manifests_are_objects_with_names_that_kubernetes_takes() -> None:
    rendered = render(STACKS, "shop", "kubernetes")
    manifests = list(YAML(typ="safe").load_all(rendered.files["prod.churn.serving.yaml"]))
    assert [(m["apiVersion"], m["kind"]) for m in manifests] == [
        ("v1", "Service"),
        ("policy/v1", "PodDisruptionBudget"),
    ]
    for manifest in manifests:
        assert LABEL.match(manifest["metadata"]["name"]) and LABEL.match(manifest["metadata"]["namespace"])


def test_what_manifests_cannot_hold_is_left_out_and_named() -> None:
    rendered = render(STACKS, "shop", "kubernetes")
    assert "$output" not in "".join(rendered.files.values()) and "$secret" not in "".join(rendered.files.values())
    named = "\n".join(rendered.omitted)
    assert "Model/churn/churn: trueup:run:Gate is no Kubernetes object" in named
    assert (
        "the Deployment api, for spec.replicas is acceptedVersion of churn, which is known only after an apply" in named
    )
    assert "the Secret api, for stringData.TOKEN is the secret token of the store vault" in named


@pytest.mark.parametrize("form", ["pulumi", "kubernetes", "json"])
def test_rendering_twice_gives_the_same(form: str) -> None:
    assert render(STACKS, "shop", form) == render(STACKS, "shop", form)


def test_json_holds_every_resource() -> None:
    files = render(STACKS, "shop", "json").files
    assert [r["name"] for r in json.loads(files["prod.churn.serving.json"])] == ["api"] * 4


def test_manifests_of_several_clusters_are_in_a_folder_each_and_bear_the_same_names_there() -> None:
    there = StackId("prod", "churn", "serving", "virginia")
    moved = Resource(Address(there, SERVICE.address.type, "api"), SERVICE.properties, SERVICE.origin)
    stacks = [Stack(SERVING, (SERVICE,)), Stack(there, (moved,))]
    rendered = render(stacks, "shop", "kubernetes", {"": "frankfurt", "virginia": "virginia"})
    assert list(rendered.files) == ["frankfurt/prod.churn.serving.yaml", "virginia/prod.churn.serving.yaml"]
    assert len(set(rendered.files.values())) == 1
