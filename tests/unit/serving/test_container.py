"""The container of an Endpoint on a cluster, run from its manifest as a process of this machine: it gets ready, answers, and ends."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from trueup_test_containers import Contained

from trueup.compile.compilation import compile_catalog
from trueup.resolve.catalog import resolve
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS
from trueup_specs.kinds.monitor import metrics
from trueup_stacks.core.resources import encode

IMAGE = f"example.com/server@sha256:{'0' * 64}"
ROW = {"seniority": 3, "time": 24, "age": 35, "home": "rent", "amount": 800}


def container(uri: str, predictor: dict[str, Any], logging: str = "none") -> Any:
    """The container that the target `kubernetes` writes for an endpoint of `credit.risk`, version 1."""
    specs: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "registry": {"trackingUri": uri}},
        "Model/credit/risk": {"task": "classification", "version": 1},
        "Endpoint/credit/risk": {
            "model": {"name": "risk"},
            "predictor": {"image": IMAGE, **predictor},
            "logging": {"mode": logging},
        },
    }
    documents = {}
    for text, spec in specs.items():
        key = Key.parse(text)
        metadata = Metadata(name=key.name, namespace=key.namespace or None)
        documents[key] = Document(key, metadata, KINDS[key.kind].spec.model_validate(spec), Source("specs.yaml"))
    compilation = compile_catalog(resolve("demo", documents, "prod"))
    assert compilation.diagnostics == ()
    deployment = next(r for r in compilation.resources() if r.address.type.endswith(":Deployment"))
    return encode(deployment.properties["spec"]["template"]["spec"]["containers"][0])


def inferred(pod: Contained, **other: Any) -> Any:
    """What the server answers to a row."""
    inputs = [
        {"name": k, "shape": [1], "datatype": "BYTES" if isinstance(v, str) else "FP64", "data": [v]}
        for k, v in {**ROW, **other}.items()
    ]
    request = urllib.request.Request(
        f"http://127.0.0.1:{pod.port}/v2/models/risk/infer",
        json.dumps({"inputs": inputs}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def uri(home: Path) -> str:
    from trueup.provider import tracking

    return tracking.tracking_uri(home, "home:registry")


def scraped(pod: Contained) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What Prometheus would read: the samples by their names."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"http://127.0.0.1:{pod.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for sample in (s for family in text_string_to_metric_families(text) for s in family.samples):
        found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def same_as_the_catalogue(found: dict[str, list[tuple[dict[str, str], float]]]) -> None:
    """Monitors and panels may name what is exported, by its labels, and nothing else."""
    assert {name for name in found if not name.endswith("_created")} == {
        series for family in metrics.SERVER for series in family.series
    }
    for family in metrics.SERVER:
        for series in family.series:
            assert all(set(labels) == set(family.labels_of(series)) for labels, _ in found[series]), series
    bounds = [labels["le"] for labels, _ in found[f"{metrics.PREDICT}_bucket"] if labels["le"] != "+Inf"]
    assert bounds == [repr(b) for b in metrics.BUCKETS]


@pytest.mark.slow
@pytest.mark.capability("model-development/containerization", by="trueup.serving.listening:server")
@pytest.mark.capability("model-development/real-time-monitoring", by="trueup.serving.counting:Requests.count")
def test_the_manifests_command_answers_its_probes_and_requests_counts_them_and_ends_when_told(
    uri: str, contained: Any
) -> None:
    pod = contained(container(uri, {"terminationGracePeriod": "5s"}, logging="metadata"))
    pod.started()
    assert pod.probe("readiness") == pod.probe("liveness") == 200
    answer = inferred(pod)
    assert answer["model_version"] == "1" and answer["outputs"][0]["data"][0] in ("good", "bad")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        inferred(pod, amount="much")
    found = scraped(pod)
    same_as_the_catalogue(found)
    counted = {(s["model_name"], s["model_version"], s["outcome"]): n for s, n in found[metrics.REQUESTS]}
    assert counted == {("risk", "1", o): n for o, n in {"ok": 1, "invalid": 1, "timeout": 0, "error": 0}.items()}
    assert pod.end(15) == 0
    logged = [json.loads(line) for line in pod.log.read_text().splitlines() if line.startswith("{")]
    assert [line["version"] for line in logged] == [1]


@pytest.mark.slow
def test_several_workers_share_the_port_count_as_one_and_end_together(uri: str, contained: Any) -> None:
    pod = contained(container(uri, {"workers": 2}))
    pod.started()
    for _ in range(7):
        assert inferred(pod)["model_name"] == "risk"
    for _ in range(4):  # each scrape reaches either of them
        found = scraped(pod)
        assert {s["outcome"]: n for s, n in found[metrics.REQUESTS]}["ok"] == 7
        assert [n for _, n in found[f"{metrics.PREDICT}_count"]] == [7]
    same_as_the_catalogue(found)
    assert pod.end(20) == 0


@pytest.mark.slow
def test_a_version_that_is_not_there_ends_the_container_with_the_reason(uri: str, contained: Any) -> None:
    made = container(uri, {})
    made["env"] = [
        {**e, "value": e["value"].replace("/1", "/99")} if e["name"] == "MODEL_URI" else e for e in made["env"]
    ]
    pod = contained(made)
    assert pod.process.wait(timeout=60) != 0
    assert "The model models:/credit.risk/99 cannot be downloaded" in pod.log.read_text()
