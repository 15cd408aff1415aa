"""The pods of an endpoint: one container with KServe's model server, under the restricted Pod Security Standard."""

from __future__ import annotations

import math
from typing import Any

from trueup_specs.core.envelope import Document, EnvValue, Resources, SecretKeyRef, seconds
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Probe
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import naming
from trueup_stacks.local.naming import registered_name, tracking_uri

PORT = 8080
"""The HTTP port of KServe's model server."""


def pod_template(document: Document, model: Document, version: int, catalog: Catalog) -> dict[str, Value]:
    """The template of the Deployment's pods."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    return {
        "metadata": {"labels": naming.selector(document)},
        "spec": {
            "serviceAccountName": document.key.name,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": math.ceil(seconds(spec.predictor.termination_grace_period)),
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "topologySpreadConstraints": [_spread(document, where) for where in _SPREAD],
            "containers": [_container(document, model, version, catalog)],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


_SPREAD = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


def _spread(document: Document, where: str) -> dict[str, Value]:
    """Replicas over zones and nodes, as far as there is room."""
    return {
        "maxSkew": 1,
        "topologyKey": where,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": naming.selector(document)},
    }


def _container(document: Document, model: Document, version: int, catalog: Catalog) -> dict[str, Value]:
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    predictor = spec.predictor
    given = {
        "MLFLOW_TRACKING_URI": tracking_uri(catalog),
        "MODEL_URI": f"models:/{registered_name(model, catalog)}/{version}",
    }
    return {
        "name": "predictor",
        "image": predictor.image,
        "args": [f"--model_name={document.key.name}", f"--http_port={PORT}", f"--workers={predictor.workers}"],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [
            *({"name": k, "value": v} for k, v in given.items() if k not in predictor.env),
            *(_variable(k, v, document) for k, v in predictor.env.items()),
        ],
        "resources": _resources(predictor.resources),
        "readinessProbe": _probe(predictor.probes.readiness, f"/v2/models/{document.key.name}/ready"),
        "livenessProbe": _probe(predictor.probes.liveness, "/v2/health/live"),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def _variable(name: str, value: EnvValue, document: Document) -> dict[str, Value]:
    """A secret comes from the Secret that goes with the endpoint, under the variable's own name."""
    if isinstance(value, SecretKeyRef):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": document.key.name, "key": name}}}
    return {"name": name, "value": value}


def _resources(resources: Resources) -> dict[str, Value]:
    asked = {"cpu": resources.cpu, "memory": resources.memory}
    limits = {"cpu": resources.cpu_limit, "memory": resources.memory_limit}
    found = {"requests": _quantities(asked), "limits": _quantities(limits)}
    return {k: v for k, v in found.items() if v}


def _quantities(amounts: dict[str, Any]) -> dict[str, str]:
    """Quantities as Kubernetes reads them: strings."""
    return {k: str(v) for k, v in amounts.items() if v is not None}


def _probe(probe: Probe, path: str) -> dict[str, Value]:
    """Kubernetes counts in whole seconds."""
    return {
        "httpGet": {"path": path, "port": "http"},
        "initialDelaySeconds": math.ceil(seconds(probe.initial_delay)),
        "periodSeconds": max(1, math.ceil(seconds(probe.period))),
        "timeoutSeconds": max(1, math.ceil(seconds(probe.timeout))),
        "failureThreshold": probe.failure_threshold,
    }
