"""Every manifest of the target `kubernetes` before a real API server: taken under strict validation, applied by `trueup apply`, stored as
written, in force, and no change for the next plan.

The specs are those of the scene that the golden resources come from (tests/unit/stacks), written into a repository: what a kind gains
there is applied here. Pods run nothing (tests/cluster), the provider is the stand-in of tests/providers, and of the components' own
controllers Argo Rollouts runs, where it is built.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cluster.drifts import DRIFTS, Drift
from trueup.compile.compilation import compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource, Secret
from trueup_stacks.kubernetes import tokens
from trueup_stacks.kubernetes.target import KUBERNETES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TESTS = Path(__file__).resolve().parents[1]
SCENES = TESTS / "unit" / "stacks"
PREFIX = "s-manifests-"
CHURN, SHARED = f"{PREFIX}churn", f"{PREFIX}shared"
CRDS = ("argo-rollouts", "gateway-api", "keda", "kserve", "prometheus-operator")
SIGNER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFCFTXHMUKe3s6g1k0gtgRYSBKehuGNyzAQq8IcJFQFu lena"
PULL = json.dumps({"auths": {"example.com": {"auth": "eDp5"}}})
Manifest = dict[str, Any]


def specs(registry: str) -> dict[Key, Any]:
    """The scenes', less what the target refuses, and with what a repository needs beside: keys, versions, data, room for its pods."""
    watched, served = (
        YAML(typ="safe").load((SCENES / "scenes" / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("monitoring", "kubernetes")
    )
    found = {Key.parse(text): spec for text, spec in {**watched, **served}.items()}
    found[Key("DataSource", "churn", "raw")] = {"file": {"url": "raw.csv", "format": "csv"}}
    found[Key("AlertRoute", "churn", "growth")]["routes"][0].pop("teams")  # of whom no document here is
    for key, spec in found.items():
        for field in KUBERNETES.kinds[key.kind].unhonoured:
            if not field.harmless:
                _without(spec, field.path.removeprefix("spec.").split("."))
    environment = found[Key("Environment", "", "prod")]
    for name, value in own_servers().items():
        environment[name] = value
    found[Key("ObjectStore", "shared", "models")] = {"bucket": "shop-models"}
    environment["registry"]["trackingUri"] = registry
    environment["secretStores"] = [{"name": "vault", "type": "env"}]
    environment["cluster"] |= {"namespacePrefix": PREFIX}
    environment["cluster"]["namespaces"]["quota"] = {"requests.cpu": "20.5", "pods": 100}
    found[Key("Team", "", "growth")]["members"][0]["signingKeys"] = [SIGNER]
    found[Key("Model", "churn", "churn")] = {
        "task": "classification",
        "version": 3,
        "aliases": [{"name": "champion"}, {"name": "stable", "version": 2}],
    }
    schedule = found[Key("Pipeline", "churn", "train")]["triggers"][0]["schedule"]
    found[Key("Pipeline", "churn", "train")]["triggers"] = [{"schedule": schedule}]
    servers = found[Key("Endpoint", "churn", "churn")]["predictor"]
    del servers["workers"]  # a monitor reads one process of each server
    for probe in servers["probes"].values():
        probe["period"] = "9s"
    return found


def own_servers() -> dict[str, Any]:
    """Those of the registry and of the feature store, in a namespace of this environment and with its store of secrets."""
    text = (SCENES / "scenes" / "registry.yaml").read_text(encoding="utf-8")
    for theirs, ours in (("platform", "shared"), ("store: vars", "store: vault")):
        text = text.replace(theirs, ours)
    kept = YAML(typ="safe").load(text)["Environment/prod"]
    return {name: kept[name] for name in ("registry", "featureStore")}


def _without(value: Any, steps: list[str]) -> None:
    for item in value if isinstance(value, list) else [value]:
        name = steps[0].removesuffix("[]")
        if len(steps) == 1:
            item.pop(name, None)
        elif name in item:
            _without(item[name], steps[1:])


def resources(registry: str) -> list[Resource]:
    """What becomes of them on the cluster."""
    sys.path.append(str(SCENES))
    from trueup_test_scenes import catalog

    return [
        r for r in compile_catalog(catalog(specs(registry))).resources() if r.address.type.startswith("kubernetes:")
    ]


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
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the models' versions are registered."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    for name, count in (("churn.churn", 3), ("churn.pinned", 4)):
        client.create_registered_model(name)
        for _ in range(count):
            client.create_model_version(name, f"file:///models/{name}")
    return uri


@pytest.fixture(scope="module")
def manifests(registry: str) -> list[Manifest]:
    return [manifest(r) for r in resources(registry)]


@pytest.fixture(scope="module")
def crds(cluster: Any) -> Any:
    """The cluster with the components that the scene names."""
    if not cluster.install_crds(*CRDS):
        pytest.skip("the CustomResourceDefinitions are not there")
    return cluster


@pytest.fixture(scope="module")
def repository(crds: Any, make_repository: Callable[..., Any], registry: str) -> Any:
    """The specs as a repository."""
    found, given = make_repository("empty"), specs(registry)
    place = {"kubeconfig": str(crds.kubeconfig), "context": "trueup-tests"}
    given[Key("Environment", "", "prod")]["cluster"] |= place
    header = {"apiVersion": "trueup.dev/v1alpha1"}
    documents = [{**header, "kind": "Workspace", "metadata": {"name": "shop"}, "spec": {"defaultNamespace": "churn"}}]
    for key, spec in {Key("Environment", "", "dev"): {}, **given}.items():
        metadata = {"name": key.name, "owner": "ml", "labels": {"tier": "gold"}}
        if key.namespace:
            metadata |= {"namespace": key.namespace, "environments": ["prod"]}
        documents.append({**header, "kind": key.kind, "metadata": metadata, "spec": spec})
    documents.append({**header, "kind": "Team", "metadata": {"name": "ml"}, "spec": {"members": [{"user": "amira"}]}})
    with (found.folder / "trueup.yaml").open("w") as file:
        YAML().dump_all(documents, file)
    (found.folder / "raw.csv").write_text("id\na\n")
    (found.folder / "steps").mkdir()
    (found.folder / "steps" / "pylock.toml").write_text('lock-version = "1.0"\ncreated-by = "tests"\npackages = []\n')
    found.commit("Everything")
    found.variables |= {
        "PATH": os.pathsep.join([str(TESTS / "providers"), os.environ["PATH"]]),
        "GIT_AUTHOR_EMAIL": "lena@example.com",
        "GIT_COMMITTER_EMAIL": "lena@example.com",
        **{"token": "hidden"},
        **dict.fromkeys(
            ("pull", "slack", "teams", "mail", "hook", "pager", "opsgenie", "mlflow", "minio", "feast", "redis"),
            json.dumps({"json": PULL, "url": "u", "routing": "r"}),
        ),
    }
    return found


@contextmanager
def canaries(cluster: Any, manifests: list[Manifest]) -> Iterator[None]:
    """Argo Rollouts in the canary's namespace; where it is not built, a pod such as it would make, since somebody waits for one."""
    from cluster.building import ROLLOUTS
    from cluster.controllers import rollouts

    if ROLLOUTS.built():
        with rollouts(cluster, CHURN):
            yield
        return
    rollout = next(m for m in manifests if m["kind"] == "Rollout" and m["metadata"]["namespace"] == CHURN)
    pod = deepcopy(rollout["spec"]["template"])
    pod["spec"].pop("serviceAccountName")
    cluster.namespace(CHURN)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            **pod,
            "metadata": {**pod["metadata"], "name": "canary", "namespace": CHURN},
        }
    )
    yield


@pytest.fixture(scope="module")
def applied(crds: Any, repository: Any, manifests: list[Manifest]) -> Iterator[Any]:
    """The cluster with all of them."""
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "serving"},
        "value": 1000,
    }
    crds.apply(priority)
    with canaries(crds, manifests):
        repository.trueup("apply", "prod", "--yes")
        yield crds
    for kind, name in (("PriorityClass", "serving"), ("ValidatingAdmissionPolicyBinding", "shop-prod-replicas")):
        crds.kubectl("delete", kind, name, "--wait=false", "--ignore-not-found")
    crds.kubectl("delete", "namespace", CHURN, SHARED, "--wait=false", "--ignore-not-found")


def test_nothing_is_left_to_do_whatever_controllers_and_autoscalers_do_meanwhile(applied: Any, repository: Any) -> None:
    """An autoscaler's replicas are its own, and what the server and controllers add is no change."""
    applied.kubectl("scale", "deployment/churn", "--replicas=3", "--namespace", CHURN)
    applied.until(lambda: len(applied.pods(CHURN, "app.kubernetes.io/name=churn")) == 3, "it is scaled")
    planned = repository.trueup("plan", "prod", "--refresh", "--output", "json").json
    assert planned["steps"] == []
    previews = {p["stack"]: p for p in planned["preview"]}
    assert len(previews) == 6 and all(p["ok"] for p in previews.values()), previews
    changed = [s for p in previews.values() for s in p["steps"] if s["action"] not in ("same", "refresh")]
    assert changed == []
    assert sum(len(p["steps"]) for p in previews.values()) >= 76


def test_the_server_takes_every_manifest_under_strict_validation(applied: Any, manifests: list[Manifest]) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    how = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server")
    said = applied.kubectl("apply", *how, "-f", "-", text=listed).splitlines()
    assert len(said) == len(manifests) >= 60
    assert len({m["kind"] for m in manifests}) >= 20
    assert all(line.endswith("serverside-applied (server dry run)") for line in said)


def test_strict_validation_is_strict(crds: Any, manifests: list[Manifest]) -> None:
    rollout = deepcopy(next(m for m in manifests if m["kind"] == "Rollout"))
    rollout["spec"]["strategy"]["canari"] = {}
    with pytest.raises(AssertionError, match="canari"):
        crds.apply(rollout, dry_run=True)


def stored_otherwise(applied: Any, manifests: list[Manifest]) -> dict[str, list[str]]:
    """Object → where what is stored is not what was written."""
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    stored = json.loads(applied.kubectl("get", "-f", "-", "-o", "json", text=json.dumps(listed)))["items"]
    assert len(stored) == len(manifests)
    return {
        f"{m['kind']}/{m['metadata']['name']}": wrong
        for m, s in zip(manifests, stored, strict=True)
        if (wrong := list(differences(m, s)))
    }


def test_what_is_stored_is_what_was_written(applied: Any, manifests: list[Manifest]) -> None:
    assert stored_otherwise(applied, manifests) == {}


def test_pods_start_under_the_restricted_level_and_stand_in_different_zones(applied: Any) -> None:
    applied.until(lambda: len(applied.pods(CHURN)) >= 3 and not applied.unready_pods(CHURN), "the pods are ready")
    pods = applied.pods(CHURN, "app.kubernetes.io/name=churn")
    zones = {pod["spec"]["nodeName"].rpartition("-")[0] for pod in pods}
    assert len(pods) == len(zones) >= 2
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
        pytest.param(
            *("deployer@example.com", "create", "deployments.apps", CHURN, "yes"),
            marks=pytest.mark.capability(
                "model-development/security-configuration", by="trueup_stacks.kubernetes.namespaces:_inside"
            ),
        ),
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


@pytest.mark.capability("infrastructure/compliance-automation", by="trueup_stacks.kubernetes.admission:emit_policy")
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


@pytest.fixture(scope="module")
def drifted(applied: Any, repository: Any) -> dict[str, dict[str, Any]]:
    """What Trueup says is drift, by the object, when everything was done to the cluster that `cluster.drifts` has."""
    for drift in DRIFTS:
        drift.do(applied, CHURN)
    found = repository.trueup("drift", "prod", "--output", "json").json["drift"]
    parts = [(d["resource"].split("::"), d) for d in found]
    return {f"{token.rpartition(':')[2]} {name}": d for (_, token, name), d in parts}


def test_only_what_is_drift_is_named(drifted: dict[str, dict[str, Any]]) -> None:
    """Not what an autoscaler, a controller, a mesh or a person with a label does beside Git."""
    expected: dict[str, set[str]] = {}
    for drift in DRIFTS:
        if drift.is_drift:
            expected.setdefault(drift.drifted, set()).update(drift.told)
    assert {name: {c["path"] for c in d.get("changes", ())} for name, d in drifted.items()} == expected


@pytest.mark.parametrize("drift", [pytest.param(d, id=f"{d.object}: {d.what}") for d in DRIFTS if d.is_drift])
def test_what_is_done_by_hand_is_named(drifted: dict[str, dict[str, Any]], drift: Drift) -> None:
    found = drifted[drift.drifted]
    assert (found["what"] == "gone") == drift.gone
    assert set(drift.told) <= {c["path"] for c in found.get("changes", ())}


def test_an_apply_puts_it_right_and_leaves_the_rest(
    drifted: dict[str, dict[str, Any]], applied: Any, repository: Any, manifests: list[Manifest]
) -> None:
    assert drifted
    repository.trueup("apply", "prod", "--yes")
    assert repository.trueup("drift", "prod", "--output", "json").json["drift"] == []
    meshed = ("Deployment", "churn")
    others = [m for m in manifests if (m["kind"], m["metadata"]["name"]) != meshed]
    assert stored_otherwise(applied, others) == {}
    deployment = applied.get(f"/apis/apps/v1/namespaces/{CHURN}/deployments/churn")
    assert deployment["metadata"]["labels"]["cost"] == "a1" and deployment["spec"]["replicas"] == 4
    assert [c["name"] for c in deployment["spec"]["template"]["spec"]["containers"]] == ["predictor", "debug"]
    other = applied.get(f"/apis/apps/v1/namespaces/{CHURN}/deployments/other")["spec"]["template"]["spec"]
    assert [c["name"] for c in other["containers"]] == ["predictor"] and "shareProcessNamespace" not in other
    assert applied.get(f"/api/v1/namespaces/{CHURN}/services/stepwise")["metadata"]["annotations"]["looked-at"]
