"""Rules of references between documents (TRU1013 to TRU1019), listed for every kind by the registry.

That a typed reference leads to a document at all is judged by `trueup.validate`, which also knows the documents that are
wrong in themselves. `absent` is for rules whose references no model marks, such as those in a step's `with`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.envelope import Document
from trueup_specs.core.links import references
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, derived


def written(key: Key, namespace: str) -> str:
    """A reference to `key` as a document of `namespace` writes it."""
    return key.name if key.namespace in ("", namespace) else f"{key.namespace}/{key.name}"


def meant(key: Key, namespace: str, index: Index) -> str:
    """What to do about a reference to nothing: the sentence names the nearest document, or those there are."""
    known = [written(d.key, namespace) for d in index.of_kind(key.kind)]
    if not known:
        article = "an" if key.kind[0] in "AEIOU" else "a"
        return f"Add {article} {key.kind} of that name; the workspace has none yet."
    elsewhere = sorted(d.key for d in index.of_kind(key.kind) if d.key.name == key.name)
    near = written(elsewhere[0], namespace) if elsewhere else nearest(written(key, namespace), known)
    if near:
        return f"Did you mean `{near}`?"
    few = ", ".join(f"`{k}`" for k in sorted(known)[:5])
    return f"Add it, or name one that exists: {few}{' …' if len(known) > 5 else ''}."


def absent(path: tuple[str | int, ...], key: Key, namespace: str, index: Index) -> Finding:
    """The finding that `key` is referred to and is not there."""
    place = f" in the namespace {key.namespace!r}" if key.namespace else ""
    return Finding(path, f"There is no {key.kind} {key.name!r}{place}.", fix=meant(key, namespace, index))


def _limited(index: Index) -> frozenset[Key]:
    """The documents that exist in some environments only."""
    from trueup_specs.kinds import KINDS

    everything: Iterable[Document] = (d for kind in KINDS for d in index.of_kind(kind))
    return frozenset(d.key for d in everything if d.metadata.environments is not None)


class ReferenceElsewhere(Rule):
    """A reference must name a document that exists in every environment of the one that refers."""

    code = "TRU1013"
    reason = "In the environments that lack it, nothing could be made from it."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: DataSource
        metadata: {name: raw, environments: [dev]}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers, environments: [dev]}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string}]}}
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: DataSource
        metadata: {name: raw, environments: [dev]}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string}]}}
        #              ^
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        limited = derived(index, _limited)
        if not limited:
            return
        own = document.metadata.environments
        everywhere = own if own is not None else tuple(sorted(d.key.name for d in index.of_kind("Environment")))
        if document.key.kind == "Environment":
            everywhere = (document.key.name,)
        for link in references(document):
            if link.key not in limited or link.path[0] == "metadata":
                continue
            target = index.get(link.key)
            assert target is not None
            lacking = [e for e in everywhere if e not in (target.metadata.environments or ())]
            if lacking:
                yield Finding(
                    link.path,
                    f"{link.key} does not exist in {' and '.join(map(repr, lacking))}, where {document.key} does.",
                    fix=f"Limit both to the same environments with `metadata.environments`, or add {lacking[0]!r} there.",
                    related=((link.key, ("metadata", "environments"), "It is limited here."),),
                )


REFERENCE_RULES: tuple[type[Rule], ...] = (ReferenceElsewhere,)
