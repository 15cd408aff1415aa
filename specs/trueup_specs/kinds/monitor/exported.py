"""Findings about metrics that nothing exports, and labels that they do not have. Called by the rules of Monitor and Dashboard."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, derived
from trueup_specs.kinds.envelope.words import listed
from trueup_specs.kinds.monitor import metrics, series
from trueup_specs.kinds.monitor.promql import Query


def known_series(index: Index, namespace: str) -> frozenset[str]:
    """The series that expressions of a namespace may name, computed once for an index."""
    found = derived(index, _known)
    if namespace not in found:
        found[namespace] = series.known(namespace, index)
    return found[namespace]


def _known(index: Index) -> dict[str, frozenset[str]]:
    return {}


def unknown_metrics(path: Path, query: Query, known: frozenset[str]) -> Iterator[Finding]:
    """The metrics of an expression that nothing exports."""
    for name in dict.fromkeys(s.metric for s in query.selectors if s.metric and s.metric not in known):
        near = nearest(name, known)
        yield Finding(
            path,
            f"Nothing exports a metric {name!r}.",
            fix=f"Did you mean `{near}`?"
            if near
            else "Record it in a Monitor of the namespace, or name it in `metrics` of its exporter there, or of the Monitor itself.",
        )


def unknown_labels(path: Path, query: Query) -> Iterator[Finding]:
    """Labels that a metric of Trueup's servers does not have."""
    labels = metrics.server_labels()
    for selector in query.selectors:
        for label in dict.fromkeys(selector.labels):
            if selector.metric in labels and label not in labels[selector.metric]:
                yield Finding(
                    path,
                    f"{selector.metric} has no label {label!r}, so that nothing matches.",
                    fix=f"Its labels are {listed(labels[selector.metric])}.",
                )
