"""What reads the metrics of an endpoint's servers: a PodMonitor, where the cluster has the Prometheus operator."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog
from trueup_stacks.kubernetes import components, naming, tokens


def monitor(document: Document, catalog: Catalog) -> Iterator[tuple[str, dict[str, Value]]]:
    """The token and the properties."""
    if components.has(catalog, "prometheus-operator"):
        spec = {
            "selector": {"matchLabels": naming.selector(document)},
            "podMetricsEndpoints": [{"port": "http", "path": "/metrics", "scheme": "http"}],
        }
        yield tokens.POD_MONITOR, {"spec": spec}
