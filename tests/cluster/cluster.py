"""A real Kubernetes control plane on loopback ports: etcd, API server, controllers, scheduler, and KWOK in place of kubelets.

Tests get it as the fixture `cluster`, people by `make cluster` (README.md). Pods are scheduled and become ready by KWOK's stages, and run
nothing. Everything that a cluster of a cloud checks is on: RBAC, Pod Security, validating admission policies, quotas.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cluster import building, certificates
from loopback import free_port

HERE = Path(__file__).resolve().parent
CRDS = HERE.parents[2] / "shared" / "crds"
ZONES = ("zone-a", "zone-b", "zone-c")
NODES_PER_ZONE = 2
TOKENS = {
    "admin": ("kubernetes-admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
}
"""Who may sign in: token → user and group. The ports are loopback ones and the cluster is empty, so the tokens are no secrets."""

GATEWAY_CLASS = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "envoy"}}


class ClusterError(AssertionError):
    """The API server refused something; the text has its reason."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass
class Cluster:
    """The running control plane. `folder` holds its data, keys and logs."""

    folder: Path
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False)
    _crds: set[Path] = field(default_factory=set, init=False)

    @property
    def url(self) -> str:
        """Where the API server answers."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its context is `trueup-tests`."""
        return self.folder / "kubeconfig"

    # --- the processes ---

    def start(self) -> None:
        """Starts everything and makes the nodes; comes back when the API server serves and every node is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        certificates.key_pair(self.folder, "service-accounts")
        certificates.Authority.made(self.folder / "aggregation").issue("aggregator")
        tokens = [f'{token},{user},{user},"{group}"' for token, (user, group) in TOKENS.items()]
        (self.folder / "tokens.csv").write_text("\n".join(tokens) + "\n")
        for token in TOKENS:
            name = "kubeconfig" if token == "admin" else f"kubeconfig-{token}"
            (self.folder / name).write_text(json.dumps(self._kubeconfig(token), indent=1))
        self._spawn("etcd", *self._etcd())
        self._spawn("kube-apiserver", *self._api_server())
        self._await_api()
        self._spawn("kube-controller-manager", *self._controllers())
        self._spawn("kube-scheduler", *self._scheduler())
        self._spawn("kwok", *self._kwok())
        for zone in ZONES:
            for number in range(1, NODES_PER_ZONE + 1):
                self.call("POST", "/api/v1/nodes", _node(f"{zone}-{number}", zone))
        self.until(lambda: len(self.ready_nodes()) == len(ZONES) * NODES_PER_ZONE, "every node is ready")
        self.until(lambda: self.exists("/api/v1/namespaces/default/serviceaccounts/default"), "the controllers work")

    def stop(self) -> None:
        """Ends everything at once, by the ids of the processes that `start` made: what they hold is thrown away."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    def away(self) -> None:
        """The API server is away, until `back`."""
        process = self.processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def back(self) -> None:
        """The API server answers again, on the same port."""
        self._spawn("kube-apiserver", *self._api_server())
        self._await_api()

    def _spawn(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [*tied(), str(building.binary(program)), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "HOME": str(self.folder)},
                start_new_session=True,
            )

    def _await_api(self) -> None:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended:\n{self.log(name)[-3000:]}")
            try:
                self.call("GET", "/readyz", timeout=2)
                return
            except (OSError, ClusterError):
                time.sleep(0.05)
        raise AssertionError(f"The API server did not become ready:\n{self.log('kube-apiserver')[-3000:]}")

    def log(self, program: str) -> str:
        """What a program of the control plane said."""
        return (self.folder / f"{program}.log").read_text(errors="replace")

    def _etcd(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        return [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _api_server(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction,PodNodeSelector,PodTolerationRestriction",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.folder / 'service-accounts.key'}",
            f"--service-account-key-file={self.folder / 'service-accounts.pub'}",
            # Who it is to API servers of its own kind that it hands requests to, such as that of KEDA's metrics.
            f"--requestheader-client-ca-file={self.folder / 'aggregation' / 'ca.crt'}",
            "--requestheader-allowed-names=aggregator",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={self.folder / 'aggregation' / 'tls.crt'}",
            f"--proxy-client-key-file={self.folder / 'aggregation' / 'tls.key'}",
            # A cluster of a cloud waits five minutes before it gives up on a node's pods.
            "--default-not-ready-toleration-seconds=2",
            "--default-unreachable-toleration-seconds=2",
        ]

    def _controllers(self) -> list[str]:
        return [
            f"--kubeconfig={self.folder / 'kubeconfig-controllers'}",
            f"--service-account-private-key-file={self.folder / 'service-accounts.key'}",
            f"--root-ca-file={self.folder / 'certificates' / 'apiserver.crt'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--node-monitor-period=1s",
            "--node-monitor-grace-period=6s",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]

    def _scheduler(self) -> list[str]:
        kubeconfig = self.folder / "kubeconfig-scheduler"
        return [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0", "--kube-api-qps=200"]

    def _kwok(self) -> list[str]:
        return [
            f"--kubeconfig={self.folder / 'kubeconfig-kwok'}",
            f"--config={HERE / 'stages.yaml'}",
            "--manage-nodes-with-label-selector=type=kwok",
            "--cidr=10.244.0.0/16",
            "--node-ip=10.0.0.1",
            "--node-lease-duration-seconds=6",
            f"--server-address=127.0.0.1:{free_port()}",
        ]

    def _kubeconfig(self, token: str) -> Any:
        name = "trueup-tests"
        authority = str(self.folder / "certificates" / "apiserver.crt")
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.url, "certificate-authority": authority}}],
            "users": [{"name": token, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": token}}],
            "current-context": name,
        }

    # --- what tests and people do ---

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        token: str = "admin",
        timeout: float = 30,
    ) -> Any:
        """A request of the API as the administrator; the answer's JSON, or its text. Raises ClusterError and OSError.

        A definition that was just accepted or changed has no storage for a moment: the server asks to come again, as clients do.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                return self._call(method, path, body, content, token, timeout)
            except ClusterError as error:
                if error.code != 429 or "initializing" not in error.text or time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def _call(self, method: str, path: str, body: Any, content: str, token: str, timeout: float) -> Any:
        data = None if body is None else json.dumps(body, default=_stamp).encode()
        headers = {"Content-Type": content, "Authorization": f"Bearer {token}", "Accept": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._trust()) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            answer = error.read().decode("utf-8", "replace")
            raise ClusterError(error.code, _message(answer)) from None
        return json.loads(text) if text.startswith("{") else text

    def get(self, path: str) -> Any:
        """An object or a list, such as `/apis/apps/v1/namespaces/churn/deployments`."""
        return self.call("GET", path)

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        try:
            self.get(path)
        except ClusterError as error:
            if error.code == 404:
                return False
            raise
        return True

    def patch(self, path: str, body: Any, manager: str = "kubectl-edit") -> Any:
        """Changes an object as a person would with `kubectl edit`: a merge patch (a list: a JSON patch)."""
        content = "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
        mark = "&" if "?" in path else "?"
        return self.call("PATCH", f"{path}{mark}fieldManager={manager}", body, content)

    def delete(self, path: str) -> None:
        """Deletes an object, and waits until it is gone."""
        self.call("DELETE", path, {"propagationPolicy": "Background"})
        self.until(lambda: not self.exists(path), f"{path} is gone")

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """A new namespace; by default it enforces the Pod Security level `restricted`. Its name."""
        enforced = {"pod-security.kubernetes.io/enforce": "restricted"} if labels is None else labels
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(enforced)}})
        self.until(lambda: self.exists(f"/api/v1/namespaces/{name}/serviceaccounts/default"), f"{name} is there")
        return name

    def kubectl(self, *arguments: str, text: str | None = None, code: int | None = 0) -> str:
        """Runs kubectl as the administrator; its standard output. Asserts its exit code unless `code` is None."""
        done = subprocess.run(
            [str(kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(self.folder)},
            timeout=120,
        )
        assert code is None or done.returncode == code, f"kubectl {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout if done.returncode == 0 or code is not None else done.stdout + done.stderr

    def apply(self, *objects: Mapping[str, Any], dry_run: bool = False) -> str:
        """Applies manifests by server-side apply under strict field validation, as `kubectl` names what it did."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        dry = ["--dry-run=server"] if dry_run else []
        return self.kubectl(*("apply", "--server-side", "--validate=strict", *dry, "-f", "-"), text=json.dumps(listed))

    def install_crds(self, *projects: str) -> bool:
        """Installs the CRDs of projects whose resources Trueup writes, by default of all, once; whether they are there at all.

        Their texts for people, most of their size, are left out: they cost the API server seconds and judge nothing.
        """
        if not CRDS.is_dir():
            return False
        folders = [CRDS / p for p in projects] or sorted(p for p in CRDS.iterdir() if p.is_dir())
        files = [f for folder in folders for f in sorted(folder.glob("*.yaml")) if f not in self._crds]
        definitions = [_definition(f) for f in files]
        with ThreadPoolExecutor(4) as pool:
            names = list(pool.map(self._install_crd, definitions))
        self._crds.update(files)
        for name in names:
            self.until(lambda name=name: self._established(name), f"{name} is established")
        if "gatewayclasses.gateway.networking.k8s.io" in names:
            # A team that has the Gateway API has an implementation of it, and that makes a class.
            self.apply({**GATEWAY_CLASS, "spec": {"controllerName": "example.com/none"}})
        return True

    def _install_crd(self, found: Any) -> str:
        name = str(found["metadata"]["name"])
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        query = "?fieldManager=trueup-tests&force=true&fieldValidation=Strict"
        self.call("PATCH", path + query, found, "application/apply-patch+yaml", timeout=120)
        return name

    def _established(self, name: str) -> bool:
        found = self.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        return holds(found, "Established")

    def ready_nodes(self) -> list[str]:
        """The names of the nodes that are ready."""
        return [n["metadata"]["name"] for n in self.get("/api/v1/nodes")["items"] if holds(n)]

    def pods(self, namespace: str, selector: str = "") -> list[Any]:
        """The pods of a namespace that are not being deleted."""
        query = f"?labelSelector={selector}" if selector else ""
        found = self.get(f"/api/v1/namespaces/{namespace}/pods{query}")["items"]
        return [p for p in found if "deletionTimestamp" not in p["metadata"]]

    def unready_pods(self, namespace: str) -> list[str]:
        """The names of the pods that are not ready."""
        return [p["metadata"]["name"] for p in self.pods(namespace) if not holds(p)]

    def lose(self, nodes: Iterable[str]) -> None:
        """The machines of nodes are gone: nothing tells the API server that they live any more."""
        for node in nodes:
            self.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {"type": "lost"}}})

    def find(self, nodes: Iterable[str]) -> None:
        """The machines are there again."""
        for node in nodes:
            self.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {"type": "kwok"}}})

    def zone(self, name: str) -> list[str]:
        """The nodes of a zone."""
        return [f"{name}-{number}" for number in range(1, NODES_PER_ZONE + 1)]

    @staticmethod
    def until(true: Any, what: str, seconds: float = 60) -> float:
        """Waits until something is so; how long it took."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < seconds, f"In {seconds:.0f} s it did not come to be that {what}."
            time.sleep(0.05)
        return time.monotonic() - began

    def _trust(self) -> ssl.SSLContext:
        authority = self.folder / "certificates" / "apiserver.crt"
        return ssl.create_default_context(cafile=str(authority) if authority.is_file() else None)


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A control plane of its own, in a folder; its programs are built."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def kubectl() -> Path:
    """The kubectl of the environment that the tests run in."""
    beside = Path(sys.executable).with_name("kubectl")
    return beside if beside.is_file() else Path(shutil.which("kubectl") or "kubectl")


def tied() -> tuple[str, ...]:
    """What makes Linux end a program of the control plane with the process that started it, however that ends."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _node(name: str, zone: str) -> Any:
    labels = {
        "type": "kwok",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": zone,
    }
    room = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "512Gi", "pods": "250"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": room, "capacity": room}}


def _stamp(value: datetime) -> str:
    """What YAML takes for a time, as the API has it."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _definition(file: Path) -> Any:
    import yaml_rs

    return _without_descriptions(yaml_rs.loads(file.read_text()))


def _without_descriptions(value: Any) -> Any:
    """A schema without its texts. A property that is called so is a schema, and no text."""
    if isinstance(value, dict):
        return {k: _without_descriptions(v) for k, v in value.items() if k != "description" or not isinstance(v, str)}
    return [_without_descriptions(v) for v in value] if isinstance(value, list) else value


def holds(thing: Any, condition: str = "Ready") -> bool:
    """Whether a condition of an object is true."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


def _message(answer: str) -> str:
    try:
        return str(json.loads(answer).get("message", answer))
    except ValueError:
        return answer
