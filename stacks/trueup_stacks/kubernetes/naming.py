"""Names, labels and options that all objects of a document share."""

from __future__ import annotations

from collections.abc import Mapping

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.environment.cluster import Cluster
from trueup_specs.kinds.environment.clusters import MemberCluster
from trueup_stacks.core.resources import Address, Options, Resource, StackId, Value
from trueup_stacks.core.targets import Catalog, address_of
from trueup_stacks.kubernetes import tokens
from trueup_stacks.local.naming import former

LAYER = "serving"
FOUNDATION = "foundation"
ENVIRONMENT = "trueup/environment"
"""The label of the namespaces that Trueup keeps, and the annotation of every object."""


def cluster(catalog: Catalog) -> Cluster:
    """The environment's cluster; an empty one where it says nothing."""
    return catalog.settings.cluster or Cluster()


def where(catalog: Catalog) -> str:
    """The field of the environment that the cluster stands in, for messages."""
    found = catalog.settings.cluster
    return f"spec.clusters[{found.name}]" if isinstance(found, MemberCluster) else "spec.cluster"


def namespace(document: Document, catalog: Catalog) -> str:
    """The cluster's namespace of a document."""
    return f"{cluster(catalog).namespace_prefix}{document.key.namespace}"


def home(namespace: str, catalog: Catalog) -> tuple[Address, ...]:
    """The Namespace of a namespace of the specs, which must be there first; nothing where the platform makes it."""
    if not cluster(catalog).namespaces.manage:
        return ()
    return (Address(StackId(catalog.environment, namespace, FOUNDATION, catalog.cluster), tokens.NAMESPACE, namespace),)


def selector(document: Document) -> dict[str, str]:
    """The labels that pods are found by. They never change, since a Deployment's selector cannot."""
    return {"app.kubernetes.io/name": document.key.name, "app.kubernetes.io/component": "predictor"}


def labels(document: Document, catalog: Catalog, component: str = "predictor") -> dict[str, str]:
    """Kubernetes' recommended labels; they mark whose the object is."""
    return {
        "app.kubernetes.io/name": document.key.name,
        "app.kubernetes.io/instance": document.key.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": catalog.project,
        "app.kubernetes.io/managed-by": "trueup",
    }


def metadata(
    document: Document, catalog: Catalog, *, name: str = "", component: str = "predictor", where: str = ""
) -> dict[str, Value]:
    """An object's metadata, with the marks of who owns it. `where` is its namespace where it is not the document's."""
    annotations = {
        "trueup/document": str(document.key),
        ENVIRONMENT: catalog.environment,
        "trueup/owner": document.metadata.owner or "",
        "trueup/description": str(getattr(document.spec, "description", "")),
    }
    return {
        "name": name or document.key.name,
        "namespace": where or namespace(document, catalog),
        "labels": {**document.metadata.labels, **labels(document, catalog, component)},
        "annotations": {k: v for k, v in annotations.items() if v},
    }


def options(document: Document, catalog: Catalog, token: str, suffix: str = "", layer: str = LAYER) -> Options:
    """`metadata` holds the namespace, whose change replaces the object, beside labels, whose change does not."""
    return Options(
        retain=document.metadata.deletion_policy == "retain",
        moved_from=former(document, catalog, layer, token, suffix),
        maybe_immutable=frozenset({"metadata"}),
    )


def resource(
    document: Document,
    catalog: Catalog,
    token: str,
    properties: Mapping[str, Value],
    after: tuple[Resource, ...] = (),
    suffix: str = "",
    *,
    component: str = "predictor",
    layer: str = LAYER,
) -> Resource:
    """An object of a document, named like it, in its namespace; annotations may be given."""
    made = metadata(document, catalog, name=document.key.name + suffix, component=component)
    made["annotations"] |= properties.get("metadata", {}).get("annotations", {})
    return Resource(
        address_of(document, catalog, layer, token, suffix),
        {**properties, "metadata": made},
        document.key,
        (*home(document.key.namespace, catalog), *(r.address for r in after)),
        options(document, catalog, token, suffix, layer),
    )
