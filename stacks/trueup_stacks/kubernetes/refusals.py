"""What an endpoint lacks or asks for that a cluster cannot do. Asked by compile before anything is emitted."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.endpoint.spec import EndpointSpec, Predictor
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import autoscaling, kserve, rollouts, secrets
from trueup_stacks.kubernetes.routes import gateway_of

_DIGEST = re.compile(r"^\S+@sha256:[0-9a-f]{64}$")
_LABEL_NAME = re.compile(r"^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$")
_SERVICE_NAME = re.compile(r"^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$")
_LONGEST = 63 - len("-promotion")
"""What is left of a name for objects that carry it with an ending."""


def refuse_endpoint(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """Every reason at once."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    yield from _image(spec.predictor)
    yield from secrets.refuse(catalog, secrets.of(spec.predictor).values(), "spec.predictor.env")
    yield from kserve.refuse(spec, catalog)
    if not kserve.chosen(spec):
        yield from rollouts.refuse(spec, catalog)
    yield from autoscaling.refuse(spec.predictor, catalog)
    yield from _route(document, spec, catalog)
    yield from _names(document)
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


def _route(document: Document, spec: EndpointSpec, catalog: Catalog) -> Iterable[Refusal]:
    if gateway_of(document, spec, catalog) is None and spec.route.model_fields_set:
        field = "gateway" if spec.route.gateway is not None else next(iter(sorted(spec.route.model_fields_set)))
        yield Refusal(
            f"spec.route.{field}",
            f"no gateway of environment {catalog.environment!r} leads to it",
            f"Write a Gateway in the namespace {document.key.namespace}, or remove `route`: inside the cluster its Service answers.",
        )


def _names(document: Document) -> Iterable[Refusal]:
    if not _SERVICE_NAME.match(document.key.name) or len(document.key.name) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"the name of a Kubernetes Service begins with a letter (RFC 1035), and at most {_LONGEST} characters leave room for endings",
            "Rename the endpoint, with metadata.movedFrom.",
        )
    for name, value in document.metadata.labels.items():
        if not _LABEL_NAME.match(name) or not _LABEL_VALUE.match(value):
            yield Refusal(
                "metadata.labels",
                f"the label {name!r} with the value {value!r} is none that Kubernetes takes",
                "Use at most 63 letters, digits, `-`, `_` and `.`, or make it an annotation.",
            )
