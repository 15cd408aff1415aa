"""What an endpoint lacks or asks for that a cluster cannot do. Asked by compile before anything is emitted."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Predictor
from trueup_stacks.core.targets import Catalog, Refusal

_DIGEST = re.compile(r"^\S+@sha256:[0-9a-f]{64}$")
_LABEL_NAME = re.compile(r"^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$")
_SERVICE_NAME = re.compile(r"^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$")


def refuse_endpoint(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """Every reason at once."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    yield from _image(spec.predictor)
    yield from _scaling(spec.predictor)
    yield from _names(document, catalog)
    if catalog.settings.registry.tracking_uri is None:
        yield Refusal(
            "Environment.spec.registry.trackingUri",
            "a server on a cluster cannot read the registry of this machine",
            f"Name an MLflow tracking server in `registry.trackingUri` of Environment/{catalog.environment}.",
        )


def _image(spec: Predictor) -> Iterable[Refusal]:
    if spec.image is None or not _DIGEST.match(spec.image):
        yield Refusal(
            "spec.predictor.image",
            "the image of the model server is not given by digest",
            "Write `image: NAME@sha256:…`; an Overlay can give it to this environment only.",
        )


def _scaling(spec: Predictor) -> Iterable[Refusal]:
    if not scales(spec):
        return
    if spec.scale_metric in ("concurrency", "rps"):
        yield Refusal(
            "spec.predictor.scaleMetric",
            f"scaling by {spec.scale_metric} needs a metrics adapter that this target does not install",
            "Scale by `cpu` or `memory`.",
        )
    elif getattr(spec.resources, spec.scale_metric or "cpu") is None:
        metric = spec.scale_metric or "cpu"
        yield Refusal(
            "spec.predictor.resources",
            f"scaling by {metric} is in percent of the request, and no {metric} is requested",
            f"Set spec.predictor.resources.{metric}.",
        )
    if spec.min_replicas == 0:
        yield Refusal(
            "spec.predictor.minReplicas",
            "a HorizontalPodAutoscaler cannot scale from zero",
            "Set spec.predictor.minReplicas to at least 1.",
        )


def scales(spec: Predictor) -> bool:
    """Whether the number of replicas is a range."""
    return spec.max_replicas is not None and spec.max_replicas > spec.min_replicas


def _names(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    if not _SERVICE_NAME.match(document.key.name):
        yield Refusal(
            "metadata.name",
            "the name of a Kubernetes Service begins with a letter (RFC 1035)",
            "Rename the endpoint, with metadata.movedFrom.",
        )
    for name, value in document.metadata.labels.items():
        if not _LABEL_NAME.match(name) or not _LABEL_VALUE.match(value):
            yield Refusal(
                "metadata.labels",
                f"the label {name!r} with the value {value!r} is none that Kubernetes takes",
                "Use at most 63 letters, digits, `-`, `_` and `.`, or make it an annotation.",
            )
