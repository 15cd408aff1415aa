"""The container of an endpoint's pods: Trueup's model server (`trueup.serving.container`), with its resources and probes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trueup_specs.core.envelope import Document, EnvValue, Resources, SecretKeyRef, seconds
from trueup_specs.core.quantities import amount
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Predictor, Probe, StartupProbe
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes.quantities import amounts
from trueup_stacks.kubernetes.registry_address import tracking_uri
from trueup_stacks.local.naming import registered_name

PORT = 8080
"""The HTTP port of the model server."""
_REQUESTS = {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "256Mi"}
"""What a server has at least where the spec says nothing: it loads MLflow and a model."""
_LEAST_CPU_LIMIT = 1.0
_DISK_LIMIT = "10Gi"
"""Room for the model's files, which are downloaded at the start."""


def container(document: Document, model: Document, version: int, catalog: Catalog) -> dict[str, Value]:
    """The one container."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    predictor, probes, name = spec.predictor, spec.predictor.probes, document.key.name
    given = {
        "MLFLOW_TRACKING_URI": tracking_uri(catalog),
        "MODEL_URI": f"models:/{registered_name(model, catalog)}/{version}",
        "HOME": "/tmp",
    }
    made: dict[str, Value] = {
        "name": "predictor",
        "image": predictor.image,
        "imagePullPolicy": "Always",
        "command": ["python", "-m", "trueup.serving.container"],
        "args": _arguments(name, spec),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [
            *({"name": k, "value": v} for k, v in given.items() if k not in predictor.env),
            *(variable(k, v, name) for k, v in predictor.env.items()),
        ],
        "resources": resources(predictor.resources),
        "startupProbe": _probe(probes.startup, f"/v2/models/{name}/ready"),
        "readinessProbe": _probe(probes.readiness, f"/v2/models/{name}/ready"),
        "livenessProbe": _probe(probes.liveness, "/v2/health/live"),
        "securityContext": security(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return made | _lifecycle(predictor)


def security() -> dict[str, Value]:
    """The rights of a container."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def _arguments(name: str, spec: EndpointSpec) -> list[str]:
    predictor = spec.predictor
    found = [
        f"--model_name={name}",
        f"--http_port={PORT}",
        f"--workers={predictor.workers}",
        f"--timeout={seconds(predictor.timeout):g}",
        f"--grace={seconds(predictor.termination_grace_period):g}",
    ]
    if spec.logging.mode != "none":
        found += [f"--log_mode={spec.logging.mode}", f"--log_percent={spec.logging.sample_percent:g}"]
    return found


def _lifecycle(predictor: Predictor) -> dict[str, Value]:
    """Kubernetes itself waits, so that the image needs no shell."""
    wait = math.ceil(seconds(predictor.pre_stop))
    return {"lifecycle": {"preStop": {"sleep": {"seconds": wait}}}} if wait else {}


def variable(name: str, value: EnvValue, secret: str) -> dict[str, Value]:
    """A secret comes from the Secret that goes with the server, under the variable's own name."""
    if isinstance(value, SecretKeyRef):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
    return {"name": name, "value": value}


def resources(given: Resources, usual: Mapping[str, str] = _REQUESTS) -> dict[str, Any]:
    """Requests and limits. What is not given has a default: `usual` is requested; memory's limit is its request, that of CPU leaves room
    to start in."""
    requests = {**usual, **amounts({"cpu": given.cpu, "memory": given.memory})}
    room = max(_LEAST_CPU_LIMIT, 2 * (amount(requests["cpu"]) or 0))
    defaults = {"cpu": f"{room:g}", "memory": requests["memory"], "ephemeral-storage": _DISK_LIMIT}
    limits = amounts({"cpu": given.cpu_limit, "memory": given.memory_limit})
    return {"requests": amounts(_within(requests, limits, given)), "limits": amounts({**defaults, **limits})}


def _within(requests: dict[str, str], limits: dict[str, str], given: Resources) -> dict[str, str]:
    """A limit below the default request lowers it: a request above its limit would be refused."""
    lower = {
        name: limit
        for name, limit in limits.items()
        if getattr(given, name) is None and (amount(limit) or 0) < (amount(requests[name]) or 0)
    }
    return {**requests, **lower}


def _probe(probe: Probe | StartupProbe, path: str) -> dict[str, Value]:
    """Kubernetes counts in whole seconds, and leaves out a delay of none."""
    delay = math.ceil(seconds(probe.initial_delay))
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        **({"initialDelaySeconds": delay} if delay else {}),
        "periodSeconds": max(1, math.ceil(seconds(probe.period))),
        "timeoutSeconds": max(1, math.ceil(seconds(probe.timeout))),
        "failureThreshold": probe.failure_threshold,
    }
