"""Every property that a target emits is one of its SDK's class, nested ones too; and the checker finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from trueup_test_conformance import wrong_names
from trueup_test_crds import Crds
from trueup_test_scenes import compiled

from trueup_stacks.core.resources import Resource
from trueup_stacks.sdk import UnknownType, has_class, is_native, resource_class


def found(target: str, kind: str) -> Resource:
    return next(r for r in compiled(target).resources() if r.address.type.endswith(f":{kind}"))


@pytest.mark.parametrize("target", ["kubernetes", "monitoring", "mesh", "registry", "registry-plain", "aws"])
def test_every_property_is_one_of_the_sdk(target: str) -> None:
    resources = [r for r in compiled(target).resources() if not is_native(r.address.type) and not is_custom(r)]
    assert len(resources) >= 9
    assert {str(r.address): wrong for r in resources if (wrong := wrong_names(r))} == {}


def is_custom(resource: Resource) -> bool:
    return resource.address.type.startswith("kubernetes:") and not has_class(resource.address.type)


@pytest.mark.parametrize("target", ["kubernetes"])
def test_every_custom_resource_is_one_that_its_schema_allows(target: str, schemas: Crds) -> None:
    resources = [r for r in compiled(target).resources() if is_custom(r)]
    assert len({r.address.type for r in resources}) >= 6
    assert {str(r.address): wrong for r in resources if (wrong := schemas.mistakes(r))} == {}


def test_a_custom_resource_that_is_wrong_is_found(schemas: Crds) -> None:
    rollout = found("kubernetes", "Rollout")
    properties: Any = deepcopy(dict(rollout.properties))
    properties["spec"]["strategy"] = {"canari": {}}
    properties["spec"]["progressDeadlineSeconds"] = "soon"
    assert schemas.mistakes(replace(rollout, properties=properties)) == [
        "spec.progressDeadlineSeconds: 'soon' is not of type 'integer'",
        "spec.strategy: Additional properties are not allowed ('canari' was unexpected)",
    ]


def planted(resource: Resource, change: Callable[[Any], None]) -> list[str]:
    properties: Any = deepcopy(dict(resource.properties))
    change(properties)
    return wrong_names(replace(resource, properties=properties))


def test_a_wrong_name_is_found_at_any_depth() -> None:
    deployment = found("kubernetes", "Deployment")

    def container(properties: Any) -> None:
        properties["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["prt"] = 1

    assert planted(deployment, container) == ["spec.template.spec.containers[0].readinessProbe.httpGet.prt"]
    assert planted(deployment, lambda p: p["metadata"].update(nmae="x")) == ["metadata.nmae"]
    assert planted(deployment, lambda p: p.update(spek={})) == ["spek"]


def test_the_python_spelling_of_a_nested_name_is_wrong() -> None:
    lifecycle = found("aws", "BucketLifecycleConfiguration")
    assert planted(lifecycle, lambda p: p["rules"][0]["transitions"][0].update(storage_class="GLACIER")) == [
        "rules[0].transitions[0].storage_class"
    ]


def test_a_map_where_the_sdk_wants_none_is_found() -> None:
    bucket = found("aws", "Bucket")
    assert planted(bucket, lambda p: p.update(region={"name": "eu-central-1"})) == ["region (holds no map)"]


def test_a_type_that_no_sdk_has_is_refused() -> None:
    with pytest.raises(UnknownType, match="aws:s3/bukket:Bukket"):
        resource_class("aws:s3/bukket:Bukket")
    with pytest.raises(UnknownType, match="Install Trueup with the extra `azure`"):
        resource_class("azure:storage/account:Account")
