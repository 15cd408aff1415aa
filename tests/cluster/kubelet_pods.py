"""A pod as processes of this machine: its volumes as folders, init containers in their order, then its containers. Called by `kubelet`."""

from __future__ import annotations

import base64
import math
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.cluster import Cluster, ClusterError
from cluster.kubelet_containers import Container, Mount, environment, namespaces
from trueup_specs.core.quantities import amount

_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
BACKOFF = 0.2
"""Seconds before a container's next try, doubled each time; a cluster of a cloud waits ten at first."""
PROBE = 0.5
"""Seconds between two questions whether a container is ready."""


def now() -> str:
    """The time as the API has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class PodProcesses:
    """Runs one pod to its end, and tells the API server how it goes."""

    def __init__(
        self,
        cluster: Cluster,
        pod: Any,
        folder: Path,
        claims: Path,
        programs: Mapping[str, Path],
        names: Path,
        shared: Path,
    ) -> None:
        self.thread = threading.Thread(target=self._run, name=pod["metadata"]["name"], daemon=True)
        self.cluster, self.pod, self.folder, self._claims, self._programs = cluster, pod, folder, claims, programs
        self._names, self._shared = names, shared
        self._probed: set[str] = set()
        self.path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self.containers: dict[str, Container] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._restarts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._began = now()
        self._late = False

    @property
    def spec(self) -> Any:
        """The pod's spec."""
        return self.pod["spec"]

    def _run(self) -> None:
        """Runs it; a pod that cannot be run says why in its status."""
        try:
            self._go()
        except Exception as error:  # noqa: BLE001 — whatever goes wrong is said in the status, or the pod would hang
            self._tell("Failed", reason="KubeletError", message=f"{type(error).__name__}: {error}")

    def _go(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        volumes = {v["name"]: self._volume(v) for v in self.spec.get("volumes", ())}
        for container in (*self.spec.get("initContainers", ()), *self.spec["containers"]):
            self.containers[container["name"]] = self._container(container, volumes)
        self._tell("Pending")
        timer = self._deadline()
        ended = all(self._tried(c["name"], first=True) == 0 for c in self.spec.get("initContainers", ()))
        codes = self._together() if ended and not self._stopped.is_set() else [1]
        if timer is not None:
            timer.cancel()
        if self._late:
            self._tell(
                "Failed",
                reason="DeadlineExceeded",
                message="Pod was active on the node longer than the specified deadline",
            )
        else:
            self._tell("Succeeded" if not any(codes) else "Failed")

    def _together(self) -> list[int]:
        codes: dict[str, int] = {}
        names = [c["name"] for c in self.spec["containers"]]

        def one(name: str) -> None:
            codes[name] = self._tried(name)

        for container in self.spec["containers"]:
            if namespaces() and (probe := container.get("readinessProbe", {})).get("exec"):
                threading.Thread(target=self._probe, args=(container["name"], probe), daemon=True).start()

        threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return list(codes.values())

    def _tried(self, name: str, first: bool = False) -> int:
        """Runs a container as often as the pod's restart policy says; its last exit code. One that is `first` is to end."""
        policy, pause = self.spec.get("restartPolicy", "Always"), BACKOFF
        policy = "OnFailure" if first and policy == "Always" else policy
        while True:
            began = now()
            self._state(name, {"running": {"startedAt": began}})
            code = self.containers[name].run()
            ended = {"exitCode": code, "startedAt": began, "finishedAt": now()}
            ended["reason"] = "Completed" if code == 0 else "Error"
            if message := self._message(name):
                ended["message"] = message
            again = policy == "Always" or (policy == "OnFailure" and code != 0)
            if not again or self._stopped.is_set():
                self._state(name, {"terminated": ended})
                return code
            waiting = {"reason": "CrashLoopBackOff", "message": f"back-off {pause:g}s restarting failed container"}
            self._state(name, {"waiting": waiting})
            if self._stopped.wait(pause):
                self._state(name, {"terminated": ended})
                return code
            pause *= 2
            self._restarts[name] = self._restarts.get(name, 0) + 1

    def _probe(self, name: str, probe: Mapping[str, Any]) -> None:
        """Asks a container whether it is ready, until it ends."""
        while not self._stopped.wait(PROBE):
            if self.containers[name].holds(probe["exec"]["command"], probe.get("timeoutSeconds", 1)):
                self._probed.add(name)
                self._state(name, self._states[name])
                return
            if "terminated" in self._states.get(name, {}):
                return

    def _ready(self, container: Mapping[str, Any]) -> bool:
        """Whether a container runs, and says that it is ready where a command can ask it."""
        name = container["name"]
        asked = namespaces() and "exec" in container.get("readinessProbe", {})
        return "running" in self._states.get(name, {}) and (name in self._probed or not asked)

    def _message(self, name: str) -> str:
        """What a container wrote for whoever reads the pod's status."""
        file = self.folder / "containers" / f"{name}.termination"
        return file.read_text(errors="replace")[:4096] if file.is_file() else ""

    def stop(self, grace: float) -> None:
        """Ends all containers."""
        self._stopped.set()
        for container in self.containers.values():
            container.end(min(grace, 2.0))

    def _deadline(self) -> threading.Timer | None:
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None:
            return None

        def late() -> None:
            self._late = True
            self.stop(0.5)

        timer = threading.Timer(seconds, late)
        timer.daemon = True
        timer.start()
        return timer

    # --- from the manifest ---

    def _container(self, manifest: Any, volumes: Mapping[str, Path]) -> Container:
        folder = self.folder / "containers" / manifest["name"]
        mounts = []
        for mount in manifest.get("volumeMounts", ()):
            source = volumes[mount["name"]] / mount.get("subPath", "")
            if not source.exists():
                source.mkdir(parents=True)
            mounts.append(Mount(source, mount["mountPath"].rstrip("/"), bool(mount.get("readOnly"))))
        mounts.sort(key=lambda m: len(m.target))
        message = self.folder / "containers" / f"{manifest['name']}.termination"
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)
        mounts.append(Mount(self._shared, str(self._shared)))
        mounts.append(Mount(message, manifest.get("terminationMessagePath") or "/dev/termination-log"))
        variables = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.cluster.port)}
        variables |= environment(manifest, self._value)
        return Container(manifest, variables, mounts, folder, self._programs, self._names)

    def _volume(self, volume: Mapping[str, Any]) -> Path:
        folder = self.folder / "volumes" / volume["name"]
        namespace = self.pod["metadata"]["namespace"]
        match volume:
            case {"emptyDir": _}:
                folder.mkdir(parents=True, exist_ok=True)
            case {"secret": {"secretName": name}}:
                self._files(folder, self._data("secrets", name))
            case {"configMap": {"name": name}}:
                self._files(folder, self._data("configmaps", name))
            case {"persistentVolumeClaim": {"claimName": name}}:
                found = self.cluster.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
                folder = self._claims / found["spec"]["volumeName"]
                folder.mkdir(parents=True, exist_ok=True)
            case _:
                raise ValueError(f"this kubelet mounts no such volume: {volume}")
        return folder

    def _files(self, folder: Path, data: Mapping[str, bytes]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in data.items():
            (folder / name).write_bytes(content)

    def _data(self, kind: str, name: str) -> dict[str, bytes]:
        found = self.cluster.get(f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/{kind}/{name}").get(
            "data", {}
        )
        return {k: base64.b64decode(v) if kind == "secrets" else v.encode() for k, v in found.items()}

    def _value(self, source: Mapping[str, Any]) -> str:
        match source:
            case {"secretKeyRef": {"name": name, "key": key}}:
                return self._data("secrets", name)[key].decode()
            case {"configMapKeyRef": {"name": name, "key": key}}:
                return self._data("configmaps", name)[key].decode()
            case {"fieldRef": {"fieldPath": path}}:
                value: Any = self.pod
                if (key := _KEY.fullmatch(path)) is not None:
                    return str(value["metadata"].get(key[1], {}).get(key[2], ""))
                for part in path.split("."):
                    value = value[part]
                return str(value)
            case {"resourceFieldRef": {"containerName": name, "resource": resource}}:
                container = next(c for c in self.spec["containers"] if c["name"] == name)
                kind, _, of = resource.partition(".")
                return str(math.ceil(amount(container["resources"][kind][of]) or 0))
        raise ValueError(f"this kubelet reads no value from {source}")

    # --- what the API server is told ---

    def _state(self, name: str, state: dict[str, Any]) -> None:
        with self._lock:
            self._states[name] = state
        self._tell("Running" if self._initialized() else "Pending")

    def _initialized(self) -> bool:
        return all(
            self._states.get(c["name"], {}).get("terminated", {}).get("exitCode") == 0
            for c in self.spec.get("initContainers", ())
        )

    def _tell(self, phase: str, **more: str) -> None:
        with self._lock:
            ready = phase == "Running" and all(self._ready(c) for c in self.spec["containers"])
            told: dict[str, Any] = {
                "PodScheduled": True,
                "Initialized": self._initialized(),
                "ContainersReady": ready,
                "Ready": ready,
            }
            status = {
                "phase": phase,
                "startTime": self._began,
                "hostIP": "127.0.0.1",
                "podIP": "127.0.0.1",
                "podIPs": [{"ip": "127.0.0.1"}],
                "conditions": [
                    {"type": kind, "status": "True" if so else "False", "lastTransitionTime": now()}
                    for kind, so in told.items()
                ],
                "initContainerStatuses": self._statuses("initContainers"),
                "containerStatuses": self._statuses("containers"),
                **more,
            }
            self._patch({"status": status})

    def _statuses(self, kind: str) -> list[Any]:
        return [
            {
                "name": c["name"],
                "image": c["image"],
                "imageID": c["image"],
                "ready": self._ready(c),
                "started": "running" in self._states.get(c["name"], {}),
                "restartCount": self._restarts.get(c["name"], 0),
                "state": self._states.get(c["name"], {"waiting": {"reason": "PodInitializing"}}),
            }
            for c in self.spec.get(kind, ())
        ]

    def _patch(self, body: Any) -> None:
        for left in (2, 1, 0):
            try:
                self.cluster.patch(f"{self.path}/status", body, "test-kubelet")
                return
            except ClusterError as error:
                if error.code == 404:
                    return
                if not left:
                    raise
            time.sleep(0.1)
