"""MLflow's tracking server as a workload of the environment: who asks it by which name, what it may reach, what stands against it."""

from __future__ import annotations

from typing import Any

import pytest
from trueup_test_scenes import catalog, compiled

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource, encode
from trueup_stacks.kubernetes import tokens

DIGEST = f"@sha256:{'0' * 64}"
INSIDE = "http://mlflow.platform.svc"
OUTSIDE = "https://mlflow.example.com"
BASE: dict[str, Any] = {
    "namespace": "platform",
    "image": f"example.com/mlflow{DIGEST}",
    "backendStore": {"secretRef": {"store": "vars", "name": "database"}},
    "artifactsDestination": "s3://shop-models/mlflow",
}


def made(
    server: Any = (), cluster: Any = (), documents: Any = (), target: str = "kubernetes", **environment: Any
) -> Compilation:
    specs: dict[str, Any] = {
        "Environment/prod": {
            "target": target,
            "registry": {"trackingUri": OUTSIDE, "server": {**BASE, **dict(server)}},
            "secretStores": [{"name": "vars", "type": "env"}, {"name": "vault", "type": "external"}],
            **({"cluster": dict(cluster)} if target == "kubernetes" and "clusters" not in environment else {}),
            **environment,
        },
        **dict(documents),
    }
    return compile_catalog(catalog({Key.parse(text): spec for text, spec in specs.items()}))


def the(compilation: Compilation, token: str, name: str = "mlflow") -> Resource:
    found = [r for r in compilation.resources() if (r.address.type, r.address.name) == (token, name)]
    assert len(found) == 1
    return found[0]


def variables(resource: Resource) -> dict[str, Any]:
    spec: Any = encode(resource.properties["spec"])
    template = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return {e["name"]: e.get("value") for c in template["spec"]["containers"] for e in c["env"]}


def test_pods_ask_the_server_by_its_name_in_the_cluster_and_trueup_by_the_one_outside() -> None:
    model = {"task": "classification", "version": 3, "aliases": [{"name": "champion"}]}
    documents = {
        "Model/churn/churn": model,
        "Endpoint/churn/churn": {"model": {"name": "churn"}, "predictor": {"image": f"example.com/server{DIGEST}"}},
        "Pipeline/churn/train": {"image": f"example.com/steps{DIGEST}", "steps": [{"name": "all", "run": ["true"]}]},
    }
    compilation = made(documents=documents, runner={"type": "jobs"})
    assert compilation.diagnostics == ()
    for token, name in ((tokens.DEPLOYMENT, "churn"), (tokens.CRON_JOB, "train-pipeline")):
        assert variables(the(compilation, token, name))["MLFLOW_TRACKING_URI"] == INSIDE
    aliases = [r for r in compilation.resources() if r.address.type == "trueup:registry:Alias"]
    assert [a.properties["trackingUri"] for a in aliases] == [OUTSIDE]
    # An endpoint's pods load their model from the server, which is there first.
    assert the(compilation, tokens.SERVICE).address in the(compilation, tokens.DEPLOYMENT, "churn").depends_on


def test_ways_out_are_open_and_secrets_there_before_the_pods_which_get_ready_only_with_their_database() -> None:
    compilation = compiled("registry")
    for name in ("mlflow", "feast"):
        before = {a.type for a in the(compilation, tokens.DEPLOYMENT, name).depends_on if a.name == name}
        wanted = {tokens.SERVICE_ACCOUNT, tokens.NETWORK_POLICY, tokens.SECRET, tokens.EXTERNAL_SECRET}
        assert before == wanted | ({tokens.CONFIG_MAP} if name == "feast" else set())


def test_no_password_is_in_the_manifest_and_the_schema_is_brought_up_to_date_before_the_server_starts() -> None:
    template: Any = encode(the(made(), tokens.DEPLOYMENT).properties["spec"]["template"]["spec"])
    [prepare], [server] = template["initContainers"], template["containers"]
    assert prepare["command"] == ["mlflow", "db", "upgrade", "$(MLFLOW_BACKEND_STORE_URI)"]
    assert prepare["image"] == server["image"] and prepare["securityContext"] == server["securityContext"]
    for container in (prepare, server):
        assert container["env"][0] == {
            "name": "MLFLOW_BACKEND_STORE_URI",
            "valueFrom": {"secretKeyRef": {"name": "mlflow", "key": "MLFLOW_BACKEND_STORE_URI"}},
        }


def named(peer: Any) -> str:
    """The namespace that a peer of a policy is."""
    return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])


def ports(rules: Any) -> list[tuple[str, list[int]]]:
    """Where rules of egress lead: a network or a namespace, and the ports."""
    found = []
    for rule in rules:
        [peer] = rule["to"]
        where = peer["ipBlock"]["cidr"] if "ipBlock" in peer else named(peer)
        found.append((where, [p["port"] for p in rule.get("ports", ())]))
    return found


ANYWHERE = "0.0.0.0/0"


@pytest.mark.parametrize(
    ("server", "ways"),
    [
        ({}, [(ANYWHERE, [5432, 3306, 1433]), (ANYWHERE, [443])]),
        ({"backendStore": "postgresql+psycopg2://db.example.com/mlflow"}, [(ANYWHERE, [5432]), (ANYWHERE, [443])]),
        ({"backendStore": "mysql+pymysql://10.1.2.3:3307/mlflow"}, [("10.1.2.3/32", [3307]), (ANYWHERE, [443])]),
        ({"backendStore": "postgresql://db.databases.svc/mlflow"}, [("databases", []), (ANYWHERE, [443])]),
        (
            {"env": {"MLFLOW_S3_ENDPOINT_URL": "http://minio.storage.svc.cluster.local:9000"}},
            [(ANYWHERE, [5432, 3306, 1433]), ("storage", [])],
        ),
        ({"egress": [{"name": "all", "cidr": "10.1.0.0/16", "ports": [5432, 443]}]}, [("10.1.0.0/16", [5432, 443])]),
    ],
)
def test_it_reaches_its_database_and_its_bucket_and_nothing_else(server: Any, ways: Any) -> None:
    policy = the(made(server), tokens.NETWORK_POLICY).properties["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert ports(policy["egress"]) == ways


def test_it_is_reached_by_endpoints_and_runs_the_gateway_and_whom_the_spec_names() -> None:
    found = the(
        made({"reachableFrom": ["ingress-nginx"]}, {"gateway": {"className": "envoy", "namespace": "envoy"}}),
        tokens.NETWORK_POLICY,
    )
    [rule] = found.properties["spec"]["ingress"]
    assert rule["ports"] == [{"port": 5000, "protocol": "TCP"}]
    inside, *others = rule["from"]
    assert inside["namespaceSelector"] == {"matchLabels": {"trueup/environment": "prod"}}
    [expression] = inside["podSelector"]["matchExpressions"]
    assert expression["values"] == ["predictor", "pipeline"]
    assert [named(peer) for peer in others] == ["envoy", "ingress-nginx"]


def test_where_the_platform_keeps_the_namespaces_what_leaves_the_server_is_left_alone() -> None:
    policy = the(made(cluster={"namespaces": {"manage": False}}), tokens.NETWORK_POLICY).properties["spec"]
    assert policy["policyTypes"] == ["Ingress"] and "egress" not in policy


def test_its_namespace_is_kept_like_any_other_and_a_single_replica_has_no_budget_that_would_hold_up_a_drain() -> None:
    one, two = made(), made({"replicas": 2})
    for compilation in (one, two):
        labels = the(compilation, tokens.NAMESPACE, "platform").properties["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    budgets = [[r for r in c.resources() if r.address.type == tokens.DISRUPTION_BUDGET] for c in (one, two)]
    assert [len(found) for found in budgets] == [0, 1]


def test_of_several_clusters_it_stands_on_the_first_and_pods_of_the_others_go_by_the_name_outside() -> None:
    clusters = [{"name": "paris", "priority": 1}, {"name": "frankfurt"}]
    endpoint = {"model": {"name": "churn"}, "predictor": {"image": f"example.com/server{DIGEST}"}}
    documents = {"Model/churn/churn": {"task": "classification", "version": 3}, "Endpoint/churn/churn": endpoint}
    compilation = made(documents=documents, clusters=clusters)
    deployments = [r for r in compilation.resources() if r.address.type == tokens.DEPLOYMENT]
    assert {r.address.stack.cluster for r in deployments if r.address.name == "mlflow"} == {"frankfurt"}
    asked = {r.address.stack.cluster: variables(r) for r in deployments if r.address.name == "churn"}
    assert {c: v["MLFLOW_TRACKING_URI"] for c, v in asked.items()} == {"frankfurt": INSIDE, "paris": OUTSIDE}


@pytest.mark.parametrize(
    ("bucket", "destination"),
    [
        ({"objectStore": "platform/models"}, "s3://shop-models"),
        ({"objectStore": "platform/models", "path": "/mlflow/"}, "s3://shop-models/mlflow"),
        ("abfss://models@shop.dfs.core.windows.net/mlflow", "abfss://models@shop.dfs.core.windows.net/mlflow"),
    ],
)
def test_artifacts_go_into_a_bucket_by_its_url_or_by_an_object_store(bucket: Any, destination: str) -> None:
    compilation = made(
        {"artifactsDestination": bucket}, documents={"ObjectStore/platform/models": {"bucket": "shop-models"}}
    )
    [server] = the(compilation, tokens.DEPLOYMENT).properties["spec"]["template"]["spec"]["containers"]
    assert f"--artifacts-destination={destination}" in server["args"] and "--serve-artifacts" in server["args"]


def said(compilation: Compilation) -> list[str]:
    return [d.summary.partition(": ")[2] for d in compilation.diagnostics if d.code == "TRU2006"]


def test_what_stands_against_it_is_an_error_at_plan() -> None:
    store = {"artifactsDestination": {"objectStore": "platform/models"}}
    assert (
        "has a name that is made from the environment"
        in said(made(store, documents={"ObjectStore/platform/models": {}}))[0]
    )
    outside = {"backendStore": {"secretRef": {"store": "vault", "name": "database"}}}
    assert "needs External Secrets" in said(made(outside))[0]
    assert said(made(outside, {"components": ["external-secrets"]})) == []
    endpoint = {"model": {"name": "m"}, "predictor": {"image": f"example.com/server{DIGEST}"}}
    documents = {"Model/platform/m": {"task": "classification", "version": 3}, "Endpoint/platform/mlflow": endpoint}
    assert said(made(documents=documents)) == [
        "Endpoint/platform/mlflow stands there, and its objects have the names of the server's."
    ]
    assert said(made({"backendStore": None, "namespace": None})) == [
        "the server `mlflow` lacks it.",
        "the server `mlflow` lacks it.",
    ]


def test_a_target_that_is_no_cluster_refuses_it_with_the_reason() -> None:
    for target, reason in (
        ("local", "One machine keeps no containers"),
        ("aws", "This target makes object stores only"),
    ):
        [found] = [d for d in made(target=target, cloud={"region": "eu-central-1"}).diagnostics if d.code == "TRU2002"]
        assert "Environment/prod sets spec.registry.server" in found.summary and found.detail.startswith(reason)


def test_azures_identity_needs_a_label_of_the_pods_too() -> None:
    account = {"annotations": {"azure.workload.identity/client-id": "1234"}}
    compilation = made({"serviceAccount": account})
    annotations = the(compilation, tokens.SERVICE_ACCOUNT).properties["metadata"]["annotations"]
    labels = the(compilation, tokens.DEPLOYMENT).properties["spec"]["template"]["metadata"]["labels"]
    assert annotations["azure.workload.identity/client-id"] == "1234"
    assert labels["azure.workload.identity/use"] == "true"
