"""An `Environment` on the target `kubernetes`: the namespaces of its specs, closed and bounded. Objects of other kinds stand in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trueup_specs.core.envelope import Document, SecretKeyRef
from trueup_stacks.core.resources import Options, Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal
from trueup_stacks.kubernetes import access, feature_server, naming, networking, registry, secrets, tokens, workflows
from trueup_stacks.kubernetes.foundation import inside, metadata, namespaces_in_use
from trueup_stacks.kubernetes.quantities import amounts

LEVEL = "restricted"
"""The Pod Security Standard that the namespaces hold pods to."""


def emit_environment(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """What the environment itself puts on its cluster; other environments are on clusters of their own."""
    if document.key.name != catalog.environment:
        return
    for namespace in namespaces_in_use(catalog):
        if naming.cluster(catalog).namespaces.manage:
            yield _namespace(document, catalog, namespace)
        for token, name, properties in (*_inside(catalog), *workflows.rights(catalog, namespace)):
            yield inside(document, catalog, namespace, token, name, properties)
    yield from registry.emit(document, catalog)
    yield from feature_server.emit(document, catalog)


def refuse_environment(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What the environment's own servers lack."""
    if document.key.name == catalog.environment:
        yield from registry.refuse(document, catalog)
        yield from feature_server.refuse(document, catalog)


def _namespace(document: Document, catalog: Catalog, namespace: str) -> Resource:
    kept = naming.cluster(catalog).namespaces
    pod_security = {
        f"pod-security.kubernetes.io/{mode}{end}": value
        for mode in ("enforce", "audit", "warn")
        for end, value in (("", LEVEL), ("-version", "latest"))
    }
    labels = {**kept.labels, **pod_security, naming.ENVIRONMENT: catalog.environment}
    found = metadata(document, catalog, f"{naming.cluster(catalog).namespace_prefix}{namespace}")
    return Resource(
        naming.home(namespace, catalog)[0],
        {"metadata": {**found, "labels": {**found["labels"], **labels}}},
        document.key,
        # It takes all that is in it along, so that only who says so deletes it.
        options=Options(
            retain=document.metadata.deletion_policy != "delete",
            maybe_immutable=frozenset({"metadata"}),
            holds_data=True,
        ),
    )


def _inside(catalog: Catalog) -> Iterator[tuple[str, str, Mapping[str, Value]]]:
    """What stands in each namespace: token, name, properties."""
    cluster = naming.cluster(catalog)
    for secret in cluster.image_pull_secrets:
        if secret.secret_ref is not None:
            content = {".dockerconfigjson": SecretKeyRef(secret_ref=secret.secret_ref)}
            for token, properties in secrets.stored(catalog, content, "kubernetes.io/dockerconfigjson"):
                yield token, secret.name, properties
    if not cluster.namespaces.manage:
        return
    yield tokens.NETWORK_POLICY, "default-deny", networking.closed()
    yield tokens.NETWORK_POLICY, "allow-egress", networking.opened(catalog)
    yield from access.roles()
    kept = cluster.namespaces
    if kept.quota:
        yield tokens.QUOTA, "trueup", {"spec": {"hard": amounts(kept.quota)}}
    given = {
        "defaultRequest": kept.limits.default_request,
        "default": kept.limits.default,
        "max": kept.limits.max,
    }
    limits = {name: amounts(quantities) for name, quantities in given.items() if quantities}
    if limits:
        yield tokens.LIMIT_RANGE, "trueup", {"spec": {"limits": [{"type": "Container", **limits}]}}
