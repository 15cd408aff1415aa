"""Endpoints on a cluster: plan, apply, an apply that has nothing to do and a refresh, beside a Pulumi program of the same resources.

Each of them has a control plane of its own (tests/cluster), and both have the same provider (the stand-in of tests/providers, in Python, so
that only their ratios say something of the real one). `TRUEUP_BENCH_ENDPOINTS` is how many endpoints there are, ten in a namespace. Trueup
also keeps the model's alias in its registry, which takes each of its commands that look at it the seconds of MLflow's start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from trueup.apply.cli import ensure_cli

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]
TRUEUP = Path(sys.executable).with_name("trueup")
PROVIDERS = Path(__file__).resolve().parents[1] / "providers"
ENDPOINTS = int(os.environ.get("TRUEUP_BENCH_ENDPOINTS", "200"))
OF_A_NAMESPACE = 10
SETTINGS = """\
apiVersion: trueup.dev/v1alpha1
kind: Workspace
metadata: {{name: bench}}
spec: {{}}
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{name: live}}
spec:
  target: kubernetes
  cluster: {{kubeconfig: {kubeconfig}, context: trueup-tests}}
  registry: {{trackingUri: "{registry}"}}
---
apiVersion: trueup.dev/v1alpha1
kind: Model
metadata: {{name: churn, namespace: models}}
spec: {{task: regression, version: 1}}
"""
ENDPOINT = """\
apiVersion: trueup.dev/v1alpha1
kind: Endpoint
metadata: {{name: endpoint-{number:03}, namespace: area-{space:02}}}
spec:
  model: {{name: models/churn}}
  predictor:
    image: example.com/server@sha256:0000000000000000000000000000000000000000000000000000000000000000
    minReplicas: 1
    resources: {{cpu: 100m, memory: 256Mi}}
"""
HANDWRITTEN = '''\
"""What a team would write: a namespace with its rules, ten times an endpoint in it; in one stack, or one for each namespace."""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s
from pulumi import automation

home, operation, endpoints, size, split = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "split"
templates = json.loads((home / "templates.json").read_text())
CLASSES = {
    "Namespace": k8s.core.v1.Namespace,
    "ServiceAccount": k8s.core.v1.ServiceAccount,
    "Service": k8s.core.v1.Service,
    "Deployment": k8s.apps.v1.Deployment,
    "NetworkPolicy": k8s.networking.v1.NetworkPolicy,
    "PodDisruptionBudget": k8s.policy.v1.PodDisruptionBudget,
    "Role": k8s.rbac.v1.Role,
    "RoleBinding": k8s.rbac.v1.RoleBinding,
}


def make(manifest, space, name, after):
    found = json.loads(json.dumps(manifest).replace("area-00", space).replace("endpoint-000", name))
    kind = found.pop("kind")
    found.pop("apiVersion")
    given = {"automount_service_account_token" if k == "automountServiceAccountToken" else k: v for k, v in found.items()}
    return CLASSES[kind](f"{space}-{found['metadata']['name']}", **given, opts=pulumi.ResourceOptions(depends_on=after))


def declare(spaces):
    def program():
        for space in spaces:
            namespace, *rules = templates["namespace"]
            made = make(namespace, f"area-{space:02}", "", [])
            for rule in rules:
                make(rule, f"area-{space:02}", "", [made])
            for number in range(space * size, min(endpoints, (space + 1) * size)):
                account, deployment, *around = templates["endpoint"]
                names = f"area-{space:02}", f"endpoint-{number:03}"
                first = make(account, *names, [made])
                servers = make(deployment, *names, [made, first])
                for thing in around:
                    make(thing, *names, [made, servers])

    return program


def run(spaces):
    work = home / f"work-{spaces[0]}-{len(spaces)}"
    work.mkdir(exist_ok=True)
    settings = automation.ProjectSettings(
        name="bench", runtime="python", backend=automation.ProjectBackend((home / "state").as_uri())
    )
    stack = automation.create_or_select_stack(
        stack_name=f"stack-{spaces[0]}",
        project_name="bench",
        program=declare(spaces),
        opts=automation.LocalWorkspaceOptions(work_dir=str(work), project_settings=settings),
    )
    match operation:
        case "plan":
            changes = stack.preview().change_summary
        case "refresh":
            changes = stack.preview(refresh=True).change_summary
        case _:
            changes = stack.up().summary.resource_changes
    return {getattr(action, "value", action): number for action, number in changes.items()}


(home / "state").mkdir(exist_ok=True)
every = range((endpoints + size - 1) // size)
# Programs that begin at one moment in one process can take each other's engine.
with ProcessPoolExecutor(4) as pool:
    found = list(pool.map(run, [[s] for s in every] if split else [list(every)]))
total = {}
for changes in found:
    for name, number in changes.items():
        total[name] = total.get(name, 0) + number
print(json.dumps(total))
'''
WAYS = ("plan", "apply", "nothing", "refresh")
Seconds = dict[str, float]


def variables(folder: Path) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONDONTWRITEBYTECODE") and not k.startswith("GIT_")
    }
    who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in (("NAME", "b"), ("EMAIL", "b@localhost"))}
    path = os.pathsep.join([str(PROVIDERS), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**kept, **who, "XDG_STATE_HOME": str(folder / "state"), "PATH": path}


def timed(command: list[str], folder: Path, given: dict[str, str]) -> tuple[float, str]:
    """Seconds that a command takes, from its start to its end, and what it said."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return seconds, done.stdout


def repository(folder: Path, cluster: Any) -> Path:
    """The specs, committed, and a registry that has the model."""
    from mlflow import MlflowClient

    specs, uri = folder / "specs", f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("models.churn")
    client.create_model_version("models.churn", "file:///models/churn")
    specs.mkdir()
    (specs / "trueup.yaml").write_text(SETTINGS.format(kubeconfig=cluster.kubeconfig, registry=uri))
    for number in range(ENDPOINTS):
        (specs / f"endpoint-{number:03}.yaml").write_text(
            ENDPOINT.format(number=number, space=number // OF_A_NAMESPACE)
        )
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *arguments], cwd=specs, env=variables(folder), check=True)
    return specs


def ours(folder: Path) -> tuple[Seconds, list[str], dict[str, list[Any]]]:
    """Seconds of each way, the objects that it made, and the manifests of a namespace and of an endpoint."""
    folder.mkdir()
    from cluster.cluster import running

    with running(folder / "cluster") as cluster:
        specs, given = repository(folder, cluster), variables(folder)

        def trueup(*arguments: str) -> float:
            return timed([str(TRUEUP), *arguments], specs, given)[0]

        timed([str(TRUEUP), "render", "live", "--as", "kubernetes", "--out", str(folder / "rendered")], specs, given)
        found = {
            "offline": trueup("plan", "live"),
            "plan": trueup("plan", "live", "--online"),
            "apply": trueup("apply", "live", "--yes"),
            "nothing": trueup("apply", "live", "--yes"),
            "refresh": trueup("plan", "live", "--refresh", "--detailed-exitcode"),
        }
        return found, objects(cluster), templates(folder / "rendered")


def theirs(folder: Path, written: dict[str, list[Any]], way: str) -> tuple[Seconds, list[str]]:
    """Seconds of each way of the program, split as Trueup's stacks are or in one, and the objects that it made."""
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "templates.json").write_text(json.dumps(written))
    (home / "program.py").write_text(HANDWRITTEN)
    cli = ensure_cli(lambda _line: None)
    from cluster.cluster import running

    with running(folder / "cluster") as cluster:
        given = variables(folder) | {
            "KUBECONFIG": str(cluster.kubeconfig),
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_HOME": str(home / "pulumi"),
        }
        given["PATH"] = os.pathsep.join([str(cli.parent), given["PATH"]])
        found = {}
        for operation in WAYS:
            count = [str(ENDPOINTS), str(OF_A_NAMESPACE)]
            command = [sys.executable, str(home / "program.py"), str(home), operation, *count, way]
            found[operation], said = timed(command, home, given)
            changes = json.loads(said.splitlines()[-1])
            assert set(changes) == {"create"} if operation in ("plan", "apply") else set(changes) == {"same"}, changes
        return found, objects(cluster)


def templates(rendered: Path) -> dict[str, list[Any]]:
    """The manifests of the first namespace and of the first endpoint, from what `trueup render` wrote."""

    def read(name: str) -> list[Any]:
        return list(YAML(typ="safe").load_all((rendered / f"{name}.yaml").read_text()))

    namespace = read("live.area-00.foundation")
    endpoint = [m for m in read("live.area-00.serving") if m["metadata"]["name"] == "endpoint-000"]
    order = ["Namespace", "ServiceAccount", "Deployment"]
    for some in (namespace, endpoint):
        some.sort(key=lambda m: order.index(m["kind"]) if m["kind"] in order else len(order))
    return {"namespace": namespace, "endpoint": endpoint}


def objects(cluster: Any) -> list[str]:
    """What is there, beside what controllers made; every server is ready."""
    kinds = "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets,roles,rolebindings,namespaces"
    mark = "--selector=app.kubernetes.io/managed-by=trueup"
    items = json.loads(cluster.kubectl("get", kinds, "--all-namespaces", mark, "--output=json"))["items"]
    ready = [d for d in items if d["kind"] == "Deployment" and d["status"].get("readyReplicas") == 1]
    assert len(ready) == ENDPOINTS
    return sorted(f"{i['kind']} {i['metadata'].get('namespace', '')}/{i['metadata']['name']}" for i in items)


def test_endpoints_of_a_cluster(tmp_path: Path, control_plane_programs: None) -> None:
    best, made, written = ours(tmp_path / "ours")
    split, by_hand = theirs(tmp_path / "split", written, "split")
    assert by_hand == made
    whole, at_once = theirs(tmp_path / "whole", written, "whole")
    assert at_once == made
    spaces = -(-ENDPOINTS // OF_A_NAMESPACE)
    print(
        f"\n{ENDPOINTS} endpoints in {spaces} namespaces on Kubernetes, {len(made)} objects; by hand: in {spaces} stacks, in one"
    )
    for way, name in zip(WAYS, ("plan --online", "apply", "apply, nothing changed", "plan --refresh"), strict=True):
        ratios = f"{best[way] / split[way]:.2f} x, {best[way] / whole[way]:.2f} x"
        print(f"  {name}: {best[way]:.1f} s; by hand {split[way]:.1f} s, {whole[way]:.1f} s: {ratios}")
    print(f"  plan, which asks no cluster: {best['offline']:.1f} s")
