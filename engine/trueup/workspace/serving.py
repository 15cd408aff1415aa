"""What the requests say of a version where it serves: the live checks of its promotion. Called by `promoting`; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from trueup import places
from trueup.exits import DENIED, UNREACHED
from trueup.gates import live
from trueup.gates.live import Answered, Judged
from trueup.observe import prometheus
from trueup.observe.prometheus import PrometheusError
from trueup.plan.recorded import Recorded
from trueup.record import accepted
from trueup.resolve.catalog import Catalog
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.core.envelope import Document
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.environment.cluster import Cluster
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_stacks.local import naming

SERVICE = "trueup:serve:Service"


def judged(
    workspace: Workspace, catalog: Catalog, model: Document, version: int, recorded: Recorded
) -> tuple[Judged, ...]:
    """The live checks of a model, by what a version has answered in the catalog's environment.

    Raises WorkspaceError where nothing serves it, or nobody says what it has answered.
    """
    assert isinstance(model.spec, ModelSpec)
    if not model.spec.promotion.live:
        return ()
    try:
        if catalog.settings.target == "kubernetes":
            found = list(_on_clusters(workspace, catalog, model, version))
        else:
            found = list(_here(workspace, catalog, model, version, recorded))
    except (OSError, PrometheusError) as error:
        said = str(error).rstrip(".")
        raise WorkspaceError(
            f"What version {version} of {model.key} has answered in {catalog.environment} is not known: {said}.",
            UNREACHED,
        ) from error
    if not found:
        raise WorkspaceError(
            f"No endpoint serves {model.key} in {catalog.environment}, so nothing answers `promotion.live`.", DENIED
        )
    return live.judged(model.spec.promotion.live, sum(found, Answered()))


def _here(
    workspace: Workspace, catalog: Catalog, model: Document, version: int, recorded: Recorded
) -> Iterator[Answered]:
    """Each endpoint of the model on this machine. Raises OSError."""
    from trueup.serving.answers import answered

    name = naming.registered_name(model, catalog)
    for id, stack in recorded.stacks.items():
        for address, resource in stack.resources.items():
            about = resource.properties.get("model")
            ours = id.environment == catalog.environment and address.type == SERVICE
            if ours and isinstance(about, Mapping) and about.get("name") == name:
                yield answered(Path(places.resolve(workspace.home, str(resource.properties["folder"]))), version)


def _on_clusters(workspace: Workspace, catalog: Catalog, model: Document, version: int) -> Iterator[Answered]:
    """Each endpoint of the model on each cluster of the environment. Raises PrometheusError."""
    served = accepted.served(workspace.ledger, catalog.environment, model.key)
    clusters: tuple[Cluster, ...] = catalog.settings.clusters or (catalog.settings.cluster or Cluster(),)
    for document in catalog.of_kind("Endpoint"):
        assert isinstance(document.spec, EndpointSpec)
        if catalog.bound(document, "Model", document.spec.model.name).key != model.key:
            continue
        for cluster in clusters:
            if cluster.prometheus is None:
                raise WorkspaceError(
                    f"`promotion.live` of {model.key} asks the cluster's Prometheus; name it in `cluster.prometheus.url` of the "
                    f"environment {catalog.environment}.",
                    DENIED,
                )
            namespace = f"{cluster.namespace_prefix}{document.key.namespace}"
            yield prometheus.answered(cluster.prometheus.url, namespace, document.key.name, version, served)
