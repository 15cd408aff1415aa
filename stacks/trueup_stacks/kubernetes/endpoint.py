"""An `Endpoint` on the target `kubernetes`: the servers' Deployment or Rollout, and what makes them reachable, safe and scaled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_stacks.core.resources import Output, Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled
from trueup_stacks.kubernetes import (
    autoscaling,
    kserve,
    meshes,
    monitoring,
    naming,
    networking,
    registry_address,
    rollouts,
    routes,
    secrets,
    tokens,
)
from trueup_stacks.kubernetes.pods import pod_template
from trueup_stacks.local.serving import served_version


def emit_endpoint(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The endpoint's objects; none while no version of the model was promoted here."""
    spec = document.spec
    assert isinstance(spec, EndpointSpec)
    version = served_version(document, catalog, compiled)
    if version is None:
        return
    assert not isinstance(version, Output), "Models are not trained on this target."
    model = catalog.bound(document, "Model", spec.model.name)
    before = tuple(
        naming.resource(document, catalog, token, properties, suffix=suffix)
        for token, suffix, properties in _before(document, spec, catalog)
    )
    yield from before
    # Its pods ask the environment's own registry for the model.
    asked = tuple(
        r
        for r in compiled.resources_of(Key("Environment", "", catalog.environment))
        if (r.address.type, r.address.name) == (tokens.SERVICE, registry_address.NAME)
    )
    template = pod_template(document, model, version, catalog)
    if kserve.chosen(spec):
        token, properties = tokens.INFERENCE_SERVICE, kserve.inference_service(spec, template)
    else:
        token, properties = rollouts.workload(spec), _workload(document, spec, template)
    workload = naming.resource(document, catalog, token, properties, (*before, *asked))
    yield workload
    for token, suffix, properties in _around(document, spec, catalog):
        yield naming.resource(document, catalog, token, properties, (workload,), suffix)


def _before(document: Document, spec: EndpointSpec, catalog: Catalog) -> Iterator[tuple[str, str, dict[str, Value]]]:
    """What the pods need to start, and what a Rollout names."""
    yield tokens.SERVICE_ACCOUNT, "", {"automountServiceAccountToken": False}
    for token, properties in secrets.stored(catalog, secrets.of(spec.predictor)):
        yield token, "", properties
    if spec.rollout.strategy == "blueGreen":
        for suffix, service in networking.services(document, spec):
            # It stands before the pods that it leads to, so that nobody may wait for them.
            yield tokens.SERVICE, suffix, {**service, "metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
    if rollouts.progressive(spec.rollout):
        for suffix, template in rollouts.templates(spec, catalog):
            yield tokens.ANALYSIS_TEMPLATE, suffix, dict(template)


def _workload(document: Document, spec: EndpointSpec, template: dict[str, Value]) -> dict[str, Value]:
    # An autoscaler owns the number of replicas; naming it here would set it back with each apply.
    replicas = {} if autoscaling.scales(spec.predictor) else {"replicas": spec.predictor.min_replicas}
    return {
        "spec": {
            **replicas,
            "selector": {"matchLabels": naming.selector(document)},
            **rollouts.strategy(document, spec),
            "template": template,
        }
    }


def _around(document: Document, spec: EndpointSpec, catalog: Catalog) -> Iterator[tuple[str, str, dict[str, Value]]]:
    """What stands around the workload."""
    own = not kserve.chosen(spec)
    if own and spec.rollout.strategy != "blueGreen":
        for suffix, service in networking.services(document, spec):
            yield tokens.SERVICE, suffix, service
    token, budget = networking.budget(naming.selector(document))
    yield token, "", budget
    yield tokens.NETWORK_POLICY, "", networking.admitted(document, catalog)
    for token, properties in meshes.policies(document, catalog):
        yield token, "", properties
    for token, properties in autoscaling.autoscaler(document, spec, catalog) if own else ():
        yield token, "", properties
    for token, properties in monitoring.monitor(document, catalog):
        yield token, "", properties
    for token, properties in routes.endpoint_route(document, spec, catalog):
        yield token, "", properties
