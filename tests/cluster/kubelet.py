"""A small kubelet for tests: a node of its own, on which the pods of chosen namespaces run as processes of this machine.

    with kubelet.running(cluster, folder) as node:
        name = node.namespace("churn-runs")  # what is scheduled there lands on the node and really runs
        cluster.apply(*manifests)

KWOK has no part in it: the node is not one of its. The pods come from their manifests as they are: the API server's own admission plugins
send the pods of a namespace to the node (PodNodeSelector, PodTolerationRestriction), and its taint keeps others away. Claims get a folder.
Services have the names that a cluster's DNS gives them, and lead to this machine. Logs come through the API, as from any kubelet. Readiness
probes that are commands are asked. What is not acted out: other probes, users, limits, networks, images (`kubelet_containers`).
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cluster.cluster import Cluster, ClusterError
from cluster.kubelet_containers import Container, namespaces
from cluster.kubelet_pods import PodProcesses, now

NODE = "processes"
LABEL = "trueup-tests/kubelet"
_SELECTOR = "scheduler.alpha.kubernetes.io/node-selector"
LOOK = 0.1
HEARTBEAT = 2.0
DONE = ("Succeeded", "Failed")


class Kubelet:
    """The node's agent."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.programs: dict[str, Path] = {}
        self.pods: dict[str, PodProcesses] = {}
        self.shared = folder / "shared"
        """A folder that every container finds where it is."""
        self.shared.mkdir()
        self.names = folder / "hosts"
        """The names of the Services, as a cluster's DNS has them: all pods are this machine."""
        self.names.write_text(self._hosts(()))
        self._ended = threading.Event()
        self._server = _serve(self)
        self._threads = [
            threading.Thread(target=t, daemon=True) for t in (self._loop, self._beat, self._server.serve_forever)
        ]

    def start(self) -> None:
        """Joins the cluster."""
        self.cluster.call("POST", "/api/v1/nodes", self._node())
        for thread in self._threads:
            thread.start()
        self.cluster.until(lambda: NODE in self.cluster.ready_nodes(), "the node is ready")

    def stop(self) -> None:
        """Ends what runs, and leaves the cluster."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        for pod in self.pods.values():
            pod.stop(0)
        for path in (f"/api/v1/nodes/{NODE}", *(f"/api/v1/persistentvolumes/{v}" for v in self._volumes())):
            self.cluster.call("DELETE", path)

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """A namespace whose pods run here; by default it enforces the Pod Security level `restricted`. Its name."""
        made = self.cluster.namespace(name, labels)
        self.adopt(made)
        return made

    def adopt(self, namespace: str) -> None:
        """The pods of a namespace run here from now on."""
        tolerations = json.dumps([{"key": LABEL, "operator": "Exists"}])
        annotations = {
            _SELECTOR: f"{LABEL}=yes",
            "scheduler.alpha.kubernetes.io/defaultTolerations": tolerations,
        }
        self.cluster.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": annotations}})

    def put(self, name: str, program: Path) -> None:
        """Puts a program into the `/usr/local/bin` of every container from now on."""
        assert namespaces(), "A program is put into a container's root, and only root can make such."
        self.programs[name] = program

    def log(self, namespace: str, pod: str, container: str) -> Path | None:
        """What a container printed; None where it was never here."""
        found = self.container(namespace, pod, container)
        return found.log if found is not None else None

    def container(self, namespace: str, pod: str, name: str) -> Container | None:
        """A container of a pod that is or was here."""
        for found in self.pods.values():
            metadata = found.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, pod):
                return found.containers.get(name)
        return None

    def running(self, namespace: str, pod: str) -> bool:
        """Whether a pod goes on."""
        return any(
            p.thread.is_alive() and (p.pod["metadata"]["namespace"], p.pod["metadata"]["name"]) == (namespace, pod)
            for p in self.pods.values()
        )

    # --- the loops ---

    def _loop(self) -> None:
        while not self._ended.wait(LOOK):
            try:
                self._name()
                for pod in self.cluster.get(f"/api/v1/pods?fieldSelector=spec.nodeName={NODE}")["items"]:
                    self._see(pod)
                for claim in self.cluster.get("/api/v1/persistentvolumeclaims")["items"]:
                    self._provide(claim)
            except (ClusterError, OSError):
                continue  # the API server does not answer, or the object is gone: the next turn looks again

    def _see(self, pod: Any) -> None:
        uid = pod["metadata"]["uid"]
        known = self.pods.get(uid)
        if pod["metadata"].get("deletionTimestamp"):
            if known is not None and known.thread.is_alive():
                threading.Thread(
                    target=known.stop, args=(pod["metadata"].get("deletionGracePeriodSeconds", 0),)
                ).start()
                known.thread.join(LOOK)
            if known is None or not known.thread.is_alive():
                path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
                self.cluster.call("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
        elif known is None and pod.get("status", {}).get("phase") not in DONE:
            folders = self.folder / "pods" / uid, self.folder / "volumes"
            made = PodProcesses(self.cluster, pod, *folders, self.programs, self.names, self.shared)
            self.pods[uid] = made
            made.thread.start()

    def _name(self) -> None:
        """Writes down the Services of the namespaces whose pods run here; the file stays the one that containers have."""
        namespaces = self.cluster.get("/api/v1/namespaces")["items"]
        ours = [n["metadata"]["name"] for n in namespaces if _SELECTOR in n["metadata"].get("annotations", {})]
        found = [s["metadata"] for n in ours for s in self.cluster.get(f"/api/v1/namespaces/{n}/services")["items"]]
        text = self._hosts([(m["name"], m["namespace"]) for m in found])
        if text != self.names.read_text():
            self.names.write_text(text)

    def _hosts(self, services: Iterable[tuple[str, str]]) -> str:
        own = Path("/etc/hosts").read_text() if Path("/etc/hosts").exists() else "127.0.0.1 localhost\n"
        lines = (f"127.0.0.1 {n}.{s}.svc.cluster.local {n}.{s}.svc {n}.{s} {n}\n" for n, s in services)
        return own.rstrip("\n") + "\n" + "".join(lines)

    def _provide(self, claim: Any) -> None:
        """A folder for a claim that nobody else gives one."""
        metadata, spec = claim["metadata"], claim["spec"]
        if claim.get("status", {}).get("phase") != "Pending" or spec.get("storageClassName"):
            return
        name = f"{NODE}-{metadata['uid']}"
        if self.cluster.exists(f"/api/v1/persistentvolumes/{name}"):
            return
        volume = {
            "metadata": {"name": name, "labels": {LABEL: "yes"}},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {k: metadata[k] for k in ("namespace", "name", "uid")} | {"kind": "PersistentVolumeClaim"},
                "hostPath": {"path": str(self.folder / "volumes" / name)},
            },
        }
        self.cluster.call("POST", "/api/v1/persistentvolumes", volume)

    def _volumes(self) -> list[str]:
        found = self.cluster.get(f"/api/v1/persistentvolumes?labelSelector={LABEL}=yes")["items"]
        return [v["metadata"]["name"] for v in found]

    def _beat(self) -> None:
        """Says that the node is there, as kubelets do."""
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            stamp = now().replace("Z", ".000000Z")
            spec = {"holderIdentity": NODE, "leaseDurationSeconds": 6, "renewTime": stamp}
            try:
                if self.cluster.exists(f"{path}/{NODE}"):
                    self.cluster.patch(f"{path}/{NODE}", {"spec": spec})
                else:
                    self.cluster.call("POST", path, {"metadata": {"name": NODE}, "spec": spec})
                self.cluster.patch(f"/api/v1/nodes/{NODE}/status", {"status": self._status()})
            except (ClusterError, OSError):
                time.sleep(LOOK)
            if self._ended.wait(HEARTBEAT):
                return

    def _node(self) -> Any:
        labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", LABEL: "yes"}
        taint = {"key": LABEL, "effect": "NoSchedule"}
        return {"metadata": {"name": NODE, "labels": labels}, "spec": {"taints": [taint]}, "status": self._status()}

    def _status(self) -> Any:
        room = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "250"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now()}
        return {
            "allocatable": room,
            "capacity": room,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._server.server_address[1]}},
        }


@contextmanager
def running(cluster: Cluster, folder: Path) -> Iterator[Kubelet]:
    """A kubelet for as long as the block runs."""
    made = Kubelet(cluster, folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _serve(kubelet: Kubelet) -> ThreadingHTTPServer:
    """What the API server asks a kubelet for: logs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = url.path.strip("/").split("/")
            if asked[0] == "exec":
                self._exec(*asked[1:], parse_qs(url.query).get("command", []))
                return
            log = kubelet.log(*asked[1:]) if len(asked) == 4 and asked[0] == "containerLogs" else None
            self.send_response(200 if log is not None else 404)
            self.end_headers()
            if log is not None:
                self._send(log, asked[1], asked[2], "follow" in parse_qs(url.query))

        do_POST = do_GET

        def _exec(self, namespace: str, pod: str, container: str, command: list[str]) -> None:
            """Of all commands only the signal that Argo's controller sends (`argoexec kill NUMBER 1`); there are no streams."""
            found = kubelet.container(namespace, pod, container)
            if found is not None and "kill" in command[:2]:
                found.signal(int(command[-2]))
            self.send_response(204 if found is not None else 404)
            self.end_headers()

        def _send(self, log: Path, namespace: str, pod: str, follow: bool) -> None:
            sent = 0
            while True:
                going = follow and kubelet.running(namespace, pod)
                text = log.read_bytes() if log.is_file() else b""
                self.wfile.write(text[sent:])
                self.wfile.flush()
                sent = len(text)
                if not going:
                    return
                time.sleep(LOOK)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    certificates = kubelet.cluster.folder / "certificates"
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    server.socket = trust.wrap_socket(server.socket, server_side=True)
    return server
