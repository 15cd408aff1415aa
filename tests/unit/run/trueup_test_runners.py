"""The runners as the conformance suite sees them: a pipeline spec goes in, and what became of the run comes out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cluster.cluster import Cluster
from cluster.kubelet import Kubelet
from trueup.apply.cluster import ClusterError, connect
from trueup.compile.compilation import Compilation, compile_catalog
from trueup.resolve.catalog import Catalog
from trueup.run import runners
from trueup.run.argo import Argo
from trueup.run.jobs import Jobs
from trueup.run.parsing import parse
from trueup.run.rayjobs import RayJobs
from trueup.run.runners import Local, Place, Runner
from trueup.run.states import RunStatus
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS
from trueup_stacks.core.resources import Secret
from trueup_stacks.core.targets import Facts
from trueup_stacks.kubernetes import tokens

IMAGE = f"example.com/steps@sha256:{'0' * 64}"
RAY = "2.60.0"
Spec = Mapping[str, Any]


class Bench(Protocol):
    """What a pipeline is run on."""

    name: str

    def runner(self, spec: Spec, secrets: Mapping[str, str]) -> Runner:
        """The runner of a pipeline; `secrets` has the values of `secretRef` names."""
        ...


@dataclass(frozen=True)
class Ran:
    """A run that ended, and what its steps printed."""

    status: RunStatus
    logs: Mapping[str, list[str]]

    @property
    def phases(self) -> dict[str, str]:
        return {s.name: s.phase for s in self.status.steps}


def ran(bench: Bench, spec: Spec, secrets: Mapping[str, str] | None = None, seconds: float = 60) -> Ran:
    """Runs a pipeline to its end."""
    runner = bench.runner(spec, secrets or {})
    begun = runner.submit()
    status = waited(bench, runner, begun.fingerprint, seconds)
    assert status is not None and status.finished, f"In {seconds:g} s the run did not end: {status}"
    return Ran(status, printed(runner, begun.fingerprint))


def waited(bench: Bench, runner: Runner, run: str, seconds: float) -> RunStatus | None:
    """How a run ended; each run of Ray begins with half a minute in which its cluster comes up."""
    return runners.wait(runner, run, seconds + (240 if bench.name == "ray" else 0), look=0.1)


def printed(runner: Runner, run: str) -> dict[str, list[str]]:
    """What each step printed."""
    found: dict[str, list[str]] = {}
    for line in runner.logs(run):
        if line.startswith("== "):
            name = line[3:].partition(":")[0]
            found[name] = []
        else:
            found[name].append(line)
    return found


@dataclass
class OnThisMachine:
    """The runner `local`."""

    home: Path
    name: str = "local"

    def runner(self, spec: Spec, secrets: Mapping[str, str]) -> Runner:
        steps = [{**s, "env": {k: _plain(v, secrets) for k, v in s.get("env", {}).items()}} for s in spec["steps"]]
        params = {name: p.get("default") for name, p in spec.get("params", {}).items()}
        inputs = {
            **spec,
            "fingerprint": f"f{uuid.uuid4().hex}",
            "pipeline": "runs/sums",
            "steps": steps,
            "params": params,
        }
        return Local(self.home, parse(inputs))


def _plain(value: Any, secrets: Mapping[str, str]) -> Any:
    return secrets[value["secretRef"]["name"]] if isinstance(value, dict) else value


@dataclass
class OnCluster:
    """The runners of clusters: what the target makes of the pipeline is applied as it is, and runs on the test kubelet's node."""

    cluster: Cluster
    kubelet: Kubelet
    name: str
    namespace: str = ""
    _made: dict[str, Spec] = field(default_factory=dict, init=False)

    def runner(self, spec: Spec, secrets: Mapping[str, str]) -> Runner:
        pipeline = f"sums-{len(self._made) + 1}"
        self._made[pipeline] = spec
        compilation = compiled(self._made, self.name, self.namespace)
        assert [d.summary for d in compilation.diagnostics if d.severity.value == "error"] == []
        new = [r for r in compilation.resources() if r.origin.kind == "Environment" or r.origin.name == pipeline]
        self.cluster.apply(*(manifest(r, secrets) for r in new))
        token = f"/api/v1/namespaces/{self.namespace}/secrets/{pipeline}-pipeline.service-account-token"
        if self.name == "argo":
            self.cluster.until(
                lambda: "token" in self.cluster.get(token).get("data", {}), "the token is there, as Pulumi waits"
            )
        api = connect(self.cluster.kubeconfig, None)
        place = Place(api, self.namespace, f"{pipeline}-pipeline", f"{self.namespace}/{pipeline}", ClusterError)
        return {"jobs": Jobs, "argo": Argo, "ray": RayJobs}[self.name](place)


def compiled(specs: Mapping[str, Spec], runner: str, namespace: str) -> Compilation:
    """The resources of pipelines, in a namespace that the tests keep."""
    written = {
        Key("Environment", "", "prod"): {
            "target": "kubernetes",
            "runner": {"type": runner, "ray": {"version": RAY}},
            "cluster": {"components": ["argo-workflows", "kuberay"], "namespaces": {"manage": False}},
            "secretStores": [{"name": "vault", "type": "env"}],
        },
        **{Key("Pipeline", namespace, name): {"image": IMAGE, **spec} for name, spec in specs.items()},
    }
    documents = {
        key: Document(
            key,
            Metadata(name=key.name, namespace=key.namespace or None),
            KINDS[key.kind].spec.model_validate(given),
            Source("scene.yaml"),
        )
        for key, given in written.items()
    }
    settings = next(iter(documents.values())).spec
    return compile_catalog(Catalog("shop", "prod", settings, documents, Facts()))


def manifest(resource: Any, secrets: Mapping[str, str]) -> dict[str, Any]:
    """A resource as `trueup render` would write it, with its secrets resolved as an apply does."""

    def plain(value: Any) -> Any:
        if isinstance(value, Secret):
            return secrets[value.name]
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    kind = resource.address.type
    return {"apiVersion": tokens.api_version(kind), "kind": tokens.kind(kind), **plain(resource.properties)}
