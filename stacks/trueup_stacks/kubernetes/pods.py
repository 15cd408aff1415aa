"""The pods of an endpoint: where they stand, and under which rights (the restricted Pod Security Standard)."""

from __future__ import annotations

import math

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import meshes, naming
from trueup_stacks.kubernetes.containers import container

_USER = 65532
"""Above 10000, so that no user of the node has it; the `nonroot` of the distroless images."""
_SCRATCH = "8Gi"
_SPREAD = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


def pod_template(document: Document, model: Document, version: int, catalog: Catalog) -> dict[str, Value]:
    """The template of the pods."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    predictor = spec.predictor
    grace = seconds(predictor.termination_grace_period) + seconds(predictor.pre_stop)
    pod: dict[str, Value] = {
        "serviceAccountName": document.key.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(grace),
        "securityContext": security(),
        "affinity": {"podAntiAffinity": _apart(document)},
        "topologySpreadConstraints": [_spread(document, where) for where in _SPREAD],
        "containers": [container(document, model, version, catalog)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": _SCRATCH}}],
    }
    if predictor.priority_class is not None:
        pod["priorityClassName"] = predictor.priority_class
    if secrets := pull_secrets(catalog):
        pod["imagePullSecrets"] = secrets
    meshed = meshes.marks(catalog)
    own = {**naming.labels(document, catalog), "app.kubernetes.io/version": str(version)}
    labels = {**own, **meshed.get("labels", {})}
    annotations = {"annotations": meshed["annotations"]} if "annotations" in meshed else {}
    return {"metadata": {"labels": labels, **annotations}, "spec": pod}


def security() -> dict[str, Value]:
    """The rights of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "fsGroup": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pull_secrets(catalog: Catalog) -> list[Value]:
    """References to the credentials of private registries."""
    return [{"name": secret.name} for secret in naming.cluster(catalog).image_pull_secrets]


def _spread(document: Document, where: str) -> dict[str, Value]:
    """Replicas over zones and nodes, as far as there is room."""
    return {
        "maxSkew": 1,
        "topologyKey": where,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": naming.selector(document)},
    }


def _apart(document: Document) -> dict[str, Value]:
    """Two replicas on one node are the last choice, also where replicas of different versions stand beside each other."""
    term = {"labelSelector": {"matchLabels": naming.selector(document)}, "topologyKey": "kubernetes.io/hostname"}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
