"""What compile must know that no spec says: object ids of code and data, accepted versions, recorded runs. Called by the workspace.

Reads the tree that is planned (no network, no credentials) and what the ledger records; changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from trueup.observe import soaking
from trueup.observe.cursors import CURSOR
from trueup.plan.recorded import Recorded, RecordedResource, RecordedStack
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_stacks.core.targets import Facts, SourceFact

GATE = "trueup:run:Gate"
RUN = "trueup:run:Run"
ALIAS = "trueup:registry:Alias"
TABLE = "trueup:data:Table"
UNKNOWN = "unknown"
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Tree(Protocol):
    """The files of the workspace, as far as facts need them."""

    def tree_oid(self, path: str) -> str | None:
        """The Git object id of a file or folder; None where there is none."""
        ...


def known_sources(documents: Iterable[Document], tree: Tree, environment: str) -> list[tuple[Key, str]] | None:
    """The fingerprints of the data sources among a file's documents; None where it takes more than the tree to tell: an overlay of a
    data source, or a query."""
    present: dict[Key, Document] = {}
    for document in documents:
        spec = document.spec
        if isinstance(spec, DataSourceSpec) and spec.file is None:
            return None
        if isinstance(spec, OverlaySpec) and spec.target.kind == "DataSource":
            return None
        if document.metadata.environments is None or environment in document.metadata.environments:
            present[document.key] = document
    paths = {path for d in present.values() if (path := local_path(d)) is not None}
    trees = {path: oid for path in paths if (oid := tree.tree_oid(path)) is not None}
    return [(key, fact.fingerprint) for key, fact in _sources(present, trees, {})]


Served = Callable[[str, Key], float]
"""Seconds since an environment uses the version of a model that it uses."""


def facts(
    documents: Mapping[Key, Document],
    tree: Tree,
    recorded: Recorded,
    environment: str,
    *,
    served: Served | None = None,
    cursors: Mapping[Key, str] | None = None,
    away: Iterable[str] = (),
) -> Facts:
    """The facts of an environment. `served` is asked about models that soak; `cursors` are fingerprints of data sources that were
    asked for theirs, and where one was not, what the ledger records of it holds; `away` are the clusters that do not answer."""
    paths = {p for d in documents.values() for p in _named_paths(d)}
    trees = {p: oid for p in sorted(paths) if (oid := tree.tree_oid(p)) is not None}
    return Facts(
        trees=trees,
        sources=dict(
            _sources(documents, trees, {**dict(_loaded(recorded, documents, environment)), **(cursors or {})})
        ),
        accepted=dict(_accepted(recorded, documents)),
        served={(e, k): served(e, k) for e, k in soaking.asked(documents, environment)} if served else {},
        away=frozenset(away),
        standing=dict(_standing(recorded, documents, environment)),
        runs=dict(_runs(recorded, environment)),
    )


def moving(documents: Mapping[Key, Document]) -> list[Key]:
    """The endpoints that stand on another cluster while theirs is away."""
    return [
        k
        for k, d in documents.items()
        if isinstance(d.spec, EndpointSpec) and d.spec.placement and d.spec.placement.failover_order
    ]


def _standing(
    recorded: Recorded, documents: Mapping[Key, Document], environment: str
) -> Iterator[tuple[Key, frozenset[str]]]:
    stacks = [s for id, s in recorded.stacks.items() if id.environment == environment]
    for key in moving(documents):
        on = (a for s in stacks for a, r in s.resources.items() if r.origin == str(key))
        if found := frozenset(a.stack.cluster for a in on if a.on_kubernetes):
            yield key, found


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


def _loaded(recorded: Recorded, documents: Mapping[Key, Document], environment: str) -> Iterator[tuple[Key, str]]:
    """The cursors that the ledger records of the tables of each data source."""
    for id, stack in recorded.stacks.items():
        for address, resource in stack.resources.items() if id.environment == environment else ():
            document = documents.get(Key.parse(resource.origin)) if address.type == TABLE else None
            if document is not None and isinstance(document.spec, DatasetSpec):
                found = str(resource.properties.get("sourceFingerprint"))
                if found.startswith(CURSOR):
                    namespace, _, name = document.spec.source.rpartition("/")
                    yield Key("DataSource", namespace or document.key.namespace, name), found


def _sources(
    documents: Mapping[Key, Document], trees: Mapping[str, str], cursors: Mapping[Key, str]
) -> Iterator[tuple[Key, SourceFact]]:
    for key, document in sorted(documents.items()):
        if not isinstance(document.spec, DataSourceSpec):
            continue
        path = local_path(document)
        if path is not None and path in trees:
            yield key, SourceFact(f"git:{trees[path]}", source_uri(trees[path], path))
        elif document.spec.file is not None:
            yield key, SourceFact(UNKNOWN, document.spec.file.url, volatile=path is None)
        else:
            assert document.spec.sql is not None
            mark = cursors.get(key, UNKNOWN) if document.spec.sql.cursor else UNKNOWN
            yield key, SourceFact(mark, "", volatile=True)


def _accepted(recorded: Recorded, documents: Mapping[Key, Document]) -> Iterator[tuple[tuple[str, Key], int]]:
    """What gates accepted, and, in environments that train nothing, what aliases without a version of their own point to."""
    for id, stack in recorded.stacks.items():
        gates = {r.origin: r for a, r in stack.resources.items() if a.type == GATE}
        for origin, resource in (*_following(stack, documents), *gates.items()):
            version = resource.outputs.get("acceptedVersion", resource.properties.get("version"))
            if isinstance(version, (int, float)) and (origin not in gates or resource is gates[origin]):
                yield (id.environment, Key.parse(origin)), int(version)


def _following(stack: RecordedStack, documents: Mapping[Key, Document]) -> Iterator[tuple[str, RecordedResource]]:
    for address, resource in stack.resources.items():
        document = documents.get(Key.parse(resource.origin)) if address.type == ALIAS else None
        if document is not None and isinstance(document.spec, ModelSpec):
            names = [f"{document.key.name}-{a.name}" for a in document.spec.aliases if a.version is None]
            if address.name in names:
                yield resource.origin, resource


def _runs(recorded: Recorded, environment: str) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    for id, stack in recorded.stacks.items():
        if id.environment != environment:
            continue
        for address, resource in stack.resources.items():
            if address.type == RUN:
                yield Key.parse(resource.origin), resource.properties
