"""`trueup render` for who leaves, or runs Argo CD or Flux: its files, applied with kubectl alone, make the same of a cluster as an apply.

The same specs are applied by Trueup under one prefix of namespaces and by kubectl under another, on a real control plane (tests/cluster;
the provider is the stand-in of tests/providers), and every object that either has is compared, whoever made it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OURS, THEIRS = "k-applied-", "k-rendered-"
SPACE = "churn"
TOKEN = "      TOKEN: { secretRef: { store: vars, name: CHURN_TOKEN } }\n"
STORE = "  secretStores: [{ name: vars, type: env }]\n  registry:\n"
OF_CONTROLLERS = {"Event", "Endpoints", "EndpointSlice", "ReplicaSet", "Pod", "Lease"}
"""Kinds that nobody applies, and whose names are drawn by lot."""
OF_THE_SERVER = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
Objects = dict[str, Any]


@pytest.fixture(scope="module")
def repository(churn_on_cluster: Callable[..., Any], cluster: Any) -> Iterator[Any]:
    """The example, of which one endpoint has a secret, applied to the cluster by Trueup."""
    yield churn_on_cluster(OURS, ("  registry:\n", STORE), env=TOKEN, CHURN_TOKEN="of-churn")
    for prefix in (OURS, THEIRS):
        cluster.kubectl("delete", "namespace", f"{prefix}{SPACE}", "--wait=false", "--ignore-not-found")


def pods(cluster: Any, prefix: str) -> dict[str, int]:
    """How many pods of each endpoint are ready."""
    unready, found = set(cluster.unready_pods(f"{prefix}{SPACE}")), {}
    for pod in cluster.pods(f"{prefix}{SPACE}"):
        if pod["metadata"]["name"] not in unready:
            name = pod["metadata"]["labels"]["app.kubernetes.io/name"]
            found[name] = found.get(name, 0) + 1
    return found


def state(cluster: Any, prefix: str) -> Objects:
    """Every object in a prefix's namespace, and the namespace itself, without what the server sets and under a common name."""
    space = f"{prefix}{SPACE}"
    listed = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    kinds = ",".join(k for k in listed if not k.endswith(("events.k8s.io", "metrics.k8s.io")))
    items = json.loads(cluster.kubectl("get", kinds, "--namespace", space, "--output", "json"))["items"]
    items.append(cluster.get(f"/api/v1/namespaces/{space}"))
    found = {}
    for thing in items:
        if thing["kind"] not in OF_CONTROLLERS:
            bare = json.loads(json.dumps(cleaned(thing)).replace(prefix, "PREFIX-"))
            found[f"{bare['kind']} {bare['metadata']['name']}"] = bare
    return found


def cleaned(thing: Any) -> Any:
    """Without the status, and without what the server gives each object of its own."""
    metadata = {k: v for k, v in thing["metadata"].items() if k not in OF_THE_SERVER}
    kept = {**{k: v for k, v in thing.items() if k != "status"}, "metadata": metadata}
    if thing["kind"] == "Service":
        kept["spec"] = {k: v for k, v in thing["spec"].items() if k not in ("clusterIP", "clusterIPs")}
    return kept


@pytest.mark.capability("model-development/infrastructure-automation", by="trueup.views.programs:_kubernetes")
def test_kubectl_makes_of_the_rendered_files_what_apply_makes(repository: Any, cluster: Any, tmp_path: Path) -> None:
    repository.edit("cluster.yaml", f"namespacePrefix: {OURS}", f"namespacePrefix: {THEIRS}")
    repository.commit("Another prefix")
    done = repository.trueup("render", "cluster", "--as", "kubernetes", "--out", str(tmp_path), code=None)
    assert done.code == 0 and len(list(tmp_path.glob("*.yaml"))) == 2, done.text
    cluster.kubectl("apply", "--server-side", "--validate=strict", "--filename", str(tmp_path))
    cluster.until(lambda: pods(cluster, THEIRS) == pods(cluster, OURS), "kubectl's pods are ready too")

    omitted = {f"{kind} {name}" for kind, name in re.findall(r"left out: \S+: the (\w+) (\S+), for ", done.err)}
    applied, rendered = state(cluster, OURS), state(cluster, THEIRS)
    assert {
        "Deployment churn",
        "HorizontalPodAutoscaler elastic",
        "Gateway edge",
        "Namespace PREFIX-churn",
    } <= applied.keys()
    assert omitted == {"Secret elastic"} == applied.keys() - rendered.keys() and rendered.keys() <= applied.keys()
    different = {n: found for n in rendered if (found := differing(applied[n], rendered[n]))}
    assert different == {}


def differing(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two values differ, for a message that a person can read."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            text
            for key in sorted(ours.keys() | theirs.keys())
            for text in differing(ours.get(key), theirs.get(key), f"{path}.{key}")
        ]
    return [] if ours == theirs else [f"{path}: {ours!r} by apply, {theirs!r} by kubectl"]
