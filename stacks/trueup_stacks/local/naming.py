"""Names and places that several kinds of the target `local` share."""

from __future__ import annotations

from typing import Any

from trueup_specs.core.envelope import Document
from trueup_stacks.core.resources import Address, Options
from trueup_stacks.core.targets import Catalog, address_of

METADATA = frozenset({"owner", "labels", "description"})


def folder(document: Document, catalog: Catalog, what: str) -> str:
    """The `home:` folder of a document's real thing, such as `home:dev/tables/churn/customers`."""
    return f"home:{catalog.environment}/{what}/{document.key.namespace}/{document.key.name}"


def registered_name(model: Document, catalog: Catalog, environment: str | None = None) -> str:
    """The model's name in the registry: `namespace.name`, with the environment before it where each trains its own."""
    name = f"{model.key.namespace}.{model.key.name}"
    return f"{environment or catalog.environment}.{name}" if trains_everywhere(model) else name


def trains_everywhere(model: Document) -> bool:
    """Whether `train.in` is `each`."""
    return bool(getattr(model.spec, "train").in_ == "each")  # noqa: B009


def tracking_uri(catalog: Catalog) -> str:
    """The environment's registry, by default the workspace's own."""
    return catalog.settings.registry.tracking_uri or "home:registry"


def feature_repository(catalog: Catalog) -> dict[str, Any]:
    """The Feast repository of the environment."""
    store = catalog.settings.feature_store
    return {
        "repo": f"home:{catalog.environment}/features",
        "project": f"{catalog.project}_{catalog.environment}".replace("-", "_"),
        "store": {"offline": store.offline, "online": store.online},
    }


def described(document: Document, labels: bool = False) -> dict[str, Any]:
    """The properties that only describe."""
    properties: dict[str, Any] = {"owner": document.metadata.owner or ""}
    if hasattr(document.spec, "description"):
        properties["description"] = document.spec.description
    if labels:
        properties["labels"] = dict(document.metadata.labels)
    return properties


def options(
    document: Document,
    catalog: Catalog,
    layer: str,
    type: str,
    *,
    holds_data: bool = False,
    volatile: frozenset[str] = frozenset(),
    suffix: str = "",
) -> Options:
    """The options of a document's resource: retained where it holds data, moved where it was renamed."""
    policy = document.metadata.deletion_policy or ("retain" if holds_data else "delete")
    return Options(
        retain=policy == "retain",
        protect=False,
        moved_from=former(document, catalog, layer, type, suffix),
        metadata=METADATA,
        volatile=volatile,
        holds_data=holds_data,
    )


def former(document: Document, catalog: Catalog, layer: str, type: str, suffix: str = "") -> tuple[Address, ...]:
    """The address that the resource had before `metadata.movedFrom`."""
    if not document.metadata.moved_from:
        return ()
    namespace, _, name = document.metadata.moved_from.rpartition("/")
    address = address_of(document, catalog, layer, type, suffix)
    stack = address.stack if not namespace else type_stack(address, namespace)
    return (Address(stack, type, name + suffix),)


def type_stack(address: Address, namespace: str) -> Any:
    """The same stack in another namespace."""
    from dataclasses import replace

    return replace(address.stack, namespace=namespace)
