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
SCRATCH = "8Gi"
"""What a server may write, all of it below `/tmp`."""
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
        **spread(naming.selector(document)),
        "containers": [container(document, model, version, catalog)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": SCRATCH}}],
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


def spread(selector: dict[str, str]) -> dict[str, Value]:
    """The fields of a pod that put replicas into different zones and on different nodes, as far as there is room.

    Two on one node are the last choice, also where replicas of different versions stand beside each other.
    """
    pods = {"labelSelector": {"matchLabels": selector}}
    term = {**pods, "topologyKey": "kubernetes.io/hostname"}
    return {
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            }
        },
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": where, "whenUnsatisfiable": "ScheduleAnyway", **pods} for where in _SPREAD
        ],
    }
