"""What is upstream of what: from references of the models, and from those that pipeline steps make by parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from trueup_specs.core.envelope import Document
from trueup_specs.core.links import WORKSPACE_KINDS, references
from trueup_specs.core.references import Key, qualified
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step

_STEP_REFERENCES = {"dataset": "Dataset", "features": "FeatureService"}
"""Parameters of built-in steps that name a document."""

_REVERSED = {("QualityGate", "Model")}
"""A gate names its model but decides about it: the gate is upstream."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A directed graph over the documents of an environment: an edge leads from what is used to what uses it."""

    upstream: Mapping[Key, frozenset[Key]]
    _downstream: dict[Key, set[Key]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for key, sources in self.upstream.items():
            for source in sources:
                self._downstream.setdefault(source, set()).add(key)

    def downstream(self, keys: Iterable[Key]) -> frozenset[Key]:
        """Everything that is reached from `keys`, without them."""
        start = set(keys)
        found: set[Key] = set()
        queue = list(start)
        while queue:
            for follower in self._downstream.get(queue.pop(), ()):
                if follower not in found and follower not in start:
                    found.add(follower)
                    queue.append(follower)
        return frozenset(found)

    def ordered(self) -> tuple[Key, ...]:
        """Upstream first; ties by key. Raises `graphlib.CycleError` for a cycle."""
        sorter = TopologicalSorter({k: sorted(v) for k, v in sorted(self.upstream.items())})
        return tuple(sorter.static_order())

    def edges(self) -> Iterator[tuple[Key, Key]]:
        """(used, user), sorted."""
        for key, sources in sorted(self.upstream.items()):
            for source in sorted(sources):
                yield source, key


def step_references(step: Step) -> Iterator[tuple[str, str]]:
    """(kind, reference as written) of the documents that a built-in step names."""
    if step.uses is None or ":" in step.uses:
        return
    for parameter, kind in _STEP_REFERENCES.items():
        value = step.with_.get(parameter)
        if isinstance(value, str) and "${{" not in value:
            yield kind, value


def lineage(documents: Mapping[Key, Document]) -> Lineage:
    """The lineage of an environment's documents; references to documents that are not there are left out."""
    upstream: dict[Key, set[Key]] = {key: set() for key in documents if key.kind not in WORKSPACE_KINDS}
    for key, document in documents.items():
        if key not in upstream:
            continue
        for other in _uses(document):
            if other not in upstream or other == key:
                continue
            if (key.kind, other.kind) in _REVERSED:
                upstream[other].add(key)
            elif (other.kind, key.kind) not in _REVERSED or (other.kind, key.kind) == ("QualityGate", "Model"):
                upstream[key].add(other)
    return Lineage({k: frozenset(v) for k, v in upstream.items()})


def _uses(document: Document) -> Iterator[Key]:
    for link in references(document):
        yield link.key
    if isinstance(document.spec, PipelineSpec):
        for step in document.spec.steps:
            for kind, text in step_references(step):
                namespace, name = qualified(text, document.key.namespace)
                yield Key(kind, namespace, name)


__all__ = ["CycleError", "Lineage", "lineage", "step_references"]
