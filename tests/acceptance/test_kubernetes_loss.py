"""What is left of an endpoint when machines go: a node, a zone, a node that is drained; and what `trueup status` says meanwhile.

The manifests are those that the target `kubernetes` compiles, as `kubectl apply --server-side` applies them. Pods run nothing here
(tests/cluster), so that each time that is printed is the control plane's own: until it notices, gives the pods up and has others ready in
their place. No image is pulled, no model is loaded, and this cluster gives nodes up sooner than others (`SETTINGS`).
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trueup.apply.checkpoints import Checkpoint, StateResource
from trueup.apply.cluster import Cluster as Connection
from trueup.apply.cluster import connect
from trueup.compile.compilation import compile_catalog
from trueup.observe import objects
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource
from trueup_stacks.kubernetes import tokens

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCENES = Path(__file__).resolve().parents[1] / "unit" / "stacks"
PREFIX = "k-loss-"
SPACE = f"{PREFIX}churn"
NAME = "churn"
REPLICAS = 3
SETTINGS = "6 s until a node is given up and 2 s until its pods are, where Kubernetes' defaults are 40 s and 300 s"
ONE_BY_ONE = "; the nodes of a zone are given up one each 10 s, as by default"
WRITTEN = {
    "Environment/prod": {
        "target": "kubernetes",
        "registry": {"trackingUri": "http://mlflow.example.com"},
        "cluster": {"namespacePrefix": PREFIX},
    },
    "Model/churn/churn": {"task": "regression", "version": 3},
    f"Endpoint/churn/{NAME}": {
        "model": {"name": "churn"},
        "predictor": {
            "image": f"example.com/server@sha256:{'0' * 64}",
            "minReplicas": REPLICAS,
            "resources": {"cpu": 1, "memory": "1Gi"},
        },
    },
}
Words = tuple[str, str]


@dataclass
class Endpoint:
    """The endpoint on the cluster: its resources as compiled, and how Trueup finds them."""

    cluster: Any
    resources: list[Resource]
    connection: Connection
    said: dict[str, list[Words]] = field(default_factory=dict)
    """What status said of each object since `begin`, each once, in order."""

    def apply(self) -> None:
        """Applies every manifest, and waits for its pods and for their Deployment, which counts them after the kubelets."""
        made = [
            {
                "apiVersion": tokens.api_version(r.address.type),
                "kind": tokens.kind(r.address.type),
                **r.properties,
            }
            for r in self.resources
        ]
        self.cluster.apply(*(m for m in made if m["kind"] == "Namespace"))
        self.cluster.apply(*made)
        self.cluster.until(lambda: len(self.ready()) == REPLICAS, "every replica is ready")
        self.until_healthy()

    def until_healthy(self) -> None:
        self.cluster.until(
            lambda: self.status()[f"Deployment {NAME}"] == ("healthy", ""), "status says that all is well"
        )

    def ready(self) -> list[str]:
        """The node of each pod that is ready and stays."""
        return [
            p["spec"]["nodeName"]
            for p in self.cluster.pods(SPACE)
            if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", ()))
        ]

    def status(self) -> dict[str, Words]:
        """Object → its word and the reason, as `trueup status` has them; what is new of it is kept in `said`."""
        state = Checkpoint(
            tuple(
                StateResource(
                    f"urn:pulumi:{r.address.stack}::shop::{r.address.type}::{r.address.name}",
                    f"{r.properties['metadata'].get('namespace', '')}/{r.properties['metadata']['name']}".lstrip("/"),
                    r.properties,
                )
                for r in self.resources
            )
        )
        sight = objects.look([state], lambda: self.connection)
        found = {f"{tokens.kind(a.type)} {a.name}": (s.state, s.reason) for a, s in sight.seen.items()}
        for thing, words in found.items():
            told = self.said.setdefault(thing, [])
            if words not in told:
                told.append(words)
        return found

    def recover(self, lost: list[str]) -> tuple[float, float]:
        """Loses nodes, and looks until every replica is ready on others: seconds until status said something, and until all was well."""
        self.said.clear()
        began, noticed = time.monotonic(), 0.0
        self.cluster.lose(lost)

        def moved() -> bool:
            nonlocal noticed
            if self.status()[f"Deployment {NAME}"][0] != "healthy" and not noticed:
                noticed = time.monotonic() - began
            time.sleep(0.1)
            nodes = self.ready()
            return len(nodes) == REPLICAS and not set(nodes) & set(lost)

        recovered = self.cluster.until(moved, f"{REPLICAS} replicas are ready elsewhere than on {lost}")
        return noticed, recovered


@pytest.fixture(scope="module")
def endpoint(cluster: Any) -> Iterator[Endpoint]:
    sys.path.append(str(SCENES))
    from trueup_test_scenes import catalog

    compilation = compile_catalog(catalog({Key.parse(k): v for k, v in WRITTEN.items()}))
    assert compilation.diagnostics == ()
    found = [r for r in compilation.resources() if r.address.type.startswith("kubernetes:")]
    yield Endpoint(cluster, found, connect(cluster.kubeconfig, "trueup-tests"))
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false", "--ignore-not-found")


@pytest.fixture
def whole(cluster: Any) -> Iterator[None]:
    """Every node is there and takes pods, before a test and after it."""
    yield
    nodes = [n for zone in ("zone-a", "zone-b", "zone-c") for n in cluster.zone(zone)]
    cluster.find(nodes)
    cluster.kubectl("uncordon", *nodes)
    cluster.until(lambda: len(cluster.ready_nodes()) == len(nodes), "every node is back")


def zones(nodes: list[str]) -> Counter[str]:
    """How many replicas stand in each zone."""
    return Counter(node.rpartition("-")[0] for node in nodes)


def degraded(said: list[Words]) -> str:
    """All that status said of an object while it was degraded."""
    return "\n".join(reason for word, reason in said if word == "degraded")


@pytest.mark.usefixtures("whole")
@pytest.mark.capability("infrastructure/health-monitoring", by="trueup.observe.health:_warned")
def test_the_replica_of_a_lost_node_moves_and_status_says_why(endpoint: Endpoint) -> None:
    endpoint.apply()
    lost = endpoint.ready()[0]
    noticed, recovered = endpoint.recover([lost])
    said = degraded(endpoint.said[f"Deployment {NAME}"])
    assert f"{REPLICAS - 1} of {REPLICAS} replicas are ready" in said and "Node is not ready" in said, endpoint.said
    assert [w for w, _ in endpoint.said[f"Service {NAME}"]] == ["healthy"], "two replicas answered all the time"
    assert set(zones(endpoint.ready()).values()) == {1} and len(set(endpoint.ready())) == REPLICAS
    endpoint.cluster.until(
        lambda: {w for w, _ in endpoint.status().values()} == {"healthy"}, "status says that all is well"
    )
    tell("a node", noticed, recovered)


@pytest.mark.usefixtures("whole")
def test_the_replicas_of_a_lost_zone_move_to_the_others(endpoint: Endpoint) -> None:
    (deployment,) = (r for r in endpoint.resources if r.address.type == tokens.DEPLOYMENT)
    spread: Any = deployment.properties["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [s and s["topologyKey"] for s in spread][:1] == ["topology.kubernetes.io/zone"]
    endpoint.apply()
    lost = endpoint.ready()[0].rpartition("-")[0]
    noticed, recovered = endpoint.recover(endpoint.cluster.zone(lost))
    found = zones(endpoint.ready())
    assert lost not in found and sorted(found.values()) == [1, 2], found
    assert len(set(endpoint.ready())) == REPLICAS, "each on a node of its own"
    assert degraded(endpoint.said[f"Deployment {NAME}"]), endpoint.said
    endpoint.until_healthy()
    tell("a zone", noticed, recovered, ONE_BY_ONE)


@pytest.mark.usefixtures("whole")
@pytest.mark.capability("model-development/orchestration", by="trueup_stacks.kubernetes.endpoint:_around")
def test_an_eviction_too_many_is_refused_and_status_says_what_is_missing(endpoint: Endpoint) -> None:
    endpoint.apply()
    cluster, (first, second, *_) = endpoint.cluster, endpoint.cluster.pods(SPACE)
    nodes = [n["metadata"]["name"] for n in cluster.get("/api/v1/nodes")["items"]]
    cluster.until(lambda: allowed(cluster) == 1, "the budget has seen every pod")
    cluster.kubectl("cordon", *nodes)  # no replica can come in place of the one that goes
    assert evict(cluster, first) == 0
    cluster.until(lambda: not cluster.exists(place(first)), "the first is gone")
    assert evict(cluster, second) == 429
    assert cluster.exists(place(second)) and len(endpoint.ready()) == REPLICAS - 1
    cluster.until(
        lambda: "is not scheduled" in endpoint.status()[f"Deployment {NAME}"][1], "status says why the third is missing"
    )
    word, why = endpoint.status()[f"Deployment {NAME}"]
    assert word == "degraded" and f"{REPLICAS - 1} of {REPLICAS} replicas are ready" in why, why
    assert "unschedulable" in why, why
    assert endpoint.status()[f"PodDisruptionBudget {NAME}"] == ("healthy", ""), "two of three are what it keeps"
    cluster.kubectl("uncordon", *nodes)
    cluster.until(lambda: len(endpoint.ready()) == REPLICAS, "the third is there")
    endpoint.until_healthy()


@pytest.mark.usefixtures("whole")
def test_a_drain_moves_one_replica_at_a_time(endpoint: Endpoint) -> None:
    endpoint.apply()
    cluster, lowest, done = endpoint.cluster, [REPLICAS], threading.Event()
    drained = sorted(set(endpoint.ready()))[:2]

    def watch() -> None:
        while not done.is_set():
            lowest.append(len(endpoint.ready()))
            time.sleep(0.03)

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.monotonic()
    try:
        # Two operators at once; the budget alone keeps them from taking two replicas.
        drains = [threading.Thread(target=drain, args=(cluster, node)) for node in drained]
        for each in drains:
            each.start()
        for each in drains:
            each.join()
        cluster.until(lambda: len(endpoint.ready()) == REPLICAS, "every replica is ready elsewhere")
    finally:
        done.set()
        watching.join()
    assert not set(endpoint.ready()) & set(drained), (endpoint.ready(), drained)
    assert len(lowest) > 10 and min(lowest) >= REPLICAS - 1, "one at a time was away, and never two"
    print(
        f"\ntwo nodes drained at once: {time.monotonic() - began:.1f} s, never under {min(lowest)} of {REPLICAS} ready"
    )


def drain(cluster: Any, node: str) -> None:
    """What an operator types; pods of other tests stay where they are."""
    pods = f"--pod-selector=app.kubernetes.io/name={NAME},app.kubernetes.io/part-of=shop"
    cluster.kubectl("drain", node, pods, "--delete-emptydir-data", "--timeout=60s")


def allowed(cluster: Any) -> int:
    found = cluster.get(f"/apis/policy/v1/namespaces/{SPACE}/poddisruptionbudgets/{NAME}")
    return int((found.get("status") or {}).get("disruptionsAllowed", 0))


def place(pod: Any) -> str:
    return f"/api/v1/namespaces/{SPACE}/pods/{pod['metadata']['name']}"


def evict(cluster: Any, pod: Any) -> int:
    """Asks the eviction API, as a drain does; 0, or the code of its refusal."""
    named = {"name": pod["metadata"]["name"], "namespace": SPACE}
    try:
        cluster.call(
            "POST", f"{place(pod)}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named}
        )
    except AssertionError as refused:
        assert "disruption budget" in str(refused), refused
        return int(getattr(refused, "code", -1))
    return 0


def tell(what: str, noticed: float, recovered: float, more: str = "") -> None:
    print(
        f"\nthe loss of {what}: status says so after {noticed:.1f} s; the control plane's time to recovery is {recovered:.1f} s "
        f"({SETTINGS}{more}; no image was pulled, no model loaded)"
    )
