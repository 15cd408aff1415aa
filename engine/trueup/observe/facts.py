"""What compile must know that no spec says: object ids of code and data, accepted versions, recorded runs. Called by the workspace.

Reads the tree that is planned (no network, no credentials) and what the ledger records; changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from trueup.plan.recorded import Recorded
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_stacks.core.targets import Facts, SourceFact

GATE = "trueup:run:Gate"
RUN = "trueup:run:Run"
UNKNOWN = "unknown"
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Tree(Protocol):
    """The files of the workspace, as far as facts need them."""

    def tree_oid(self, path: str) -> str | None:
        """The Git object id of a file or folder; None where there is none."""
        ...


def facts(documents: Mapping[Key, Document], tree: Tree, recorded: Recorded, environment: str) -> Facts:
    """The facts of an environment."""
    paths = {p for d in documents.values() for p in _named_paths(d)}
    trees = {p: oid for p in sorted(paths) if (oid := tree.tree_oid(p)) is not None}
    return Facts(
        trees=trees,
        sources=dict(_sources(documents, trees)),
        accepted=dict(_accepted(recorded)),
        runs=dict(_runs(recorded, environment)),
    )


def local_path(document: Document) -> str | None:
    """The path of a data source's file in the workspace; None for remote files and queries."""
    spec = document.spec
    if not isinstance(spec, DataSourceSpec) or spec.file is None or _URL.match(spec.file.url):
        return None
    return spec.file.url.removeprefix("./")


def source_uri(oid: str, path: str) -> str:
    """Where a data file of the repository is exported to before an apply."""
    return f"home:sources/{oid}/{path.rstrip('/').rpartition('/')[2]}"


def _named_paths(document: Document) -> Iterator[str]:
    if (path := local_path(document)) is not None:
        yield path
    spec = document.spec
    if isinstance(spec, PipelineSpec):
        yield from (p for p in (spec.code, spec.lockfile) if p)
    if isinstance(spec, ModelSpec) and spec.source and not _URL.match(spec.source.uri) and ":" not in spec.source.uri:
        yield spec.source.uri


def _sources(documents: Mapping[Key, Document], trees: Mapping[str, str]) -> Iterator[tuple[Key, SourceFact]]:
    for key, document in sorted(documents.items()):
        if not isinstance(document.spec, DataSourceSpec):
            continue
        path = local_path(document)
        if path is not None and path in trees:
            yield key, SourceFact(f"git:{trees[path]}", source_uri(trees[path], path))
        elif document.spec.file is not None:
            yield key, SourceFact(UNKNOWN, document.spec.file.url, volatile=path is None)
        else:
            yield key, SourceFact(UNKNOWN, "", volatile=True)


def _accepted(recorded: Recorded) -> Iterator[tuple[tuple[str, Key], int]]:
    for id, stack in recorded.stacks.items():
        for address, resource in stack.resources.items():
            version = resource.outputs.get("acceptedVersion")
            if address.type == GATE and version is not None:
                yield (id.environment, Key.parse(resource.origin)), int(version)


def _runs(recorded: Recorded, environment: str) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    for id, stack in recorded.stacks.items():
        if id.environment != environment:
            continue
        for address, resource in stack.resources.items():
            if address.type == RUN:
                yield Key.parse(resource.origin), resource.properties
