"""One plan over two clusters, each a control plane of its own: one is away when the environment is applied first, and answers later.

Pods run nothing here (tests/cluster), and Pulumi's provider is a stand-in (tests/providers).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.cluster import Cluster, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROVIDERS = Path(__file__).resolve().parents[1] / "providers"
SPECS = """\
apiVersion: trueup.dev/v1alpha1
kind: Workspace
metadata: {{name: shop}}
spec: {{}}
---
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: {{name: growth}}
spec: {{members: [{{user: tomas, email: tomas@example.com}}], owns: [churn]}}
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{name: prod}}
spec:
  target: kubernetes
  registry: {{trackingUri: "{registry}"}}
  clusters:
    - {{name: frankfurt, kubeconfig: {frankfurt}, context: trueup-tests, provider: aws, region: eu-central-1}}
    - name: paris
      kubeconfig: {paris}
      context: trueup-tests
      provider: gcp
      region: europe-west9
      priority: 1
      whenUnreachable: skip
---
apiVersion: trueup.dev/v1alpha1
kind: Model
metadata: {{name: churn, namespace: churn, owner: growth}}
spec: {{task: classification, version: 1}}
---
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata: {{name: everywhere, namespace: churn, owner: growth}}
spec:
  model: {{name: churn}}
  predictor: {{image: "example.com/server@sha256:{zeros}", minReplicas: 2}}
  placement: {{minClusters: 2, spreadConstraints: [{{spreadByField: provider}}]}}
---
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata: {{name: wanders, namespace: churn, owner: growth}}
spec:
  model: {{name: churn}}
  predictor: {{image: "example.com/server@sha256:{zeros}"}}
  placement: {{failoverOrder: [paris, frankfurt]}}
---
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata: {{name: paris-only, namespace: churn, owner: growth}}
spec:
  model: {{name: churn}}
  predictor: {{image: "example.com/server@sha256:{zeros}"}}
  placement: {{providers: [gcp]}}
"""
ORDER = "  placement: {failoverOrder: [paris, frankfurt]}\n"
SERVERS = "/apis/apps/v1/namespaces/churn/deployments"


class Paris:
    """A cluster that is not there before it is started."""

    def __init__(self, folder: Path, like: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        known = json.loads(like.read_text())
        known["clusters"][0]["cluster"] = {"server": "http://127.0.0.1:9"}
        self.kubeconfig.write_text(json.dumps(known))


@pytest.fixture(scope="module")
def paris(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Paris:
    return Paris(tmp_path_factory.mktemp("paris"), cluster.kubeconfig)


@pytest.fixture(scope="module")
def repository(
    make_repository: Callable[[str], Any],
    cluster: Cluster,
    paris: Paris,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """The specs, with a registry that has a first version."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("churn.churn")
    client.create_model_version("churn.churn", "file:///models/churn")
    found = make_repository("empty")
    places = {"frankfurt": cluster.kubeconfig, "paris": paris.kubeconfig}
    (found.folder / "trueup.yaml").write_text(SPECS.format(registry=uri, zeros="0" * 64, **places))
    found.commit("Two clusters")
    found.variables["PATH"] = os.pathsep.join([str(PROVIDERS), os.environ["PATH"]])
    return found


def deployments(on: Cluster) -> set[str]:
    return {d["metadata"]["name"] for d in on.get(SERVERS)["items"]}


@dataclass(frozen=True)
class Story:
    """What was said while Paris was away, and when it was back."""

    needed: Any
    """The apply of an environment that does not let it be away."""
    away: Any
    drift: Any
    diff: Any
    status: Any
    there: set[str]
    """What Frankfurt had then."""
    back: Any
    second: Cluster
    """Paris."""


@pytest.fixture(scope="module")
def story(repository: Any, cluster: Cluster, paris: Paris, control_plane_programs: None) -> Iterator[Story]:
    repository.edit("trueup.yaml", "      whenUnreachable: skip\n", "")
    repository.edit("trueup.yaml", ORDER, "")
    commit = repository.commit("It is needed")
    needed = repository.trueup("apply", "prod", "--yes", code=None)
    assert not cluster.exists("/api/v1/namespaces/churn"), "nothing was applied"
    repository.git("revert", "--no-edit", commit)
    away = repository.trueup("apply", "prod", "--yes", "--output", "json", code=None)
    drift = repository.trueup("drift", "prod", "--detailed-exitcode", "--output", "json", code=None)
    diff = repository.trueup("diff", "prod", "--live", "--output", "json", code=None)
    status = repository.trueup("status", "prod", "--output", "json", code=None)
    there = deployments(cluster)
    with running(paris.kubeconfig.parent) as second:
        back = repository.trueup("apply", "prod", "--yes", "--output", "json", code=None)
        yield Story(needed, away, drift, diff, status, there, back, second)


def test_where_a_cluster_may_not_be_away_nothing_is_applied(story: Story) -> None:
    assert story.needed.code == 1 and "The cluster 'paris' is away." in story.needed.err


@pytest.mark.capability("infrastructure/redundancy", by="trueup.workspace.reaching:reach")
def test_the_cluster_that_answers_is_applied_and_the_other_is_said_to_be_skipped(story: Story) -> None:
    assert story.away.code == 10, story.away.text
    assert story.away.json["outcome"] == "partly" and story.there == {"everywhere", "wanders"}
    blocked = story.away.json["blocked"]
    assert set(blocked) == {"prod.churn.foundation.paris", "prod.churn.serving.paris"}
    assert all("'paris', which is away and skipped" in reason for reason in blocked.values())
    assert story.drift.code == 10 and story.drift.json["drift"] == [] and set(story.drift.json["away"]) == {"paris"}
    assert story.status.code == 0 and set(story.status.json["away"]) == {"paris"}
    assert story.diff.code == 0 and set(story.diff.json["away"]) == {"paris"}
    compared = {(o["cluster"], o["what"]) for o in story.diff.json["objects"] if o["cluster"]}
    assert compared == {("frankfurt", "same")}, "of what is away nothing is said, and Frankfurt is as the specs say"


@pytest.mark.capability("infrastructure/multi-cloud-deployment", by="trueup_stacks.kubernetes.placement:places")
def test_the_next_apply_goes_on_with_it_when_it_is_back_and_then_nothing_is_left(
    story: Story, repository: Any, cluster: Cluster
) -> None:
    assert story.back.code == 0, story.back.text
    assert story.back.json["outcome"] == "done" and not story.back.json["blocked"]
    assert deployments(story.second) == {"everywhere", "paris-only", "wanders"}
    assert deployments(cluster) == {"everywhere"}
    assert cluster.get(f"{SERVERS}/everywhere")["metadata"]["generation"] == 1, "the second apply left it alone"
    planned = repository.trueup("plan", "prod", "--refresh", "--detailed-exitcode", "--output", "json").json
    assert planned["steps"] == [] and len(planned["preview"]) == 5
    assert [s for p in planned["preview"] for s in p["steps"] if s["action"] not in ("same", "refresh")] == []


@pytest.mark.capability("infrastructure/failover-mechanisms", by="trueup_stacks.kubernetes.placement:places_of")
def test_an_endpoint_stood_on_the_next_cluster_of_its_order_while_the_first_was_away_and_has_gone_back(
    story: Story, cluster: Cluster
) -> None:
    assert story.away.code == 10 and "wanders" in story.there, story.away.text
    assert "Endpoint/churn/wanders stands on the cluster 'frankfurt', since 'paris' is away" in story.diff.err
    assert "wanders" in deployments(story.second) and "wanders" not in deployments(cluster)


def test_drift_is_told_of_the_cluster_where_it_is_and_so_is_each_difference_from_the_specs(
    story: Story, repository: Any, cluster: Cluster
) -> None:
    story.second.kubectl("scale", "deployment/everywhere", "--replicas=1", "--namespace", "churn")
    (found,) = repository.trueup("drift", "prod", "--output", "json").json["drift"]
    assert found["resource"].startswith("prod.churn.serving.paris::")
    cluster.kubectl("delete", "service/everywhere", "--namespace", "churn")
    said = repository.trueup("diff", "prod", "--live").out
    assert "~ prod.churn.serving.paris  kubernetes:apps/v1:Deployment everywhere on paris  (" in said
    assert "    ~ spec.replicas: 1 → 2\n" in said
    assert "+ prod.churn.serving.frankfurt  kubernetes:core/v1:Service everywhere on frankfurt  (" in said
    assert "2 objects of prod differ" in said


def test_a_drained_cluster_is_emptied_and_can_then_be_removed(story: Story, repository: Any, cluster: Cluster) -> None:
    specs = repository.folder / "trueup.yaml"
    head, _, _ = specs.read_text().rpartition("---\n")
    text = head.replace(ORDER, "").replace(
        "  placement: {minClusters: 2, spreadConstraints: [{spreadByField: provider}]}\n", ""
    )
    begin, end = text.index("    - name: paris\n"), text.index("---\napiVersion: trueup.dev/v1alpha1\nkind: Model")
    specs.write_text(text[:end] + "      drain: true\n" + text[end:])
    repository.commit("Paris is drained")
    repository.trueup("apply", "prod", "--yes", "--confirm-deletes")
    assert deployments(story.second) == set() and deployments(cluster) == {"everywhere", "wanders"}
    specs.write_text(text[:begin] + text[end:])
    repository.commit("Paris is gone")
    assert repository.steps("prod") == {}


@dataclass(frozen=True)
class End:
    """What was said of Paris while it was away once more, and when it answered after it was said to be lost."""

    destroyed: Any
    left: set[str]
    """What Frankfurt had then."""
    lost: Any
    there: set[str]
    """What Frankfurt had when Paris was given up."""
    refused: Any


@pytest.fixture(scope="module")
def end(story: Story, repository: Any, cluster: Cluster) -> End:
    repository.git("revert", "--no-edit", "HEAD", "HEAD~1")
    repository.trueup("apply", "prod", "--yes")
    assert deployments(story.second) == {"everywhere", "paris-only", "wanders"}
    story.second.away()
    try:
        destroyed = repository.trueup("destroy", "prod", "--yes", "--output", "json", code=None)
        left = deployments(cluster)
        repository.edit("trueup.yaml", "      whenUnreachable: skip\n", "      drain: true\n      lost: true\n")
        repository.edit(
            "trueup.yaml", "  placement: {minClusters: 2, spreadConstraints: [{spreadByField: provider}]}\n", ""
        )
        repository.edit("trueup.yaml", "  placement: {providers: [gcp]}\n", "")
        repository.commit("Paris is lost")
        lost = repository.trueup("apply", "prod", "--yes", "--confirm-deletes", "--output", "json", code=None)
        there = deployments(cluster)
    finally:
        story.second.back()
    return End(destroyed, left, lost, there, repository.trueup("apply", "prod", "--yes", code=None))


def test_what_is_on_a_cluster_that_is_away_is_left_by_a_destroy_as_it_is(end: End) -> None:
    said = end.destroyed.json
    assert end.destroyed.code == 10 and said["outcome"] == "partly" and end.left == set()
    assert set(said["away"]) == {"prod.churn.foundation.paris", "prod.churn.serving.paris"}


@pytest.mark.capability(
    "infrastructure/disaster-recovery-planning-recovery-automation", by="trueup.apply.pulumi:Driver.forget"
)
def test_a_cluster_that_is_lost_for_good_is_given_up_without_being_asked_and_not_while_it_answers(
    story: Story, end: End
) -> None:
    assert end.lost.code == 0 and end.lost.json["outcome"] == "done", end.lost.text
    steps = [s for stack in end.lost.json["stacks"] for s in stack["steps"] if ".paris::" in s["resource"]]
    assert steps and {(s["action"], s["status"]) for s in steps} == {("give-up", "done")}
    assert end.there == {"everywhere", "paris-only", "wanders"}, "what stood in Paris alone stands in Frankfurt"
    assert deployments(story.second) == {"everywhere", "paris-only", "wanders"}, "nobody asked it for anything"
    assert end.refused.code == 1 and "The cluster 'paris' is said to be lost, and it answers." in end.refused.err
