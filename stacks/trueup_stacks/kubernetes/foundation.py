"""Objects of documents of the whole workspace: in which namespaces they stand, and what they are called there."""

from __future__ import annotations

from collections.abc import Mapping

from trueup_specs.core.envelope import Document
from trueup_stacks.core.resources import Address, Options, Resource, StackId, Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import naming

_KINDS = ("Endpoint", "Gateway", "Monitor", "AlertRoute", "Dashboard")
"""Kinds whose documents become objects of their namespace."""
_SHARED = "workspace"
"""The stack's namespace of what stands in none."""


def namespaces_in_use(catalog: Catalog) -> list[str]:
    """The namespaces of the specs that have objects on the cluster."""
    kinds = (*_KINDS, "Pipeline") if runs_pipelines(catalog) else _KINDS
    found = {document.key.namespace for kind in kinds for document in catalog.of_kind(kind)}
    servers = (catalog.settings.registry.server, catalog.settings.feature_store.server)
    return sorted(found | {s.namespace for s in servers if s is not None and s.namespace is not None})


def runs_pipelines(catalog: Catalog) -> bool:
    """Whether pipelines become objects of the cluster."""
    return catalog.settings.runner.type in ("jobs", "argo", "ray")


def inside(
    document: Document, catalog: Catalog, namespace: str, token: str, name: str, properties: Mapping[str, Value]
) -> Resource:
    """An object in a namespace, on behalf of a document of the whole workspace."""
    where = f"{naming.cluster(catalog).namespace_prefix}{namespace}"
    found = {**metadata(document, catalog, name), "namespace": where}
    return Resource(
        address(catalog, namespace, token, name),
        {"metadata": found, **properties},
        document.key,
        naming.home(namespace, catalog),
        Options(maybe_immutable=frozenset({"metadata"})),
    )


def shared(document: Document, catalog: Catalog, token: str, name: str, properties: Mapping[str, Value]) -> Resource:
    """An object of the whole cluster, which the workspace's and the environment's names keep apart from others'."""
    whole = f"{catalog.project}-{catalog.environment}-{name}"
    return Resource(
        address(catalog, _SHARED, token, name),
        {"metadata": metadata(document, catalog, whole), **properties},
        document.key,
        options=Options(maybe_immutable=frozenset({"metadata"})),
    )


def address(catalog: Catalog, namespace: str, token: str, name: str) -> Address:
    """The address in the foundation stack of a namespace of the specs."""
    return Address(StackId(catalog.environment, namespace, naming.FOUNDATION, catalog.cluster), token, name)


def metadata(document: Document, catalog: Catalog, name: str) -> dict[str, Value]:
    """What says whose an object is, without a namespace."""
    found = naming.metadata(document, catalog, name=name, component="environment")
    return {k: v for k, v in found.items() if k != "namespace"}
