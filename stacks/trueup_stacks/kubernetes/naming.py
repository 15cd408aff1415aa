"""Names, labels and options that all objects of a document share."""

from __future__ import annotations

from trueup_specs.core.envelope import Document
from trueup_stacks.core.resources import Options, Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.local.naming import former

LAYER = "serving"


def namespace(document: Document, catalog: Catalog) -> str:
    """The cluster's namespace of a document. It is the platform's to make: Trueup does not."""
    cluster = catalog.settings.cluster
    return f"{cluster.namespace_prefix if cluster else ''}{document.key.namespace}"


def selector(document: Document) -> dict[str, str]:
    """The labels that pods are found by. They never change, since a Deployment's selector cannot."""
    return {"app.kubernetes.io/name": document.key.name, "app.kubernetes.io/component": "predictor"}


def metadata(document: Document, catalog: Catalog, description: str = "") -> dict[str, Value]:
    """An object's metadata, with the marks of who owns it."""
    annotations = {
        "trueup/document": str(document.key),
        "trueup/environment": catalog.environment,
        "trueup/owner": document.metadata.owner or "",
        "trueup/description": description,
    }
    return {
        "name": document.key.name,
        "namespace": namespace(document, catalog),
        "labels": {
            **document.metadata.labels,
            **selector(document),
            "app.kubernetes.io/part-of": catalog.project,
            "app.kubernetes.io/managed-by": "trueup",
        },
        "annotations": {k: v for k, v in annotations.items() if v},
    }


def options(document: Document, catalog: Catalog, token: str) -> Options:
    """`metadata` holds the namespace, whose change replaces the object, beside labels, whose change does not."""
    return Options(
        retain=document.metadata.deletion_policy == "retain",
        moved_from=former(document, catalog, LAYER, token),
        maybe_immutable=frozenset({"metadata"}),
    )
