"""Where the pods of a cluster find the registry of models. Called by those that give it to pods; what makes its server is `registry`."""

from __future__ import annotations

from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import naming
from trueup_stacks.local.naming import tracking_uri as from_outside

NAME = "mlflow"
"""What the objects of the environment's own server are called."""


def tracking_uri(catalog: Catalog) -> str:
    """The environment's own server, by its name inside the cluster; where it keeps none, the address that all use."""
    server = catalog.settings.registry.server
    if server is None or server.namespace is None:
        return from_outside(catalog)
    return f"http://{names(server.namespace, catalog)[2]}"


def names(namespace: str, catalog: Catalog) -> tuple[str, ...]:
    """What the server's Service is called inside the cluster, from the shortest name to the whole one."""
    where = f"{naming.cluster(catalog).namespace_prefix}{namespace}"
    return NAME, f"{NAME}.{where}", f"{NAME}.{where}.svc", f"{NAME}.{where}.svc.cluster.local"
