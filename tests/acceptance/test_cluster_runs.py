"""`trueup run`, `runs` and `logs` where the runner is a cluster's: the pod of an applied pipeline really runs (cluster/kubelet.py)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import kubelet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROVIDERS = Path(__file__).resolve().parents[1] / "providers"
NAMESPACE = "by-hand-sums"
SPECS = f"""\
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: cluster }}
spec:
  target: kubernetes
  runner: {{ type: jobs }}
  cluster:
    context: trueup-tests
    kubeconfig: KUBECONFIG
    namespacePrefix: by-hand-
    namespaces: {{ manage: false }}
  secretStores: [{{ name: vault, type: env, prefix: TEST_ }}]
---
apiVersion: trueup.dev/v1alpha1
kind: Pipeline
metadata: {{ name: add, namespace: sums }}
spec:
  image: example.com/steps@sha256:{"0" * 64}
  params: {{ first: {{ type: integer, default: 20 }} }}
  steps:
    - name: make
      run: echo "using $TOKEN"; expr ${{{{ params.first }}}} + 1 > "$TRUEUP_OUTPUT_NUMBER"
      outputs: {{ number: {{}} }}
      env: {{ TOKEN: {{ secretRef: {{ store: vault, name: TOKEN }} }} }}
    - name: tell
      run: echo "the sum is $(cat "$TRUEUP_INPUT_NUMBER")"
      inputs: {{ number: make.number }}
---
apiVersion: trueup.dev/v1alpha1
kind: Pipeline
metadata: {{ name: wait, namespace: sums }}
spec:
  image: example.com/steps@sha256:{"0" * 64}
  steps: [{{ name: nap, run: [sleep, "120"] }}]
"""


@pytest.fixture(scope="module")
def repository(
    make_repository: Callable[[str], Any], cluster: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Two pipelines, applied to a namespace whose pods run."""
    with kubelet.running(cluster, tmp_path_factory.mktemp("kubelet")) as node:
        node.namespace(NAMESPACE)
        found = make_repository("empty")
        (found.folder / "trueup.yaml").write_text(
            "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata: { name: sums }\n"
        )
        (found.folder / "specs.yaml").write_text(SPECS.replace("KUBECONFIG", str(cluster.kubeconfig)))
        found.commit("Sums")
        found.variables |= {
            "PATH": os.pathsep.join([str(PROVIDERS), os.environ["PATH"]]),
            "TEST_TOKEN": "hunter2-and-more",
        }
        found.trueup("apply", "cluster", "--yes")
        yield found


def test_a_pipeline_runs_on_request_and_its_logs_are_masked(repository: Any) -> None:
    done = repository.trueup("run", "cluster", "add")
    assert "succeeded" in done.out and "sums/add" in done.out
    said = repository.trueup("logs", "cluster", "add").out.splitlines()
    assert said == ["== make: succeeded", "using ***", "== tell: succeeded", "the sum is 21"]
    (run,) = repository.trueup("runs", "cluster", "--output", "json").json
    assert (run["outcome"], run["pipeline"]) == ("succeeded", "sums/add")
    assert [
        e["outcome"] for e in repository.trueup("audit", "log", "--output", "json").json if e["event"] == "run"
    ] == ["done"]


def test_a_run_is_cancelled_by_its_name(repository: Any) -> None:
    waiting = repository.start("run", "cluster", "wait")
    end = time.monotonic() + 60
    going: list[Any] = []
    while not going and time.monotonic() < end:
        listed = repository.trueup("runs", "cluster", "--output", "json").json
        going = [r for r in listed if r["pipeline"] == "sums/wait" and r["outcome"] == "running"]
    name = going[0]["fingerprint"]
    refused = repository.trueup("run", "cluster", "wait", code=None)
    assert refused.code != 0 and "goes on (concurrencyPolicy: Forbid)" in refused.text
    assert f"Asked the run {name}" in repository.trueup("runs", "cluster", "--cancel", name).out
    waiting.wait(60)
    assert waiting.returncode == 1
    listed = repository.trueup("runs", "cluster", "--output", "json").json
    assert [r["outcome"] for r in listed if r["fingerprint"] == name] == ["cancelled"]
