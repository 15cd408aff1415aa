"""The driver on a real API server: what the provider does in what the engine sees. Pulumi's provider is the tests' stand-in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from trueup.apply import checkpoints
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import State
from trueup_stacks.core.resources import Address, Options, Resource, Secret, Stack, StackId

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROVIDERS = Path(__file__).resolve().parents[2] / "providers"
STACK = StackId("staging", "churn", "serving")
MUTABLE = {"kubernetes:enableSecretMutable": "true", "kubernetes:enableConfigMapMutable": "true"}
RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture
def apply(cluster: Any, home: Path, pulumi_cli: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes the driver's operations on a stack that holds the given resources."""
    from trueup.apply import backend
    from trueup.apply.pulumi import Driver

    monkeypatch.setenv("PATH", os.pathsep.join([str(PROVIDERS), os.environ["PATH"]]))
    variables = {"KUBECONFIG": str(cluster.kubeconfig)}
    driver = Driver("demo", backend.resolve(State(), home), home, pulumi_cli, variables, configuration=MUTABLE)

    def run(*resources: Resource, refresh: bool = False, preview: bool = False) -> Any:
        stack = Stack(STACK, resources)
        if preview:
            return driver.preview(stack, {}, frozenset(), told, refresh)
        return driver.up(stack, {}, told, refresh=refresh)

    run.driver = driver  # type: ignore[attr-defined]
    return run


def told(reference: Secret) -> str:
    return f"the secret {reference.name}"


def resource(kind: str, name: str, namespace: str = "", options: Options | None = None, **properties: Any) -> Resource:
    inside = {"namespace": namespace} if namespace else {}
    return Resource(
        Address(STACK, f"kubernetes:{kind}", name),
        {"metadata": {"name": name, **inside, **properties.pop("metadata", {})}, **properties},
        Key("Endpoint", "churn", name),
        options=options or Options(),
    )


def deployment(namespace: str, image: str = "example.com/server:1", **spec: Any) -> Resource:
    labels = {"app": "server"}
    pod = {
        "securityContext": RESTRICTED,
        "containers": [
            {
                "name": "server",
                "image": image,
                "securityContext": HARDENED,
                "resources": {"requests": {"cpu": "1.5", "memory": "1024Mi"}},
            }
        ],
    }
    return resource(
        "apps/v1:Deployment",
        "server",
        namespace,
        spec={
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        | spec,
    )


def kinds(result: Any) -> dict[str, str]:
    return {s.address.name: s.action for s in result.changed}


def test_create_is_awaited_nothing_follows_and_what_is_dropped_is_deleted(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-create")
    service = resource("core/v1:Service", "server", name, spec={"selector": {"app": "server"}, "ports": [{"port": 80}]})
    preview = apply(deployment(name), preview=True)
    assert preview.ok and kinds(preview) == {"server": "create"}, preview.error
    assert not cluster.pods(name), "a preview makes nothing"
    done = apply(deployment(name), service)
    assert done.ok and not done.not_ready, done.error
    assert len(cluster.pods(name)) == 2 and not cluster.unready_pods(name)
    assert done.ids[Address(STACK, "kubernetes:apps/v1:Deployment", "server")] == f"{name}/server"
    for again in (apply(deployment(name), service), apply(deployment(name), service, refresh=True)):
        assert again.ok and kinds(again) == {}, "quantities and defaults are no difference"
    gone = apply(deployment(name))
    assert [(s.address.type, s.action) for s in gone.changed] == [("kubernetes:core/v1:Service", "delete")]
    assert not cluster.exists(f"/api/v1/namespaces/{name}/services/server")


def test_what_exists_is_taken_over_unless_somebody_set_it_otherwise(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-adopt")
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": name}}
    cluster.apply({**found, "data": {"a": "1", "theirs": "x"}})
    same = apply(resource("core/v1:ConfigMap", "mine", name, data={"a": "1"}))
    assert same.ok, same.error
    other = apply(resource("core/v1:ConfigMap", "mine", name, data={"a": "1", "theirs": "y"}))
    assert cluster.get(f"/api/v1/namespaces/{name}/configmaps/mine")["data"] == {"a": "1", "theirs": "y"}, other.error

    cluster.apply({**found, "metadata": {"name": "other", "namespace": name}, "data": {"a": "1"}})
    refused = apply(
        resource("core/v1:ConfigMap", "mine", name, data={"a": "1"}),
        resource("core/v1:ConfigMap", "other", name, data={"a": "2"}),
    )
    assert not refused.ok and 'conflict with "kubectl"' in refused.error and "--refresh" in refused.error, refused.error
    assert cluster.get(f"/api/v1/namespaces/{name}/configmaps/other")["data"] == {"a": "1"}


def test_a_secret_and_a_config_map_change_in_place_and_a_selector_replaces(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-replace")

    def all(token: str, value: str, app: str) -> tuple[Resource, ...]:
        made = deployment(name)
        spec: Mapping[str, Any] = made.properties["spec"]
        labels = {"app": app}
        changed = {**spec, "selector": {"matchLabels": labels}}
        changed["template"] = {**spec["template"], "metadata": {"labels": labels}}
        return (
            resource("core/v1:Secret", "key", name, stringData={"token": Secret("env", token)}),
            resource("core/v1:ConfigMap", "settings", name, data={"a": value}),
            Resource(made.address, {**made.properties, "spec": changed}, made.origin),
        )

    assert apply(*all("one", "1", "server")).ok
    uid = cluster.get(f"/api/v1/namespaces/{name}/secrets/key")["metadata"]["uid"]
    preview = apply(*all("two", "2", "other"), preview=True)
    assert kinds(preview) == {"key": "update", "settings": "update", "server": "replace"}, preview.error
    done = apply(*all("two", "2", "other"))
    assert done.ok and kinds(done) == kinds(preview), done.error
    secret = cluster.get(f"/api/v1/namespaces/{name}/secrets/key")
    assert secret["metadata"]["uid"] == uid and secret["data"] == {"token": "dGhlIHNlY3JldCB0d28="}
    state = apply.driver.state(STACK)
    assert "the secret" not in repr(state) and "dGhlIHNlY3JldCB" not in repr(state)
    assert kinds(apply(*all("two", "2", "other"), refresh=True)) == {}


def test_a_workload_that_is_not_ready_is_kept_with_its_reason_at_its_deadline(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-unready")
    done = apply(deployment(name, "example.com/missing-image:1", progressDeadlineSeconds=1))
    (reason,) = done.not_ready.values()
    assert done.ok and "ImagePullBackOff" in reason and "Back-off pulling image" in reason, done
    mended = apply(deployment(name, progressDeadlineSeconds=1))
    assert mended.ok and not mended.not_ready, mended


def test_what_the_api_server_refuses_is_an_error_that_names_the_field(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-refused")
    done = apply(deployment(name, replicaz=3))
    assert not done.ok and "replicaz" in done.error, done.error
    missing = apply(resource("example.com/v1:Widget", "w", name, spec={}))
    assert not missing.ok and "CustomResourceDefinitions" in missing.error, missing.error


def test_a_live_object_is_imported_and_changed_afterwards(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-import")
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": name}, "data": {"a": "1"}}
    )
    wanted = resource("core/v1:ConfigMap", "old", name, Options(import_id=f"{name}/old"), data={"a": "1"})
    done = apply.driver.import_(wanted, told)
    assert done.ok, done.error
    changed = apply(resource("core/v1:ConfigMap", "old", name, data={"a": "2"}))
    assert changed.ok and kinds(changed) == {"old": "update"}, changed.error
    assert cluster.get(f"/api/v1/namespaces/{name}/configmaps/old")["data"] == {"a": "2"}


def test_destroy_deletes_everything_and_waits(apply: Any, cluster: Any) -> None:
    name = cluster.namespace("d-destroy")
    assert apply(deployment(name)).ok
    done = apply.driver.destroy(STACK)
    assert done.ok, done.error
    assert not cluster.exists(f"/apis/apps/v1/namespaces/{name}/deployments/server") and not cluster.pods(name)


def test_what_an_interrupted_creation_left_and_nobody_wants_any_more_is_deleted(apply: Any, cluster: Any) -> None:
    """The state is one that a kill leaves: a creation that was begun and is not recorded as ended, whose object is there."""
    name = cluster.namespace("d-orphan")
    left = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "left", "namespace": name},
        "data": {"a": "1"},
    }
    assert apply(resource("core/v1:ConfigMap", "kept", name, data={"a": "1"})).ok
    cluster.apply(left)
    path = checkpoints.locate(apply.driver.backend.folder, "demo", STACK)
    document = json.loads(path.read_text())
    latest = document["checkpoint"]["latest"]
    (known,) = (r for r in latest["resources"] if r["type"] == "kubernetes:core/v1:ConfigMap")
    begun = {k: known[k] for k in ("custom", "type", "parent", "provider") if k in known}
    urn = Address(STACK, "kubernetes:core/v1:ConfigMap", "left").urn("demo")
    latest["pending_operations"] = [{"resource": {**begun, "urn": urn, "inputs": left}, "type": "creating"}]
    path.write_text(json.dumps(document))
    done = apply(resource("core/v1:ConfigMap", "kept", name, data={"a": "1"}))
    assert done.ok and "no longer wanted" in " ".join(done.recovered), done
    assert not cluster.exists(f"/api/v1/namespaces/{name}/configmaps/left"), done
    assert cluster.exists(f"/api/v1/namespaces/{name}/configmaps/kept")
