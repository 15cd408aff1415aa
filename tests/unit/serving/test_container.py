"""The container of an Endpoint on a cluster, run from its manifest as a process of this machine: it gets ready, answers, and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trueup.compile.compilation import compile_catalog
from trueup.resolve.catalog import resolve
from trueup.serving import ports
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


class Pod:
    """A container's command as a process: its own port, a home of its own."""

    def __init__(self, made: Any, folder: Path) -> None:
        self.made, self.port = made, ports.free()
        args = [
            a.replace(f"--http_port={made['ports'][0]['containerPort']}", f"--http_port={self.port}")
            for a in made["args"]
        ]
        command = [sys.executable, *made["command"][1:], *args]
        given = {e["name"]: e["value"] for e in made["env"]}
        environment = {**os.environ, **given, "HOME": str(folder), "TMPDIR": str(folder)}
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def probe(self, name: str) -> int:
        """The status of one of the container's own probes; 0 while nobody listens."""
        path = self.made[name]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def started(self) -> None:
        """Waits as long as the startup probe would."""
        given = self.made["startupProbe"]
        end = time.monotonic() + given["periodSeconds"] * given["failureThreshold"]
        while self.probe("startupProbe") != 200:
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def ask(self, **other: Any) -> Any:
        inputs = [
            {"name": k, "shape": [1], "datatype": "BYTES" if isinstance(v, str) else "FP64", "data": [v]}
            for k, v in {**ROW, **other}.items()
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v2/models/risk/infer",
            json.dumps({"inputs": inputs}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    pods: list[Pod] = []

    def begin(made: Any) -> Pod:
        pods.append(Pod(made, tmp_path))
        return pods[-1]

    yield begin
    for pod in pods:
        if pod.process.poll() is None:
            pod.process.kill()
        pod.process.wait()


@pytest.fixture
def uri(home: Path) -> str:
    from trueup.provider import tracking

    return tracking.tracking_uri(home, "home:registry")


def scraped(pod: Pod) -> dict[str, list[tuple[dict[str, str], float]]]:
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
    uri: str, start: Any
) -> None:
    pod = start(container(uri, {"terminationGracePeriod": "5s"}, logging="metadata"))
    pod.started()
    assert pod.probe("readinessProbe") == pod.probe("livenessProbe") == 200
    answer = pod.ask()
    assert answer["model_version"] == "1" and answer["outputs"][0]["data"][0] in ("good", "bad")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        pod.ask(amount="much")
    found = scraped(pod)
    same_as_the_catalogue(found)
    counted = {(s["model_name"], s["model_version"], s["outcome"]): n for s, n in found[metrics.REQUESTS]}
    assert counted == {("risk", "1", o): n for o, n in {"ok": 1, "invalid": 1, "timeout": 0, "error": 0}.items()}
    pod.process.send_signal(signal.SIGTERM)
    assert pod.process.wait(timeout=15) == 0
    logged = [json.loads(line) for line in pod.log.read_text().splitlines() if line.startswith("{")]
    assert [line["version"] for line in logged] == [1]


@pytest.mark.slow
def test_several_workers_share_the_port_and_end_together(uri: str, start: Any) -> None:
    pod = start(container(uri, {"workers": 2}))
    pod.started()
    assert pod.ask()["model_name"] == "risk"
    pod.process.send_signal(signal.SIGTERM)
    assert pod.process.wait(timeout=20) == 0


@pytest.mark.slow
def test_a_version_that_is_not_there_ends_the_container_with_the_reason(uri: str, start: Any) -> None:
    made = container(uri, {})
    made["env"] = [
        {**e, "value": e["value"].replace("/1", "/99")} if e["name"] == "MODEL_URI" else e for e in made["env"]
    ]
    pod = start(made)
    assert pod.process.wait(timeout=60) != 0
    assert "The model models:/credit.risk/99 cannot be downloaded" in pod.log.read_text()
