"""Every manifest of the target `kubernetes` before a real API server: taken under strict validation, stored as written, and in force.

The manifests are those of the scene that the golden resources come from (tests/unit/stacks). Pods run nothing here (tests/cluster).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from trueup.compile.compilation import compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource, Secret
from trueup_stacks.kubernetes import tokens

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCENES = Path(__file__).resolve().parents[1] / "unit" / "stacks"
PREFIX = "s-manifests-"
CHURN, SHARED = f"{PREFIX}churn", f"{PREFIX}shared"
Manifest = dict[str, Any]


def resources() -> list[Resource]:
    """The scene's, in namespaces of their own and with room for its pods."""
    sys.path.append(str(SCENES))
    from trueup_test_scenes import scene, with_spec

    given = scene("kubernetes")
    spec: Any = given.settings
    kept = spec.cluster.namespaces.model_copy(update={"quota": {"requests.cpu": "20.5", "pods": 100}})
    cluster = spec.cluster.model_copy(update={"namespace_prefix": PREFIX, "namespaces": kept})
    changed = with_spec(given, Key("Environment", "", "prod"), spec.model_copy(update={"cluster": cluster}))
    return [r for r in compile_catalog(changed).resources() if r.address.type.startswith("kubernetes:")]


def manifest(resource: Resource) -> Manifest:
    token = resource.address.type
    return {
        "apiVersion": tokens.api_version(token),
        "kind": tokens.kind(token),
        **{k: resolved(v) for k, v in resource.properties.items()},
    }


def resolved(value: Any) -> Any:
    """With secrets in clear, as the driver hands them over."""
    match value:
        case Secret(name="pull"):
            return json.dumps({"auths": {"example.com": {"auth": "eDp5"}}})
        case Secret():
            return "hidden"
        case dict():
            return {k: resolved(v) for k, v in value.items()}
        case list() | tuple():
            return [resolved(v) for v in value]
    return value


def differences(written: Any, stored: Any, path: str = "") -> Iterator[str]:
    """Where what is stored is not what was written. What is only stored (defaults, status) is none."""
    if isinstance(written, dict) and isinstance(stored, dict):
        for key, value in written.items():
            if key == "stringData":
                continue  # can only be written; stored as `data`
            yield from differences(value, stored.get(key), f"{path}.{key}")
    elif isinstance(written, list) and isinstance(stored, list) and len(written) == len(stored):
        for number, (a, b) in enumerate(zip(written, stored, strict=True)):
            yield from differences(a, b, f"{path}[{number}]")
    elif written != stored and not (written in ({}, [], "") and stored is None):
        yield f"{path}: {written!r} is stored as {stored!r}"


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return [manifest(r) for r in resources()]


@pytest.fixture(scope="module")
def crds(cluster: Any) -> Any:
    """The cluster with the components that the scene names."""
    if not cluster.install_crds("argo-rollouts", "gateway-api", "keda", "kserve", "prometheus-operator"):
        pytest.skip("the CustomResourceDefinitions are not there")
    return cluster


@pytest.fixture(scope="module")
def applied(crds: Any, manifests: list[Manifest]) -> Iterator[Any]:
    """The cluster with all of them, in the order of the stacks."""
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "serving"},
        "value": 1000,
    }
    crds.apply(priority, *(m for m in manifests if m["kind"] == "Namespace"))
    crds.apply(*manifests)
    yield crds
    whole = [m for m in manifests if "namespace" not in m["metadata"]]
    for made in [priority, *whole]:
        crds.kubectl("delete", made["kind"], made["metadata"]["name"], "--wait=false", "--ignore-not-found")


def test_the_server_takes_every_manifest_under_strict_validation(crds: Any, manifests: list[Manifest]) -> None:
    crds.apply(*(m for m in manifests if m["kind"] == "Namespace"))
    said = crds.apply(*manifests, dry_run=True).splitlines()
    assert len(said) == len(manifests) >= 60
    assert len({m["kind"] for m in manifests}) >= 20
    assert all(line.endswith("serverside-applied (server dry run)") for line in said)


def test_strict_validation_is_strict(crds: Any, manifests: list[Manifest]) -> None:
    rollout = deepcopy(next(m for m in manifests if m["kind"] == "Rollout"))
    rollout["spec"]["strategy"]["canari"] = {}
    with pytest.raises(AssertionError, match="canari"):
        crds.apply(rollout, dry_run=True)


def test_what_is_stored_is_what_was_written(applied: Any, manifests: list[Manifest]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    stored = json.loads(applied.kubectl("get", "-f", "-", "-o", "json", text=json.dumps(listed)))["items"]
    assert len(stored) == len(manifests)
    found = {
        f"{m['kind']}/{m['metadata']['name']}": wrong
        for m, s in zip(manifests, stored, strict=True)
        if (wrong := list(differences(m, s)))
    }
    assert found == {}


def test_pods_start_under_the_restricted_level_and_stand_in_different_zones(applied: Any) -> None:
    applied.until(lambda: len(applied.pods(CHURN)) >= 3 and not applied.unready_pods(CHURN), "the pods are ready")
    pods = applied.pods(CHURN, "app.kubernetes.io/name=churn")
    zones = {pod["spec"]["nodeName"].rpartition("-")[0] for pod in pods}
    assert len(pods) == len(zones) == 2
    namespace = applied.get(f"/api/v1/namespaces/{CHURN}")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_pod_with_more_rights_is_refused(applied: Any) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": CHURN},
        "spec": {"containers": [{"name": "a", "image": "example.com/a", "resources": {"requests": {"cpu": "1"}}}]},
    }
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted'):
        applied.apply(pod, dry_run=True)


@pytest.mark.parametrize(
    ("who", "may", "what", "where", "answer"),
    [
        ("lena@example.com", "get", "pods", CHURN, "yes"),
        ("lena@example.com", "delete", "pods", CHURN, "yes"),
        ("lena@example.com", "patch", "deployments.apps", CHURN, "yes"),
        ("deployer@example.com", "create", "deployments.apps", CHURN, "yes"),
        ("deployer@example.com", "get", "pods", CHURN, "no"),
        ("amira@example.com", "get", "pods", CHURN, "no"),
        ("lena@example.com", "create", "rolebindings.rbac.authorization.k8s.io", CHURN, "no"),
        pytest.param(
            *("platform-engineers", "get", "pods", SHARED, "yes"),
            marks=pytest.mark.capability(
                "infrastructure/security-hardening", by="trueup_stacks.kubernetes.access:_subjects_of"
            ),
        ),
        ("platform-engineers", "get", "secrets", SHARED, "no"),
        ("platform-engineers", "delete", "pods", SHARED, "no"),
    ],
)
def test_rights_are_those_of_teams_and_policies(
    applied: Any, who: str, may: str, what: str, where: str, answer: str
) -> None:
    person = ("--as", who) if "@" in who else ("--as", "somebody", "--as-group", who)
    said = applied.kubectl("auth", "can-i", may, what, "--namespace", where, *person, code=None)
    assert said.strip().splitlines()[-1] == answer


def test_the_cluster_refuses_what_a_mandatory_policy_refuses(applied: Any, manifests: list[Manifest]) -> None:
    deployment = deepcopy(next(m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["name"] == "other"))
    deployment["metadata"]["name"] = "resource.name"

    def with_servers(count: int) -> Manifest:
        return {**deployment, "spec": {**deployment["spec"], "replicas": count}}

    applied.until(lambda: _denied(applied, with_servers(100)), "the policy is in force")
    assert _denied(applied, with_servers(100)) and not _denied(applied, with_servers(99))


def _denied(cluster: Any, deployment: Manifest) -> bool:
    try:
        cluster.apply(deployment, dry_run=True)
    except AssertionError as error:
        assert "A hundred servers are too many." in str(error)
        return True
    return False
